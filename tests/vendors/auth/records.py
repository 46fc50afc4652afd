"""What a book holds: accounts, clients, codes, tokens, and one line per token that was presented."""

import time
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.vendors.ledger import Entry

FaultKind = Literal["delay", "hang", "reset", "html", "empty", "status", "garbage", "echo", "echo-html"]
Where = Literal["before", "after"]
TokenState = Literal["valid", "expired", "revoked", "unknown"]


class Refusal(Exception):
    """A grant that is not given; ``reason`` is a word of the book, which each vendor says in its own way."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class Account:
    """A person with an account at the vendor; ``limit`` is the error type that inference is refused with."""

    id: str
    email: str
    plan: str = "plus"
    organization_id: str | None = None
    project_id: str | None = None
    scopes_withheld: frozenset[str] = frozenset()
    limit: str | None = None

    @property
    def user_id(self) -> str:
        """The id of the person, which is not that of the account."""
        return f"user-{self.id}"


@dataclass
class Client:
    """A registered OAuth client.

    ``redirects``: the exact addresses; ``loopback`` prefixes such as ``http://127.0.0.1:*/auth/callback`` stand for any
    port, and for any path when they end in ``/*``. ``early_window``: as ``Book.early_window``, for this client alone.
    """

    id: str
    secret: str = ""
    kind: str = ""
    redirects: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    default_scopes: tuple[str, ...] = ()
    early_window: float | None = None


@dataclass
class Code:
    """An authorization code and everything that it is bound to."""

    code: str
    client_id: str
    account_id: str
    redirect_uri: str
    challenge: str
    scopes: tuple[str, ...]
    state: str
    nonce: str
    expires_at: float
    extra: dict[str, str] = field(default_factory=dict)
    spent: bool = False
    family: str | None = None


@dataclass
class Family:
    """All tokens that descend from one login; ``burned`` is why it is dead."""

    id: str
    client_id: str
    account_id: str
    scopes: tuple[str, ...]
    rotates: bool
    nonce: str = ""
    generation: int = 0
    burned: str = ""


@dataclass
class Refresh:
    """A refresh token; ``spent`` when it was accepted once by a server that rotates."""

    token: str
    family: str
    generation: int
    expires_at: float
    earliest_at: float = 0.0
    spent: bool = False


@dataclass
class Access:
    """An access token, or a permanent key (``expires_at`` infinite); ``revoked`` is why it is no longer taken."""

    token: str
    client_id: str
    account_id: str
    scopes: tuple[str, ...]
    expires_at: float
    family: str = ""
    generation: int = 0
    kind: str = "oauth"
    revoked: str = ""


@dataclass(frozen=True)
class TokenSet:
    """What a login or a refresh gives; ``generation`` counts from 1 within the family. Times are the server's."""

    access: str
    refresh: str
    id_token: str
    expires_in: int
    family: str
    generation: int
    scopes: tuple[str, ...] = ()
    expires_at: float = 0.0
    earliest_refresh_at: float = 0.0
    client_id: str = ""
    account_id: str = ""


@dataclass
class Fault:
    """Something that goes wrong with one token request.

    ``before``: nothing is spent (a ``delay`` only makes the request late; it is served even if the client has left).
    ``after``: the token was spent and rotated, and its answer suffers. ``status`` is that of ``html``, ``empty``,
    ``garbage`` (200 unless given) and ``status`` (503). ``echo`` and ``echo-html`` (400) repeat everything that the
    request said, in each field of an error or in a page. ``grant`` limits the fault to that ``grant_type``.
    """

    kind: FaultKind
    where: Where = "before"
    seconds: float = 0.0
    status: int | None = None
    grant: str | None = None


@dataclass
class Spend:
    """A token that was presented at the token endpoint. ``at``: ``time.time()`` of this machine.

    ``kind``: code, refresh, exchange, assertion, device, revoke. ``family`` and ``generation`` are those of the token
    (empty and 0 for one that the book never issued). ``fault`` is what went wrong by plan, ``entry`` the HTTP request.
    """

    kind: str
    client_id: str
    account: str
    family: str
    generation: int
    token_hash: str
    accepted: bool
    reason: str
    fault: str = ""
    at: float = field(default_factory=time.time)
    entry: Entry | None = field(default=None, repr=False)

    @property
    def answered(self) -> bool:
        """Did the client get a whole answer, as far as a server can know?"""
        if self.fault not in ("", "before-delay", "after-delay", "before-status"):
            return False
        return self.entry is None or (self.entry.finished_at is not None and self.entry.disconnected_at is None)


@dataclass
class Use:
    """An access token that was presented at a resource server."""

    token_hash: str
    family: str
    generation: int
    state: TokenState
    at: float = field(default_factory=time.time)


@dataclass
class Device:
    """A device login: pending until a person entered the code."""

    device_auth_id: str
    user_code: str
    client_id: str
    expires_at: float
    verifier: str
    challenge: str
    code: str = ""
    denied: bool = False
    polls: int = 0


@dataclass
class FederationRule:
    """Which workload's identity tokens are taken for which organization."""

    id: str
    organization_id: str
    issuer: str
    audience: str
    subject: str
    account_id: str


@dataclass
class ServiceAccount:
    """A service account; ``public`` verifies its assertions."""

    email: str
    key_id: str
    public: Any
    project_id: str
