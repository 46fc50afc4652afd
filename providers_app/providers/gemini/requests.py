"""How a request to Gemini is addressed and headed. The key is never in the address, where logs would keep it."""

import re

from providers_app.behaviours.addresses import address, segment, setting
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

SLUG = "gemini"
VERSION = re.compile(r"/v\d+[a-z0-9]*$")


def post(path: str, credential: Credential, body: bytes, *, accept: str = "application/json") -> HttpRequest:
    """A JSON request."""
    headers = {"content-type": "application/json", "accept": accept}
    return HttpRequest(method="POST", url=_url(path, credential), headers=headers, body=body)


def get(path: str, credential: Credential) -> HttpRequest:
    """A request for data."""
    return HttpRequest(method="GET", url=_url(path, credential), headers={"accept": "application/json"})


def model_path(model: str, method: str = "") -> str:
    """``/models/<model>:<method>``; ids come with and without their ``models/``."""
    return f"/models/{segment(model.removeprefix('models/'))}" + (f":{method}" if method else "")


def _url(path: str, credential: Credential) -> str:
    base = address(SLUG, credential, "")
    return base + path if VERSION.search(base) else f"{base}/{setting(SLUG, credential, 'api_version')}{path}"
