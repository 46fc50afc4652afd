"""How a request to OpenAI is addressed and headed."""

from providers_app.behaviours.addresses import address, setting
from providers_app.behaviours.http import HttpRequest
from providers_app.types.credentials import Credential

SLUG = "openai"
ACCOUNT_HEADERS = {"OpenAI-Organization": "organization", "OpenAI-Project": "project"}


def post(path: str, credential: Credential, body: bytes, *, accept: str = "application/json") -> HttpRequest:
    """A JSON request."""
    headers = {"content-type": "application/json", "accept": accept, **_account(credential)}
    return HttpRequest(method="POST", url=address(SLUG, credential, path), headers=headers, body=body)


def get(path: str, credential: Credential) -> HttpRequest:
    """A request for data."""
    headers = {"accept": "application/json", **_account(credential)}
    return HttpRequest(method="GET", url=address(SLUG, credential, path), headers=headers)


def _account(credential: Credential) -> dict[str, str]:
    """Whose bill it is, where the session or the configuration says so."""
    found = {header: setting(SLUG, credential, name) for header, name in ACCOUNT_HEADERS.items()}
    return {header: value for header, value in found.items() if value}
