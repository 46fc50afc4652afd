"""How a request to a resource is addressed: two surfaces, and what an API version knows.

``v1`` has the deployment in the body and no version; ``classic`` has both in the address.
https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle
"""

from typing import Any
from urllib.parse import urlencode

from providers_app import conf
from providers_app.behaviours.addresses import address, segment, setting
from providers_app.errors import InvalidRequest
from providers_app.providers.azure_openai.options import read_deployments
from providers_app.providers.azure_openai.target import API_VERSION, Target, read
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

SLUG = "azure_openai"
RECENT_VERSION = "2024-10-21"
"""The last dated version that is generally available; everything newer is on the surface ``v1``."""


def post_chat(model: str, credential: Credential, body: bytes, *, accept: str) -> HttpRequest:
    """A request for an answer of this deployment. Raises ``InvalidRequest``."""
    headers = {"content-type": "application/json", "accept": accept}
    if surface(credential) == "classic":
        _check_api(credential)
        url = _classic(f"/deployments/{segment(model)}/chat/completions", credential)
    else:
        url = _v1("/responses" if speaks_responses(credential) else "/chat/completions", credential)
    return HttpRequest(method="POST", url=url, headers=headers, body=body)


def get(path: str, credential: Credential) -> HttpRequest:
    """A request for data. Raises ``InvalidRequest``."""
    url = _classic(path, credential) if surface(credential) == "classic" else _v1(path, credential)
    return HttpRequest(method="GET", url=url, headers={"accept": "application/json"})


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


def _check_api(credential: Credential) -> None:
    if credential.settings.get("api") == "responses":
        raise InvalidRequest(
            "The Responses API is not on the classic surface of Azure OpenAI.",
            hint="Set the session's surface to v1, or its API to chat.",
        )


def _named_version(credential: Credential) -> str:
    own: Any = credential.settings.get("api_version") or _target(credential).api_version
    return str(own or conf.provider(SLUG).api_version)


def _target(credential: Credential) -> Target:
    return read(credential.base_url or conf.provider(SLUG).base_url)


def _root(credential: Credential) -> str:
    return read(address(SLUG, credential, "")).root


def _classic(path: str, credential: Credential) -> str:
    return f"{_root(credential)}/openai{path}?{urlencode({API_VERSION: api_version(credential)})}"


def _v1(path: str, credential: Credential) -> str:
    return f"{_root(credential)}/openai/v1{path}"
