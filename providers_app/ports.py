"""The stores that the interface needs from the apps above, and the one place where they are installed."""

from collections.abc import AsyncGenerator, Collection, Iterator
from contextlib import contextmanager
from typing import NoReturn, Protocol, TypedDict, Unpack

from providers_app.errors import NotConfigured
from providers_app.types.catalogue import AuthType
from providers_app.types.chat import Chunk, Message, NewTurn, StoredContext
from providers_app.types.credentials import Credential, Secret
from providers_app.types.events import Event
from providers_app.types.intent import ToolIntent
from providers_app.types.logins import LoginAttempt, LoginState
from providers_app.types.refresh import RefreshBusy, RefreshClaim, RefreshFailure, RefreshState
from providers_app.types.stored import SYSTEM as SYSTEM
from providers_app.types.stored import Alias as Alias
from providers_app.types.stored import Owner as Owner
from providers_app.types.stored import Session as Session
from providers_app.types.tokens import Tokens


class AliasStore(Protocol):
    """The store of aliases. Every lookup goes through the owner."""

    async def find_alias(self, owner: Owner, ref: str) -> Alias:
        """Return the alias of this name or id, from memory where it was read a moment ago. Raises ``UnknownAlias``."""


class SessionStore(Protocol):
    """The store of sessions. Every lookup goes through the owner; a foreign session does not exist for it."""

    def owner_key(self, given: str) -> int | str:
        """Return the primary key that a text stands for, without asking the database. Raises ``OwnerRequired``."""

    async def sole_owner(self) -> int | str | None:
        """Return the only user of the installation, else ``None``."""

    async def lookup(
        self, owner: Owner, provider: str | None, ref: str, auth_type: str | None = None, *, after: int = -1
    ) -> tuple[Session, Credential]:
        """Return the session that ``ref`` names (id, name, or ``auth_type:name``) and its credential.

        It may be a moment old, but where its generation is ``after`` or below, it is as stored now. Raises
        ``UnknownSession`` (its hint lists the owner's candidates), ``AmbiguousSession``, ``NotConfigured`` (key ring).
        """

    async def create(
        self, owner: Owner, provider: str, auth_type: AuthType, name: str, credential: Credential
    ) -> Session:
        """Store a new session. Raises ``InvalidName``, ``DuplicateSession``."""

    async def delete(self, owner: Owner, session_id: str) -> None:
        """Destroy the credential and the row. Raises ``UnknownSession``."""

    def report_outcome(self, session: Session, error: Exception | None) -> None:
        """Note how a use went, without waiting; it counts while the session has the credential of that generation."""

    async def record_test(self, session: Session, error: Exception | None) -> None:
        """Write how a test of the session went, under the same condition."""


class RefreshStore(Protocol):
    """The database side of a refresh: leases per lane, the intent, the swap. Each method is one short transaction."""

    async def tokens_of(self, owner: Owner, session_id: str) -> Tokens:
        """Return the tokens of an OAuth session, for revoking only. Raises ``UnknownSession``."""

    async def peek(self, session_id: str) -> RefreshState:
        """Return the state of the session's refresh. Raises ``UnknownSession``."""

    async def claim(self, session_id: str, *, lease_s: float, holder: str) -> RefreshClaim | RefreshBusy:
        """Take the session's lane, then read it. Raises ``UnknownSession``, ``NotRefreshable``, ``NotConfigured``."""

    async def write_intent(self, claim: RefreshClaim) -> RefreshClaim | None:
        """Record that this generation's token is about to be sent, and renew the lease; ``None``: send nothing."""

    async def keep(self, claim: RefreshClaim, tokens: Tokens, next_refresh_at: float | None) -> Session | None:
        """Store new tokens by compare-and-swap, close the intent, free the lane; ``None``: another login, or gone."""

    async def keep_key(self, session_id: str, generation: int, tokens: Tokens) -> bool:
        """Store tokens whose ``api_key`` was obtained after ``keep``; ``False`` when the session has moved on."""

    async def postpone(self, claim: RefreshClaim, next_refresh_at: float | None, why: str) -> None:
        """Give the lane back without a request; the refresh is due again at that time."""

    async def fail(self, claim: RefreshClaim, failure: RefreshFailure) -> None:
        """Record what went wrong, decide the status, raise the Notice of a terminal failure. Gives the lane back."""


class LoginStore(Protocol):
    """The store of sign-ins that wait for their answer: sealed, single use, bound to a person and a browser session."""

    async def open_login(
        self, owner: Owner, state: LoginState, *, browser: str, pending: Secret, state_token: Secret
    ) -> LoginState:
        """Store one that its ``id`` or ``state_token`` finds. Raises ``InvalidRequest`` for too many open ones."""

    async def find_login(
        self, owner: Owner, *, login_id: str = "", state_token: Secret | None = None, browser: str = ""
    ) -> LoginAttempt:
        """By id, or by the state that came back. Raises ``UnknownLogin`` (missing, foreign person, foreign browser)."""

    async def claim_login(self, login_id: str, *, status: str = "waiting") -> bool:
        """Take a sign-in from ``status`` to ``exchanging``. ``False`` when another caller has it, or it is over."""

    async def poll_turn(self, login_id: str, *, held: str, seconds: float) -> str:
        """Take the turn to poll a waiting device login, for so many seconds; return the mark to renew it, else ""."""

    async def advance_login(
        self,
        login_id: str,
        *,
        status: str | None = None,
        step: str | None = None,
        pending: Secret | None = None,
        tokens: Secret | None = None,
        error: Exception | None = None,
        account: str = "",
        session_id: str = "",
        owes: bool = False,
    ) -> None:
        """Write the progress; a final status destroys the sealed parts, but not tokens whose revocation it ``owes``."""

    async def settle_login(self, login_id: str) -> None: ...  # destroy the tokens of an ended sign-in
    async def owed_logins(self) -> list[LoginAttempt]:
        """Claim ended sign-ins whose tokens are to be revoked now, by one caller; each is due again later."""

    async def require_place(self, owner: Owner, provider: str, name: str) -> str:
        """Return the checked name, unused among this owner's sessions. Raises ``InvalidName``, ``DuplicateSession``."""

    async def create_session(
        self, owner: Owner, provider: str, name: str, tokens: Tokens, *, next_refresh_at: float | None, detail: str = ""
    ) -> Session:
        """Store a new OAuth session. Raises ``InvalidName``, ``DuplicateSession`` (also where the login is stored)."""

    async def replace_tokens(
        self, owner: Owner, session_id: str, tokens: Tokens, *, next_refresh_at: float | None, detail: str = ""
    ) -> Session:
        """Sign a session in again, in place, with a new generation. Raises ``UnknownSession``, ``DuplicateSession``."""

    async def drop_tokens(self, owner: Owner, session_id: str, *, reason: str) -> None:
        """Destroy the secrets of a login that was revoked, switch its session off. Raises ``UnknownSession``."""


class ContextStore(Protocol):
    """The store of contexts. Every method that names a context raises ``UnknownContext``."""

    async def create_context(self, owner: Owner, *, title: str, system: str) -> StoredContext: ...
    async def get_context(self, owner: Owner, context_id: str) -> StoredContext: ...
    async def delete_context(self, owner: Owner, context_id: str) -> None: ...
    async def list_contexts(self, owner: Owner, *, query: str, archived: bool, limit: int) -> list[StoredContext]:
        """Return the contexts with ``query`` in title or text, the one that changed last first."""

    async def ask(self, owner: Owner, turn: NewTurn) -> tuple[str, AsyncGenerator[Event, None]]:
        """Store the question, begin the answer; return the context's id and the events. Closing those stops it.

        They raise a failure before the first output. Raises ``TurnRunning`` while another answer of the context runs.
        """

    async def append_chunk(self, owner: Owner, context_id: str, content: str, **columns: str) -> Chunk: ...
    async def messages(self, owner: Owner, context_id: str) -> tuple[Message, ...]:
        """Return the messages that would be sent, in order."""

    async def list_chunks(
        self, owner: Owner, context_id: str, *, query: str = "", kinds: frozenset[str] = frozenset()
    ) -> list[Chunk]: ...

    async def delete_chunk(self, owner: Owner, context_id: str, chunk_id: str) -> None: ...
    async def state_intent(self, owner: Owner, context_id: str, chunk_id: str, said: ToolIntent) -> Chunk:
        """Store a person's statement about a tool call. Raises ``InvalidRequest`` for what has no intent to set."""


class MediaStore(Protocol):
    """The store of generated and uploaded files: of their owner only, and of limited size."""

    async def put(self, owner: Owner, media_type: str, data: bytes, *, name: str = "") -> str:
        """Store a file and return its reference. Raises ``MediaRefused`` and ``StoreUnavailable``."""

    async def read(self, owner: Owner, ref: str, *, at_most: int | None = None) -> tuple[str, bytes]:
        """Return the media type and the bytes of a file.

        Raises ``UnknownMedia``, and ``MediaRefused``, without reading it, where it has more than ``at_most`` bytes.
        """


class People(Protocol):
    """The directory of people."""

    async def email_of(self, owner: Owner) -> str:
        """Return the e-mail address of the owner, empty without one."""


class PolicyStore(Protocol):
    """The store of what the owner of the installation decided for every session."""

    async def allowed_pairs(self) -> Collection[str]:
        """Return the private ``host:port`` pairs that may be reached, as stored now. Raises ``StoreUnavailable``."""


class Stores(TypedDict, total=False):
    """The stores that can be installed, by name."""

    sessions: SessionStore
    contexts: ContextStore
    refreshes: RefreshStore
    logins: LoginStore
    people: People
    media: MediaStore
    policies: PolicyStore
    aliases: AliasStore


_installed: Stores = {}


def install(**stores: Unpack[Stores]) -> None:
    """Install stores, once, from the apps' ``ready()``. A later call replaces."""
    _installed.update(stores)


@contextmanager
def use(**stores: Unpack[Stores]) -> Iterator[None]:
    """Install stores inside the block; the earlier ones are back after it."""
    global _installed
    before, _installed = _installed, _installed | stores
    try:
        yield
    finally:
        _installed = before


def people() -> People | None:
    """Return the directory of people, if one is installed."""
    return _installed.get("people")


def media_store() -> MediaStore | None:
    """Return the store of files, if one is installed; without one they stay in memory, in their events."""
    return _installed.get("media")


async def allowed_pairs() -> Collection[str]:
    """Return the private ``host:port`` pairs that the owner allowed; without a store there are none."""
    store = _installed.get("policies")
    return await store.allowed_pairs() if store is not None else ()


def session_store() -> SessionStore:
    """Return the installed store. Raises ``NotConfigured``."""
    return _installed.get("sessions") or _missing("session store is installed, so no named session can be found")


def alias_store() -> AliasStore:
    """Return the installed store. Raises ``NotConfigured``."""
    return _installed.get("aliases") or _missing("alias store is installed, so no alias can be found")


def refresh_store() -> RefreshStore:
    """Return the installed store. Raises ``NotConfigured``."""
    return _installed.get("refreshes") or _missing("refresh store is installed, so no session can be refreshed")


def login_store() -> LoginStore:
    """Return the installed store. Raises ``NotConfigured``."""
    return _installed.get("logins") or _missing("login store is installed, so no sign-in to a provider is possible")


def context_store() -> ContextStore:
    """Return the installed store. Raises ``NotConfigured``."""
    return _installed.get("contexts") or _missing("context store is installed, so no context can be read")


def _missing(what: str) -> NoReturn:
    raise NotConfigured(f"No {what}.", hint="Call maestro_site.setup() first.")
