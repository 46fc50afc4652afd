"""The checks of a sign-in: flow, method, fields, client, and which parts may be shown. No input or output."""

import math
import secrets
import time
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from providers_app import conf, errors
from providers_app.behaviours.oauth import LoginField, Method, OAuthFlow, PendingLogin
from providers_app.behaviours.oauth.enabled import is_enabled, why_disabled
from providers_app.registry.discovery import registry
from providers_app.text import quoted
from providers_app.types.credentials import Secret
from providers_app.types.logins import LoginState
from providers_app.types.tokens import OAuthClient, Tokens

CALLBACK_PATH = "/oauth/callback/"
"""The path of the redirect URI below our own origin."""
ADDRESS_FIELD = "base_url"
"""The name of a flow's field for the base URL of the session's requests (``Tokens.base_url``)."""
MAX_GIVEN_CHARS = 65_536
MAX_RETURN_TO = 300
LOCAL_NAMES = ("localhost", "127.0.0.1")


class OfferedFlow(msgspec.Struct, frozen=True, kw_only=True):
    """One way to sign in, as it can be offered here; ``why_not`` is the reason why it is disabled, else empty.

    ``methods`` can work with this browser, in the order to offer them; ``impossible`` has the reason for each other.
    """

    flow: OAuthFlow
    enabled: bool
    why_not: str = ""
    methods: tuple[Method, ...] = ()
    impossible: dict[Method, str] = msgspec.field(default_factory=dict)


def offered(slug: str, flow: OAuthFlow, *, origin: str, local_browser: bool) -> OfferedFlow:
    """Return the flow with the methods that can work with this browser."""
    why = {method: why_impossible(method, origin=origin, local_browser=local_browser) for method in flow.methods}
    off = why_disabled(slug, flow)
    return OfferedFlow(
        flow=flow,
        enabled=off is None,
        why_not=f"{off.message} {off.hint}" if off else "",
        methods=tuple(method for method in flow.methods if not why[method]),
        impossible={method: reason for method, reason in why.items() if reason},
    )


def choose_flow(
    slug: str, flows: Collection[OAuthFlow], name: str | None, method: str | None, *, origin: str, local_browser: bool
) -> OAuthFlow:
    """Return the named flow, or the first enabled one that can work. Raises ``InvalidRequest``, ``FlowDisabled``."""
    named = [flow for flow in flows if name in (None, "", flow.name)]
    if not named:
        known = ", ".join(flow.name for flow in flows)
        what = f"{registry.card(slug).name} has no sign-in {quoted(name)}."
        raise errors.InvalidRequest(what, hint=f"It has: {known}.")
    begun = [flow for flow in named if flow.methods]
    if not begun:
        raise errors.InvalidRequest(f"'{named[0].label}' is not begun here.", hint=named[0].description)
    fitting = [flow for flow in begun if method in (None, "", *flow.methods)]
    if not fitting:
        known = ", ".join(sorted({known for flow in begun for known in flow.methods}))
        raise errors.InvalidRequest(f"This sign-in has no method {quoted(method)}.", hint=f"It has: {known}.")
    enabled = [flow for flow in fitting if is_enabled(slug, flow)]
    if not enabled:
        raise why_disabled(slug, fitting[0]) or errors.FlowDisabled("This sign-in is off.")
    possible = (flow for flow in enabled if offered(slug, flow, origin=origin, local_browser=local_browser).methods)
    return next(possible, enabled[0])


def choose_method(flow: OAuthFlow, method: str | None, *, origin: str, local_browser: bool) -> Method:
    """Return the named method, or the first that can work. Raises ``InvalidRequest`` with those that can."""
    why = {name: why_impossible(name, origin=origin, local_browser=local_browser) for name in flow.methods}
    possible = [name for name in flow.methods if not why[name]]
    named = next((name for name in flow.methods if name == method), None)
    if named and why[named]:
        hint = f"These can: {', '.join(possible)}." if possible else ""
        raise errors.InvalidRequest(f"The method {named} cannot work here: {why[named]}.", hint=hint)
    if named or possible:
        return named or possible[0]
    raise errors.InvalidRequest(f"'{flow.label}' cannot work here: {'; '.join(why.values())}.")


def why_impossible(method: Method, *, origin: str, local_browser: bool) -> str:
    """Return why this method cannot work with this browser; empty when it can."""
    if method == "callback":
        if not origin:
            return "the address under which the browser reaches Maestro is not known"
        if not is_callback_origin(origin):
            return "a provider leads back only to an https address, or to http on localhost or 127.0.0.1"
    if method == "loopback" and not local_browser:
        return "the browser is not on the machine that Maestro runs on, so it cannot reach a listener here"
    return ""


def is_callback_origin(origin: str) -> bool:
    """Return True for ``https://host[:port]``, or the same with http on this machine."""
    try:
        parts = urlsplit(origin)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    bare = not (parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc)
    return bare and bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in LOCAL_NAMES))


def redirect_uri(flow: OAuthFlow, method: Method, *, origin: str) -> str:
    """Return the redirect URI of a method without a listener of its own; empty for those without a redirect."""
    if method == "callback":
        return f"{origin.rstrip('/')}{CALLBACK_PATH}"
    if method == "paste_code":
        return flow.paste_redirect
    if method == "paste_url":
        # Nothing listens there: the person pastes the address. Any port will do where the provider takes any.
        port = flow.ports[0] if flow.ports and flow.ports[0] else 49152 + secrets.randbelow(16384)
        return f"http://{flow.redirect_host}:{port}{flow.redirect_path}"
    return ""


def with_earlier_answers(
    flow: OAuthFlow, given: Mapping[str, Any] | None, earlier: Tokens | None
) -> Mapping[str, Any] | None:
    """Return the answers to a flow's open fields; missing ones are taken from the earlier sign-in of the session."""
    if earlier is None or earlier.flow != flow.name:
        return given
    known = {**earlier.facts, ADDRESS_FIELD: earlier.base_url}
    names = [field.name for field in flow.fields if not field.secret and known.get(field.name)]
    # A fact with a source was inferred from the provider's answer, unless a person overrode it.
    chosen = {name: known[name] for name in names if known.get(f"{name}_source", "override") == "override"}
    return {**chosen, **{name: value for name, value in (given or {}).items() if value}}


def checked_given(flow: OAuthFlow, given: Mapping[str, Any] | None) -> dict[str, Secret]:
    """Return the answers to the flow's fields. Raises ``InvalidRequest`` for missing, unknown or too long ones."""
    found: dict[str, Secret] = {}
    known = {field.name: field for field in flow.fields}
    for name, value in (given or {}).items():
        text = value.reveal() if isinstance(value, Secret) else value
        if name not in known:
            hint = f"It has: {', '.join(known)}." if known else "Leave it out."
            raise errors.InvalidRequest(f"'{flow.label}' has no field {quoted(name)}.", hint=hint)
        if not isinstance(text, str) or len(text) > MAX_GIVEN_CHARS:
            raise errors.InvalidRequest(f"{known[name].label} must be a text of at most {MAX_GIVEN_CHARS} characters.")
        if text.strip():
            found[name] = _chosen(known[name], text.strip())
    if missing := [field for field in flow.fields if field.required and field.name not in found]:
        hint = " ".join(field.help for field in missing if field.help)
        raise errors.InvalidRequest(f"'{flow.label}' needs: {', '.join(field.label for field in missing)}.", hint=hint)
    return found


def _chosen(field: LoginField, text: str) -> Secret:
    """Return the value, in the spelling of the field's choices where it has some. Raises ``InvalidRequest``."""
    word = text.lower().replace("-", "_")
    fitting = [choice for choice in field.choices if word == choice.lower().replace("-", "_")]
    if field.choices and not fitting:
        what = f"{field.label}: there is no choice {quoted(text)}."
        raise errors.InvalidRequest(what, hint=f"It has: {', '.join(field.choices)}.")
    return Secret(fitting[0] if fitting else text)


def checked_client(flow: OAuthFlow, client: OAuthClient | Mapping[str, Any] | None) -> OAuthClient | None:
    """Return the person's own OAuth client; ``None`` where none is given. Raises ``InvalidRequest``."""
    if client is None:
        return None
    if isinstance(client, Mapping):
        secret = client.get("secret") or ""
        secret = secret if isinstance(secret, Secret) else Secret(str(secret).strip())
        client = OAuthClient(id=str(client.get("id") or "").strip(), secret=secret)
    if not (client.id or client.secret):
        return None
    if not flow.client_fields:
        what = f"'{flow.label}' has a client of its own."
        raise errors.InvalidRequest(what, hint="Leave the client id and secret out.")
    if not client.id:
        raise errors.InvalidRequest("A client secret came without a client id.")
    return client


def checked_return_to(path: str) -> str:
    """Return a path on this site, or an empty string. Raises ``InvalidRequest`` for an address of another site."""
    local = path.startswith("/") and path[1:2] not in ("/", "\\") and len(path) <= MAX_RETURN_TO
    if path and not (local and path.isprintable() and "\\" not in path):
        raise errors.InvalidRequest("return_to must be a path of this site.")
    return path


def public(pending: PendingLogin) -> PendingLogin:
    """Return the sign-in without its secrets, for the person who signs in."""
    hidden = dict.fromkeys(("state", "verifier", "nonce", "device_code"), Secret(""))
    return msgspec.structs.replace(pending, **hidden, client=OAuthClient(id=pending.client.id), given={})


def next_refresh_at(slug: str, tokens: Tokens) -> float | None:
    """Return when to refresh (seconds since the epoch); ``None`` for tokens that never end or cannot be refreshed."""
    if tokens.read_only or not (tokens.refresh or tokens.material):
        return None
    due = tokens.due_at(conf.refresh_margin(slug), time.time())
    return due if math.isfinite(due) else None


def ended(state: LoginState) -> errors.LoginError:
    """Return the error for an answer to a sign-in that is not waiting for one."""
    match state.status:
        case "done":
            what, hint = f"is done: '{state.name}' is signed in.", ""
        case "confirm":
            what, hint = "has its answer, and waits for you to confirm the account.", state.hint
        case "exchanging":
            what, hint = "has its answer, which is being exchanged.", "Wait a moment."
        case "cancelled":
            what, hint = "was cancelled.", ""
        case _ if state.code == errors.LoginExpired.code:
            return errors.LoginExpired(state.error)
        case _:
            what, hint = f"has ended: {state.error}" if state.error else "has ended.", ""
    return errors.LoginUsed(f"This sign-in {what}", hint=hint)


def error_of(state: LoginState) -> errors.ProviderError:
    """Return the error that a failed or cancelled sign-in ended with, or why its tokens need a confirmation."""
    if state.status == "cancelled":
        return errors.LoginDenied("The sign-in was cancelled.", hint="Begin again when you want to.")
    kind = errors.class_of(state.code) or errors.LoginError
    return kind(state.error or "The sign-in failed.", hint=state.hint)


def scrubbed(error: errors.ProviderError, values: Collection[str]) -> errors.ProviderError:
    """Mask these secret values in the error, since a provider may repeat what it was sent, and return it."""
    for value in sorted((value for value in values if len(value) >= 6), key=len, reverse=True):
        error.message = error.message.replace(value, "***")
        error.hint = error.hint.replace(value, "***")
    error.args = (error.message,)
    return error


def oauth_only(slug: str, auth_type: str, name: str) -> None:
    """Raise ``UnsupportedOperation`` unless the session was made by an OAuth sign-in."""
    if auth_type != "oauth":
        raise errors.UnsupportedOperation(f"The session '{name}' of {slug} is no OAuth session.")
