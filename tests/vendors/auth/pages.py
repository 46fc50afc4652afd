"""The pages that a person sees: plain HTML forms, which work in a browser without any script."""

from html import escape

from tests.vendors.asgi import Reply

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><main><h1>{title}</h1>
{body}
</main></body></html>
"""


def page(title: str, body: str, status: int = 200) -> Reply:
    """A whole page; ``body`` is HTML."""
    headers = {"content-type": "text/html; charset=utf-8", "cache-control": "no-store", "x-frame-options": "DENY"}
    return Reply(status, headers, PAGE.format(title=escape(title), body=body).encode())


def consent(asking: str, account: str, scopes: tuple[str, ...]) -> Reply:
    """The question; the buttons are called Allow and Deny."""
    listed = "".join(f"<li>{escape(scope)}</li>" for scope in scopes)
    return page(
        f"{asking} wants to use your account",
        f'<p>You are signed in as <strong id="account">{escape(account)}</strong>.</p><ul id="scopes">{listed}</ul>'
        '<form method="post"><button name="decision" value="allow">Allow</button>'
        '<button name="decision" value="deny">Deny</button></form>',
    )


def code_page(code: str) -> Reply:
    """A code to copy."""
    return page(
        "Copy this code", f'<p>Paste this into the application:</p><p><code id="code">{escape(code)}</code></p>'
    )


def device_page(account: str, problem: str = "") -> Reply:
    """The form for a device code."""
    said = f'<p role="alert">{escape(problem)}</p>' if problem else ""
    return page(
        "Enter the code of your device",
        f'<p>You are signed in as <strong id="account">{escape(account)}</strong>.</p>{said}'
        '<form method="post"><label>Code <input name="user_code" autocomplete="off"></label>'
        '<button name="decision" value="allow">Allow</button><button name="decision" value="deny">Deny</button></form>',
        400 if problem else 200,
    )


def refused(message: str) -> Reply:
    """The error page that is shown when the browser must not be sent back."""
    return page("Something is wrong with this request", f'<p id="error">{escape(message)}</p>', 400)


def redirect(location: str) -> Reply:
    """302."""
    return Reply(302, {"location": location, "cache-control": "no-store", "content-length": "0"}, b"")
