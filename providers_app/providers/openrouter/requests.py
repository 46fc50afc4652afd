"""How a request to OpenRouter is addressed and headed."""

from providers_app import conf
from providers_app.behaviours.addresses import address
from providers_app.behaviours.http import HttpRequest
from providers_app.types.credentials import Credential

SLUG = "openrouter"


def post(path: str, credential: Credential, body: bytes, *, accept: str = "application/json") -> HttpRequest:
    """A JSON request that names the application."""
    headers = {"content-type": "application/json", "accept": accept, **attribution()}
    return HttpRequest(method="POST", url=address(SLUG, credential, path), headers=headers, body=body)


def get(path: str, credential: Credential) -> HttpRequest:
    """A request for data."""
    return HttpRequest(method="GET", url=address(SLUG, credential, path), headers={"accept": "application/json"})


def attribution() -> dict[str, str]:
    """Which application asks, as configured (https://openrouter.ai/docs/app-attribution)."""
    config = conf.provider(SLUG)
    found = {"HTTP-Referer": config.app_url, "X-OpenRouter-Title": config.app_title}
    return {name: value for name, value in found.items() if value}
