"""Signing in with a provider's own page.

The flows themselves are values of the provider's ``oauth`` module; a provider without one declares ``Unsupported``.
"""

from typing import Literal, Protocol

import msgspec

from providers_app.types.credentials import Credential, Secret
from providers_app.wire.client import Http


class OAuthFlow(msgspec.Struct, frozen=True, kw_only=True):
    """One way to sign in. ``position`` is the vendor's own stand on third-party use, shown on the Connect page."""

    name: str
    method: Literal["callback", "loopback", "paste_code", "paste_url", "device"]
    position: str = ""
    enabled_by_default: bool = False


class PendingLogin(msgspec.Struct, frozen=True, kw_only=True):
    """A login that waits for its answer."""

    url: str
    state: str
    verifier: Secret


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a token endpoint gave; ``expires_at`` is seconds since the epoch."""

    access: Secret
    refresh: Secret = Secret("")
    expires_at: float | None = None


class OAuth(Protocol):
    """The ``oauth`` behaviour of a provider."""

    @property
    def flows(self) -> tuple[OAuthFlow, ...]: ...

    def begin(self, flow: str, client: str, redirect_uri: str) -> PendingLogin: ...

    async def exchange(self, pending: PendingLogin, answer: str, http: Http) -> Tokens: ...

    async def refresh(self, tokens: Tokens, http: Http) -> Tokens: ...

    async def api_credentials(self, tokens: Tokens, http: Http) -> Credential: ...

    async def revoke(self, tokens: Tokens, http: Http) -> None: ...
