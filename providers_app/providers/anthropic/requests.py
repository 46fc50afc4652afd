"""How a request to Anthropic is addressed and headed."""

from providers_app import conf
from providers_app.behaviours.addresses import address
from providers_app.behaviours.http import HttpRequest
from providers_app.types.credentials import Credential

SLUG = "anthropic"


def post(path: str, credential: Credential, body: bytes, *, accept: str = "application/json") -> HttpRequest:
    """A JSON request."""
    headers = {"content-type": "application/json", "accept": accept, **_versions()}
    return HttpRequest(method="POST", url=address(SLUG, credential, path), headers=headers, body=body)


def get(path: str, credential: Credential) -> HttpRequest:
    """A request for data."""
    headers = {"accept": "application/json", **_versions()}
    return HttpRequest(method="GET", url=address(SLUG, credential, path), headers=headers)


def _versions() -> dict[str, str]:
    config = conf.provider(SLUG)
    headers = {"anthropic-version": config.api_version}
    if config.beta:
        headers["anthropic-beta"] = config.beta
    return headers
