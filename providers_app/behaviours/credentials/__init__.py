"""Sources of the credential of a request: a key, a stored login, a cloud's own identity, or none.

A caller is given a ``CredentialProvider`` and knows no more: it gets a credential before each request, and another
one after a refusal. Providers of short-lived tokens are made of ``Minted``.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

from providers_app.errors import AuthenticationFailed
from providers_app.types.credentials import Credential
from providers_app.types.tokens import Tokens
from providers_app.wire.client import Http

MARGIN_S = 300.0
"""Seconds before its end from which a token is not used any more; as Google's and Microsoft's libraries do."""

Clock = Callable[[], float]


class CredentialProvider(Protocol):
    """Gives the credential that the next request is signed with. It belongs to one loop."""

    async def credential(self, http: Http) -> Credential:
        """Return a credential that is valid now, kept or new. Raises ``UpstreamError``, ``NeedsReauth``."""

    async def renewed(self, refused: Credential, error: AuthenticationFailed, http: Http) -> Credential:
        """Return another credential than ``refused``, also one that another caller got in the meantime.

        Raises ``error`` where there can be no other one, and otherwise as ``credential``.
        """


class ApiKeyCredentialProvider:
    """A key (or any credential that never changes by itself), as it is."""

    def __init__(self, credential: Credential) -> None:
        self._credential = credential

    async def credential(self, http: Http) -> Credential:
        """Return the key."""
        return self._credential

    async def renewed(self, refused: Credential, error: AuthenticationFailed, http: Http) -> Credential:
        """Raise ``error``: a key is refused for good."""
        raise error


class NoCredentialProvider(ApiKeyCredentialProvider):
    """Gives a credential without a secret, for servers that want none; it carries the address and options."""

    def __init__(self, credential: Credential = Credential(auth_type="none")) -> None:
        super().__init__(credential)


class Minted:
    """Tokens that are made anew from lasting material, kept until ``margin`` seconds before their end.

    ``mint`` makes one token with one request. ``margin`` is at most half of a token's life, so that a short-lived one
    is used as well; a token whose end is unknown is kept until it is refused. Callers that come while a request is
    in flight share it and its outcome; one that is cancelled leaves the request to the others.
    """

    def __init__(
        self, mint: Callable[[Http], Awaitable[Tokens]], *, margin: float = MARGIN_S, clock: Clock = time.time
    ) -> None:
        self._mint, self._margin, self._clock = mint, margin, clock
        self._tokens: Tokens | None = None
        self._good_until = 0.0
        self._flight: asyncio.Task[Tokens] | None = None

    async def credential(self, http: Http) -> Credential:
        """Return the credential of the kept token or a new one. Raises ``UpstreamError``, ``InvalidCredential``."""
        tokens = self._tokens
        if tokens is None or self._clock() >= self._good_until:
            tokens = await self._new(http)
        return credential_of(tokens)

    async def renewed(self, refused: Credential, error: AuthenticationFailed, http: Http) -> Credential:
        """Return the credential of a token that is not ``refused``. Raises as ``credential``."""
        if self._tokens is not None and self._tokens.signing == refused.secret:
            self._tokens = None
        return await self.credential(http)

    async def _new(self, http: Http) -> Tokens:
        if self._flight is None:
            flight = self._flight = asyncio.ensure_future(self._mint(http))
            flight.add_done_callback(self._landed)
        return await asyncio.shield(self._flight)

    def _landed(self, flight: "asyncio.Task[Tokens]") -> None:
        self._flight = None
        if flight.cancelled() or flight.exception() is not None:
            return
        self._tokens, now = flight.result(), self._clock()
        self._good_until = self._tokens.due_at(self._margin, now)


def credential_of(tokens: Tokens) -> Credential:
    """Return the credential that these tokens make, with the facts about the account as its settings."""
    address = tokens.base_url or None
    return Credential(auth_type="oauth", secret=tokens.signing, base_url=address, settings=dict(tokens.facts))
