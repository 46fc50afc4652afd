"""The ways to sign in to OpenAI, and the page that each begins with.

    chatgpt    Sign in with ChatGPT, the vendor's own flow for open-source applications
               (developers.openai.com/siwc/token-sharing-open-source/sign-in)
    codex      the public client of the vendor's command-line program, in the browser
    device     the same client with a code that is typed in, for a machine without a browser

What the terms of Sign in with ChatGPT ask is held like this: the answer of a sign-in comes to 127.0.0.1 or is pasted by
the person, never to another host; a session serves one person (``one_person``: it is neither shared nor offered to
other programs); the person agrees to that first; tokens are sealed in this installation's database and nowhere else.

The addresses are the configured ones, and what the discovery document of ``auth.openai.com`` adds (OpenID Connect
Discovery 1.0): it must be the issuer's own, and every address in it on the issuer's origin.
"""

import time
from typing import Any
from urllib.parse import urlsplit

import msgspec

from providers_app import conf, loop
from providers_app.behaviours.addresses import get
from providers_app.behaviours.lookups import ask, json_of
from providers_app.behaviours.oauth import LoginField, LoginStart, Method, OAuthFlow, PendingLogin, text_of
from providers_app.behaviours.oauth.endpoint import origin_of
from providers_app.behaviours.oauth.grants import Fields, code_page
from providers_app.behaviours.oauth.pkce import new_nonce
from providers_app.dialects.openai_responses import DIALECT
from providers_app.errors import BadAnswer, InvalidRequest
from providers_app.providers.openai import account
from providers_app.providers.openai.config import OAuthConfig, SiwcConfig
from providers_app.types.tokens import OAuthClient
from providers_app.wire import payload
from providers_app.wire.client import Http

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
            "stay there, only one person and this application use them, and that use is free of charge.",
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
    nonce = new_nonce()
    more: Fields = {
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
    return code_page(
        start, page, config.scopes, more, client=client, redirect_uri=redirect, nonce=nonce, client_of=issued
    )


def codex_page(start: LoginStart, config: OAuthConfig, page: str) -> PendingLogin:
    """Begin in the browser with the client ``config.client_id``. Raise ``InvalidRequest``."""
    account.checked_mode(text_of(start.given, "mode"))
    client, redirect = OAuthClient(id=config.client_id), _redirect(start, "localhost", config.ports)
    nonce = new_nonce()
    more: Fields = {
        "id_token_add_organizations": "true",
        "codex_cli_simplified_flow": "true",
        "originator": config.originator,
        "nonce": nonce,
    }
    return code_page(start, page, config.scopes, more, client=client, redirect_uri=redirect, nonce=nonce)


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


DISCOVERED = {
    "authorize": "authorization_endpoint",
    "token": "token_endpoint",
    "revoke": "revocation_endpoint",
    "jwks": "jwks_uri",
}
NAMING = "authorization_response_iss_parameter_supported"
KEPT_S = 3600.0


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """The URLs of one flow's requests; ``revoke`` is empty where the server has no such URL.

    ``names_issuer``: the discovery document says that the answers of this ``authorize`` page name the issuer (RFC 9207
    section 3).
    """

    issuer: str
    authorize: str
    token: str
    revoke: str
    jwks: str
    names_issuer: bool = False


async def endpoints(config: OAuthConfig | SiwcConfig, http: Http, *needed: str) -> Endpoints:
    """Return the URLs of a flow, discovered where ``needed``. Raise ``UpstreamError``, ``BadAnswer``."""
    known, naming = {name: str(getattr(config, f"{name}_url")) for name in DISCOVERED}, ""
    if not all(known[name] for name in needed):
        found = await _discovered(config.issuer, http)
        known, naming = {name: value or found[name] for name, value in known.items()}, found[NAMING]
    missing = [name for name in needed if not known[name] and name != "revoke"]
    if missing:
        raise BadAnswer(f"The discovery document of {config.issuer} names no {DISCOVERED[missing[0]]}.")
    return Endpoints(issuer=config.issuer, names_issuer=known["authorize"] == naming, **known)


async def _discovered(issuer: str, http: Http) -> dict[str, str]:
    cache: dict[str, tuple[float, dict[str, str]]] = loop.local("openai-discovery", dict)
    kept = cache.get(issuer)
    if kept is not None and time.monotonic() < kept[0]:
        return kept[1]
    url = issuer.rstrip("/") + "/.well-known/openid-configuration"
    document: dict[str, Any] = payload.mapping(json_of(await ask(get(url), http, DIALECT)))
    if document.get("issuer") != issuer:
        raise BadAnswer(
            f"The discovery document at {issuer} is another issuer's.",
            hint="Check MAESTRO_PROVIDERS__OPENAI__OAUTH__ISSUER and ...__SIWC__ISSUER.",
        )
    found = {name: payload.text(document.get(field)) for name, field in DISCOVERED.items()}
    for name, value in found.items():
        if value and origin_of(value).lower() != origin_of(issuer).lower():
            raise BadAnswer(f"The discovery document of {issuer} sends {DISCOVERED[name]} to another host.")
    # The document speaks of the page that it names; another client's may be another one.
    found[NAMING] = found["authorize"] if document.get(NAMING) is True else ""
    cache[issuer] = (time.monotonic() + KEPT_S, found)
    return found


def config_of(flow: str) -> OAuthConfig | SiwcConfig:
    """Return the settings of the server that a flow speaks to."""
    config = conf.provider("openai")
    found: OAuthConfig | SiwcConfig = config.siwc if flow == "chatgpt" else config.oauth
    return found
