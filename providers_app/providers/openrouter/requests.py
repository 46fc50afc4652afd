"""How a request to OpenRouter is addressed and headed."""

from providers_app.behaviours.addresses import address, setting
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

SLUG = "openrouter"


def post(path: str, credential: Credential, body: bytes, *, accept: str = "application/json") -> HttpRequest:
    """A JSON request that names the application."""
    headers = {"content-type": "application/json", "accept": accept, **attribution(credential)}
    return HttpRequest(method="POST", url=address(SLUG, credential, path), headers=headers, body=body)


def get(path: str, credential: Credential) -> HttpRequest:
    """A request for data."""
    return HttpRequest(method="GET", url=address(SLUG, credential, path), headers={"accept": "application/json"})


def attribution(credential: Credential) -> dict[str, str]:
    """Which application asks, as the session or the configuration says (https://openrouter.ai/docs/app-attribution)."""
    found = {"HTTP-Referer": "app_url", "X-OpenRouter-Title": "app_title"}
    return {header: value for header, name in found.items() if (value := setting(SLUG, credential, name))}
