"""How requests are signed: ``api-key`` with a resource's key, ``authorization`` with an access token of Entra."""

from providers_app.providers.azure_openai import api_key
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest


def bearer(credential: Credential, request: HttpRequest) -> HttpRequest:
    """The request with an access token."""
    return request.with_headers({"authorization": f"Bearer {credential.secret.reveal()}"}, secret=True)


def sign(credential: Credential, request: HttpRequest) -> HttpRequest:
    """The request as the session's kind of login signs it."""
    return (
        bearer(credential, request)
        if credential.auth_type == "oauth"
        else api_key.BEHAVIOUR.authorize(credential, request)
    )
