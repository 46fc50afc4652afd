"""What a sign-in gave: tokens, the client they were issued to, what is known of the account. In memory only."""

import math
from typing import Any, Literal

import msgspec

from providers_app.types.credentials import Secret

Rotation = Literal["none", "single_use", "minted"]
"""What a refresh does to what it is done with.

``none``: the refresh token stays valid (Google). ``single_use``: each refresh token is accepted once, and using one
again may end the login (Anthropic, OpenAI). ``minted``: there is no refresh token, a new access token is made from
lasting material (service account, client credentials, workload identity).
"""


class OAuthClient(msgspec.Struct, frozen=True, kw_only=True):
    """The client that a sign-in is made for; ``secret`` only where it is a person's own client."""

    id: str = ""
    secret: Secret = Secret("")


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """A login as the provider's token endpoint gave it; times are seconds since the epoch, ``None`` where unknown.

    ``api_key`` is the key that requests are signed with where the flow exchanges its tokens for one; without it the
    access token signs. ``account_id`` never changes for one account (empty: unknown), ``account_label`` is for people.
    ``facts`` are not secret and become the session's settings (account header, project, plan, mode ...). ``material``
    is secret and lasts: what a ``minted`` flow makes its tokens from. ``base_url`` is the address that the person gave
    with the login and that its requests go to (empty: the provider's own); it is sealed with the tokens and changes
    only with a new sign-in. ``refresh_until`` is when the refresh token
    itself ends. ``read_only`` says why these tokens must never be refreshed here (empty: they may be).
    """

    flow: str
    access: Secret = Secret("")
    refresh: Secret = Secret("")
    id_token: Secret = Secret("")
    api_key: Secret = Secret("")
    expires_at: float | None = None
    earliest_refresh_at: float | None = None
    refresh_until: float | None = None
    scopes: tuple[str, ...] = ()
    client: OAuthClient = OAuthClient()
    issuer: str = ""
    account_id: str = ""
    account_label: str = ""
    facts: dict[str, str] = msgspec.field(default_factory=dict)
    material: dict[str, Secret] = msgspec.field(default_factory=dict)
    base_url: str = ""
    read_only: str = ""

    @property
    def signing(self) -> Secret:
        """What requests are signed with."""
        return self.api_key or self.access

    def expired(self, now: float, within: float = 0.0) -> bool:
        """Does the access token end within so many seconds? ``False`` where its end is unknown."""
        return self.expires_at is not None and self.expires_at <= now + within

    def due_at(self, margin: float, now: float) -> float:
        """When to refresh: ``margin`` seconds before the end, at most half of what is left, never before it is allowed.

        Infinite where nothing says that it ends.
        """
        if self.expires_at is None:
            return math.inf
        at = self.expires_at - min(margin, max(self.expires_at - now, 0.0) / 2)
        return max(at, self.earliest_refresh_at or 0.0)


def secrets_of(value: Any) -> list[str]:
    """Every secret text inside tokens, a client or a pending login: what must be taken out of a message."""
    if isinstance(value, Secret):
        return [value.reveal()] if value else []
    if isinstance(value, msgspec.Struct):
        return [text for name in value.__struct_fields__ for text in secrets_of(getattr(value, name))]
    if isinstance(value, dict):
        return [text for inner in value.values() for text in secrets_of(inner)]
    return []
