"""How a request to Anthropic is addressed and headed, and how a login signs it."""

import msgspec

from providers_app import conf
from providers_app.behaviours.addresses import address, setting
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

SLUG = "anthropic"
BETA = "anthropic-beta"
SIGNS_WITH = "signs_with"
"""The setting of an OAuth session whose value ``api_key`` says that its secret is a key, not an access token."""


def post(path: str, credential: Credential, body: bytes, *, accept: str = "application/json") -> HttpRequest:
    """A JSON request."""
    headers = {"content-type": "application/json", "accept": accept, **_headers(credential)}
    return HttpRequest(method="POST", url=_address(credential, path), headers=headers, body=body)


def get(path: str, credential: Credential) -> HttpRequest:
    """A request for data."""
    headers = {"accept": "application/json", **_headers(credential)}
    return HttpRequest(method="GET", url=_address(credential, path), headers=headers)


def signed_by_login(credential: Credential, request: HttpRequest) -> HttpRequest:
    """The request with the access token and the beta name that the API wants beside it, or with the login's key.

    An access token never travels together with ``x-api-key``: the API would count the key first.
    """
    secret = credential.secret.reveal()
    if not secret:
        return request
    if credential.settings.get(SIGNS_WITH) == "api_key":
        return request.with_headers({"x-api-key": secret}, secret=True)
    before = next((value for name, value in request.headers.items() if name.lower() == BETA), "")
    plain = {name: value for name, value in request.headers.items() if name.lower() not in (BETA, "x-api-key")}
    plain[BETA] = with_beta(before, conf.provider(SLUG).oauth.beta)
    unsigned = msgspec.structs.replace(request, headers=plain)
    return unsigned.with_headers({"authorization": f"Bearer {secret}"}, secret=True)


def with_beta(names: str, *more: str) -> str:
    """A comma-separated list of beta names with ``more`` appended, each of them once."""
    found = [name.strip() for name in names.split(",") if name.strip()]
    return ",".join(dict.fromkeys([*found, *more]))


def _headers(credential: Credential) -> dict[str, str]:
    headers = {"anthropic-version": setting(SLUG, credential, "api_version")}
    if beta := setting(SLUG, credential, "beta"):
        headers[BETA] = beta
    if credential.auth_type == "oauth" and credential.settings.get("workspace_id"):
        headers["anthropic-workspace-id"] = credential.settings["workspace_id"]
    return headers


def _address(credential: Credential, path: str) -> str:
    """An imported profile has an address of its own, which was checked when it was read."""
    own = credential.settings.get("base_url") if credential.auth_type == "oauth" else None
    if own and not credential.base_url:
        credential = msgspec.structs.replace(credential, base_url=own)
    return address(SLUG, credential, path)
