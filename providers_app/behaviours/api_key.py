"""Signing requests with a key that a person pasted."""

from typing import Protocol

from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest
from providers_app.wire.client import Http


class ApiKey(Protocol):
    """The ``api_key`` behaviour of a provider."""

    def validate(self, key: str) -> list[Advice]:
        """Advice on the key's format, without any request; an ``error`` keeps it from being stored."""
        ...

    def authorize(self, credential: Credential, request: HttpRequest) -> HttpRequest:
        """The request with the credential's headers."""
        ...

    async def test(self, credential: Credential, http: Http) -> Account:
        """One cheap authenticated request. Raises ``UpstreamError``."""
        ...
