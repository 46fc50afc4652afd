"""Address and headers of requests to Anthropic, and their signing with a login."""

import msgspec

from providers_app import conf
from providers_app.behaviours import addresses, keys
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

SLUG = "anthropic"
BETA = "anthropic-beta"
SIGNS_WITH = "signs_with"
"""The setting of an OAuth session whose value ``api_key`` says that its secret is a key, not an access token."""


def post(path: str, credential: Credential, body: bytes, *, streamed: bool = False) -> HttpRequest:
    """Return a JSON request."""
    return addresses.post(_address(credential, path), body, streamed=streamed, headers=_headers(credential))


def get(path: str, credential: Credential) -> HttpRequest:
    """Return a request for data."""
    return addresses.get(_address(credential, path), _headers(credential))


def signed_by_login(credential: Credential, request: HttpRequest) -> HttpRequest:
    """Sign with the access token and its beta name, never beside ``x-api-key``, or with the login's key."""
    secret = credential.secret.reveal()
    if not secret:
        return request
    if credential.settings.get(SIGNS_WITH) == "api_key":
        return request.with_headers({"x-api-key": secret}, secret=True)
    before = next((value for name, value in request.headers.items() if name.lower() == BETA), "")
    plain = {name: value for name, value in request.headers.items() if name.lower() not in (BETA, "x-api-key")}
    plain[BETA] = with_beta(before, conf.provider(SLUG).oauth.beta)
    return keys.bearer(credential, msgspec.structs.replace(request, headers=plain))


def with_beta(names: str, *more: str) -> str:
    """Append names to a comma-separated list of beta names, each of them once."""
    found = [name.strip() for name in names.split(",") if name.strip()]
    return ",".join(dict.fromkeys([*found, *more]))


def _headers(credential: Credential) -> dict[str, str]:
    headers = {"anthropic-version": addresses.setting(SLUG, credential, "api_version")}
    if beta := addresses.setting(SLUG, credential, "beta"):
        headers[BETA] = beta
    if credential.auth_type == "oauth" and credential.settings.get("workspace_id"):
        headers["anthropic-workspace-id"] = credential.settings["workspace_id"]
    return headers


def _address(credential: Credential, path: str) -> str:
    """Return the URL; an imported profile has a base URL of its own, which was checked when it was read."""
    own = credential.settings.get("base_url") if credential.auth_type == "oauth" else None
    if own and not credential.base_url:
        credential = msgspec.structs.replace(credential, base_url=own)
    return addresses.address(SLUG, credential, path)
