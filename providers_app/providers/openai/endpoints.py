"""The addresses of OpenAI's authorization server: configured ones, and what its discovery document adds.

OpenID Connect Discovery 1.0; the document must be the issuer's own, and every address in it on the issuer's origin.
"""

import time
from typing import Any

import msgspec

from providers_app import conf, loop
from providers_app.behaviours.addresses import get
from providers_app.behaviours.lookups import ask, json_of
from providers_app.behaviours.oauth.endpoint import origin_of
from providers_app.dialects.openai_responses import DIALECT
from providers_app.errors import BadAnswer
from providers_app.providers.openai.config import OAuthConfig, SiwcConfig
from providers_app.wire import payload
from providers_app.wire.client import Http

DISCOVERED = {
    "authorize": "authorization_endpoint",
    "token": "token_endpoint",
    "revoke": "revocation_endpoint",
    "jwks": "jwks_uri",
}
KEPT_S = 3600.0


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """The URLs of one flow's requests; ``revoke`` is empty where the server has no such URL."""

    issuer: str
    authorize: str
    token: str
    revoke: str
    jwks: str


async def endpoints(config: OAuthConfig | SiwcConfig, http: Http, *needed: str) -> Endpoints:
    """Return the URLs of a flow, discovered where ``needed``. Raise ``UpstreamError``, ``BadAnswer``."""
    known = {name: str(getattr(config, f"{name}_url")) for name in DISCOVERED}
    if not all(known[name] for name in needed):
        found = await _discovered(config.issuer, http)
        known = {name: value or found[name] for name, value in known.items()}
    missing = [name for name in needed if not known[name] and name != "revoke"]
    if missing:
        raise BadAnswer(f"The discovery document of {config.issuer} names no {DISCOVERED[missing[0]]}.")
    return Endpoints(issuer=config.issuer, **known)


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
    cache[issuer] = (time.monotonic() + KEPT_S, found)
    return found


def config_of(flow: str) -> OAuthConfig | SiwcConfig:
    """Return the settings of the server that a flow speaks to."""
    config = conf.provider("openai")
    found: OAuthConfig | SiwcConfig = config.siwc if flow == "chatgpt" else config.oauth
    return found
