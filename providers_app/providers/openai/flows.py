"""The ways to sign in to OpenAI, and the page that each begins with.

    chatgpt    Sign in with ChatGPT, the vendor's own flow for open-source applications
               (developers.openai.com/siwc/token-sharing-open-source/sign-in)
    codex      the public client of the vendor's command-line program, in the browser
    device     the same client with a code that is typed in, for a machine without a browser

What the terms of Sign in with ChatGPT ask is held like this: the answer of a sign-in comes to 127.0.0.1 or is pasted by
the person, never to another host; a session serves one person (``one_person``: it is neither shared nor offered to
other programs); the person agrees to that first; tokens are sealed in this installation's database and nowhere else.
"""

from urllib.parse import urlsplit

from providers_app import conf
from providers_app.behaviours.oauth import (
    LoginField,
    LoginStart,
    Method,
    OAuthFlow,
    PendingLogin,
    grants,
    pkce,
    text_of,
)
from providers_app.errors import InvalidRequest
from providers_app.providers.openai import account
from providers_app.providers.openai.config import OAuthConfig, SiwcConfig
from providers_app.types.credentials import Secret
from providers_app.types.tokens import OAuthClient

CHATGPT, CODEX, DEVICE = "chatgpt", "codex", "device"
DYNAMIC_CLIENT = "dynamic_agent_client"
"""Stands in for the client of an account that has none yet; the callback names the one it was given."""
PLAN_SCOPE = "chatgpt.tokens.use.direct"
CALLBACK = "/auth/callback"
PASTE_PORT = 1455

MODES = {
    "auto": "By the account's plan",
    "chatgpt": "With the ChatGPT plan",
    "api_key": "With a key of the API platform, billed there",
}
ISSUED = "one ChatGPT account"
_POSITION = (
    "OpenAI made this client for its own program and describes no use of it by other applications. For ChatGPT plans "
    "it asks applications to use Sign in with ChatGPT."
)
_POSITION_URL = "https://developers.openai.com/siwc/quickstart"


def flows() -> tuple[OAuthFlow, ...]:
    """In the order in which they are offered."""
    config = conf.provider("openai")
    return (
        OAuthFlow(
            name=CHATGPT,
            label="Sign in with ChatGPT",
            methods=("loopback", "paste_url"),
            rotation="single_use",
            description="You're using your ChatGPT plan, in your name. Usage: https://chatgpt.com/settings/usage",
            position="OpenAI's terms of 2026-09-29 allow this to applications that run on your own machine: the tokens "
            "stay there, one person uses them, only this application does, and nobody is charged for it.",
            position_url="https://openai.com/policies/sign-in-with-chatgpt-terms/",
            consent="I use it for myself, on my own machine",
            one_person=True,
            keeps_client=True,
            redirect_host="127.0.0.1",
            redirect_path=CALLBACK,
            ports=config.siwc.ports,
        ),
        _restricted(CODEX, "ChatGPT account, in the browser", ("loopback", "paste_url"), config.oauth.ports),
        _restricted(DEVICE, "ChatGPT account, with a device code", ("device",), ()),
    )


def _restricted(name: str, label: str, methods: tuple[Method, ...], ports: tuple[int, ...]) -> OAuthFlow:
    mode = conf.provider("openai").oauth.mode or "auto"
    modes = tuple(sorted(MODES, key=lambda value: value != mode))  # what the operator configured comes first
    return OAuthFlow(
        name=name,
        label=label,
        methods=methods,
        rotation="single_use",
        description="Personal plans are used through ChatGPT, work accounts through a key of the API platform.",
        position=_POSITION,
        position_url=_POSITION_URL,
        restricted=True,
        one_person=True,
        takes_over=name == CODEX,
        redirect_host="localhost",
        redirect_path=CALLBACK,
        ports=ports,
        fields=(
            LoginField(
                name="mode",
                label="How the account is used",
                required=False,
                choices=modes,
                choice_labels=tuple(MODES[value] for value in modes),
            ),
        ),
    )


def chatgpt_page(start: LoginStart, config: SiwcConfig, page: str) -> PendingLogin:
    """Sign in with ChatGPT. The client is the one that the account was given at an earlier sign-in, if any."""
    known = start.client.id if start.client.id != DYNAMIC_CLIENT else ""
    client = OAuthClient(id=known or config.client_id or DYNAMIC_CLIENT)
    nonce = pkce.new_nonce()
    more: dict[str, str | Secret] = {
        "ext_agent_host_id": config.host_id,
        "resource": config.resource,
        "nonce": nonce,
        # Asks for the plan permission again where it was once refused; else that answer would hold for ever.
        "prompt": "consent",
        "agent_name_hint": config.agent_name if client.id == DYNAMIC_CLIENT else "",
    }
    # A client that the operator configured is not one account's.
    issued = ISSUED if client.id not in (DYNAMIC_CLIENT, config.client_id) else ""
    redirect = _redirect(start, "127.0.0.1")
    return grants.code_page(
        start, page, config.scopes, more, client=client, redirect_uri=redirect, nonce=nonce, client_of=issued
    )


def codex_page(start: LoginStart, config: OAuthConfig, page: str) -> PendingLogin:
    """Begin in the browser with the client ``config.client_id``. Raise ``InvalidRequest``."""
    account.checked_mode(text_of(start.given, "mode"))
    client, redirect = OAuthClient(id=config.client_id), _redirect(start, "localhost", config.ports)
    more = {"id_token_add_organizations": "true", "codex_cli_simplified_flow": "true", "originator": config.originator}
    return grants.code_page(start, page, config.scopes, more, client=client, redirect_uri=redirect)


def _redirect(start: LoginStart, host: str, ports: tuple[int, ...] = ()) -> str:
    """Return the redirect address. Raise ``InvalidRequest`` for one that the server would refuse without a reason."""
    uri = start.redirect_uri or f"http://{host}:{ports[0] if ports else PASTE_PORT}{CALLBACK}"
    try:
        parts = urlsplit(uri)
        fits = (parts.scheme, parts.hostname, parts.path) == ("http", host, CALLBACK)
        fits = fits and not (parts.query or parts.fragment)
        port = parts.port or 0
    except ValueError:
        fits, port = False, 0
    if fits and port and (not ports or port in ports):
        return uri
    which = " or ".join(map(str, ports)) if ports else "any port"
    raise InvalidRequest(f"OpenAI takes the redirect address http://{host}:PORT{CALLBACK} with {which} only.")
