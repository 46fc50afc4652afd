"""Requests to a resource, on two surfaces, and what an address says that was copied from Azure's pages.

``v1`` has the deployment in the body and no version; ``classic`` has both in the address.
https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle
"""

from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode, urlsplit, urlunsplit

import msgspec

from providers_app import conf
from providers_app.behaviours import addresses
from providers_app.behaviours.addresses import address, segment, setting
from providers_app.errors import InvalidRequest
from providers_app.providers.azure_openai.options import read_deployments
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

SLUG = "azure_openai"
RECENT_VERSION = "2024-10-21"
"""The last dated version that is generally available; everything newer is on the surface ``v1``."""
OPENAI = "openai"
API_VERSION = "api-version"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """``root`` is everything before ``/openai``; the rest is empty where the address does not say it."""

    root: str
    surface: str = ""
    deployment: str = ""
    api_version: str = ""


def post_chat(model: str, credential: Credential, body: bytes, *, streamed: bool) -> HttpRequest:
    """Return a request for an answer of this deployment. Raise ``InvalidRequest``."""
    path = "/responses" if speaks_responses(credential) else "/chat/completions"
    if surface(credential) == "classic":
        if credential.settings.get("api") == "responses":
            raise InvalidRequest(
                "The Responses API is not on the classic surface of Azure OpenAI.",
                hint="Set the session's surface to v1, or its API to chat.",
            )
        path = f"/deployments/{segment(model)}{path}"
    return addresses.post(_url(path, credential), body, streamed=streamed)


def get(path: str, credential: Credential) -> HttpRequest:
    """Return a request for data. Raise ``InvalidRequest``."""
    return addresses.get(_url(path, credential))


def surface(credential: Credential) -> str:
    """``v1`` or ``classic``: as the session says, its address, the configuration, or the presence of a version."""
    found = credential.settings.get("surface") or _target(credential).surface or conf.provider(SLUG).surface
    return found or ("classic" if _named_version(credential) else "v1")


def api_version(credential: Credential) -> str:
    """That of the classic surface."""
    return _named_version(credential) or RECENT_VERSION


def speaks_responses(credential: Credential) -> bool:
    """Only the surface ``v1`` has the Responses API."""
    return setting(SLUG, credential, "api") == "responses" and surface(credential) == "v1"


def deployments(credential: Credential) -> dict[str, str]:
    """Deployment to model, as declared by the session, its address or the configuration; empty: none is declared."""
    own = credential.settings.get("deployments", "")
    if own:
        return read_deployments(own)
    named = _target(credential).deployment
    return {named: ""} if named else read_deployments(conf.provider(SLUG).deployments)


def _named_version(credential: Credential) -> str:
    own: Any = credential.settings.get("api_version") or _target(credential).api_version
    return str(own or conf.provider(SLUG).api_version)


def _target(credential: Credential) -> Target:
    return read_target(credential.base_url or conf.provider(SLUG).base_url)


def _url(path: str, credential: Credential) -> str:
    root = read_target(address(SLUG, credential, "")).root
    if surface(credential) == "v1":
        return f"{root}/openai/v1{path}"
    return f"{root}/openai{path}?{urlencode({API_VERSION: api_version(credential)})}"


def without_query(address: str) -> str:
    """Return the address as a base URL: a target that was copied from Azure's pages ends with its API version."""
    head, _, query = address.partition("?")
    return head + "".join(query.partition("#")[1:])


@lru_cache(maxsize=1024)
def read_target(address: str) -> Target:
    """Split a checked address at the first segment ``openai`` of its path: a gateway's own path stays in front.

    ``https://R.openai.azure.com`` · ``.../openai/v1/`` · ``.../openai/deployments/D/chat/completions?api-version=V``
    """
    scheme, host, path, query, _ = urlsplit(address)
    before, after = path.split("/"), [""]
    if OPENAI in before:
        at = before.index(OPENAI)
        before, after = before[:at], [part for part in before[at + 1 :] if part]
    root = urlunsplit((scheme, host, "/".join(before).rstrip("/"), "", ""))
    version = parse_qs(query).get(API_VERSION, [""])[0]
    match after:
        case ["v1", *_]:
            return Target(root=root, surface="v1")
        case ["deployments", name, *_]:
            return Target(root=root, surface="classic", deployment=unquote(name), api_version=version)
    return Target(root=root, api_version=version)
