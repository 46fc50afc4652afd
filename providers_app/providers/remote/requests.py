"""How a request to a compatible server is addressed."""

from providers_app.behaviours.addresses import address
from providers_app.providers.remote.servers import SLUG
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest


def post(path: str, credential: Credential, body: bytes, *, accept: str = "application/json") -> HttpRequest:
    """A JSON request."""
    headers = {"content-type": "application/json", "accept": accept}
    return HttpRequest(method="POST", url=address(SLUG, credential, path), headers=headers, body=body)


def get(path: str, credential: Credential) -> HttpRequest:
    """A request for data."""
    return HttpRequest(method="GET", url=address(SLUG, credential, path), headers={"accept": "application/json"})
