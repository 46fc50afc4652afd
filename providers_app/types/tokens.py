"""Tokens of a sign-in, the client they were issued to and what is known of the account; and their form to be sealed."""

import math
import threading
from typing import Any, Literal, TypeVar

import msgspec

from providers_app.types.credentials import Secret

Rotation = Literal["none", "single_use", "minted"]
"""The effect of a refresh: ``none``: the refresh token stays valid (Google). ``single_use``: each is accepted once, and
using one again may end the login (Anthropic, OpenAI). ``minted``: there is none, a new access token is made from
lasting material (service account, client credentials, workload identity)."""

HOURLY_S = 3600.0
"""Seconds between two refreshes of a login whose token endpoint names no end."""

T = TypeVar("T")

_decoders: dict[type, msgspec.json.Decoder[Any]] = {}
_making = threading.Lock()


class OAuthClient(msgspec.Struct, frozen=True, kw_only=True):
    """The client that a sign-in is made for; ``secret`` only where it is a person's own client."""

    id: str = ""
    secret: Secret = Secret("")


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """A login as the provider's token endpoint gave it; times are seconds since the epoch, ``None`` where unknown.

    ``api_key`` signs where the flow exchanges its tokens for one, else the access token. ``account_id`` never changes
    for one account (empty: unknown). ``facts`` are not secret and become the session's settings (account header,
    project, plan, mode ...), ``material`` is secret and lasts: what a ``minted`` flow makes its tokens from.
    ``base_url`` is the address that the person gave with the login (empty: the provider's own); only a new sign-in
    changes it. ``refresh_until`` is the end of the refresh token. ``read_only`` says why these tokens must never be
    refreshed here (empty: they may be). ``skew`` is the seconds by which this machine's clock was behind the provider's
    when the times were set.
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
    skew: float = 0.0

    @property
    def signing(self) -> Secret:
        """The secret that requests are signed with."""
        return self.api_key or self.access

    def expired(self, now: float, within: float = 0.0) -> bool:
        """Say whether the access token ends within so many seconds; ``False`` where its end is unknown."""
        return self.expires_at is not None and self.expires_at <= now + within

    def due_at(self, margin: float, now: float) -> float:
        """Return when to refresh: ``margin`` seconds before the end, but at most half of what is left, once allowed.

        Where no end is known: hourly, or never without anything to refresh with.
        """
        if self.expires_at is not None:
            at = self.expires_at - min(margin, max(self.expires_at - now, 0.0) / 2)
        else:
            at = now + HOURLY_S if self.refresh or self.material else math.inf
        return max(at, self.earliest_refresh_at or 0.0)


def secrets_of(value: Any) -> list[str]:
    """Return every secret text inside tokens, a client or a pending login, to be taken out of messages."""
    if isinstance(value, Secret):
        return [value.reveal()] if value else []
    if isinstance(value, msgspec.Struct):
        return [text for name in value.__struct_fields__ for text in secrets_of(getattr(value, name))]
    if isinstance(value, dict):
        return [text for inner in value.values() for text in secrets_of(inner)]
    return []


def to_plain(value: msgspec.Struct) -> bytes:
    """Return JSON with every secret in the clear, for the key ring alone: seal it at once, never write or log it."""
    return msgspec.json.encode(value, enc_hook=_reveal)


def from_plain(plain: bytes, kind: type[T]) -> T:
    """Return the value that ``to_plain`` was given. Raises ``ValueError``, which quotes nothing of the content."""
    try:
        found: T = _decoder(kind).decode(plain)
        return found
    except msgspec.MsgspecError:
        # Not chained: the decoder's message may quote what it could not read.
        raise ValueError(f"this is no stored {kind.__name__}") from None


def _decoder(kind: type) -> msgspec.json.Decoder[Any]:
    with _making:  # msgspec 0.22 reads a type's fields at its first use; two threads at once are a segmentation fault
        if kind not in _decoders:
            _decoders[kind] = msgspec.json.Decoder(kind, dec_hook=_wrap)
        return _decoders[kind]


def _reveal(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value).__name__)


def _wrap(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise ValueError(kind.__name__)
