"""Address and headers of requests to Gemini. The key is never in the address, where logs would keep it."""

import re

from providers_app.behaviours import addresses
from providers_app.behaviours.addresses import address, segment, setting
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

SLUG = "gemini"
VERSION = re.compile(r"/v\d+[a-z0-9]*$")


def post(path: str, credential: Credential, body: bytes, *, streamed: bool = False) -> HttpRequest:
    """Return a JSON request."""
    return addresses.post(_url(path, credential), body, streamed=streamed)


def get(path: str, credential: Credential) -> HttpRequest:
    """Return a request for data."""
    return addresses.get(_url(path, credential))


def model_path(model: str, method: str = "") -> str:
    """``/models/<model>:<method>``; ids come with and without their ``models/``."""
    return f"/models/{segment(model.removeprefix('models/'))}" + (f":{method}" if method else "")


def _url(path: str, credential: Credential) -> str:
    base = address(SLUG, credential, "")
    return base + path if VERSION.search(base) else f"{base}/{setting(SLUG, credential, 'api_version')}{path}"
