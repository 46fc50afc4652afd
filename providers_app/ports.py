"""What the interface needs from the apps above it, and the one place where they plug it in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec

from providers_app.errors import NotConfigured
from providers_app.types.catalogue import AuthType
from providers_app.types.chat import Message
from providers_app.types.credentials import Credential


class _System:
    """The installation itself as owner (health checks, refresh); sees every session, and is always explicit."""

    def __repr__(self) -> str:
        return "SYSTEM"


SYSTEM = _System()
Owner = int | str | _System


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A stored named login without its secret. ``owner`` is the owner's primary key, ``status`` as stored.

    ``generation`` counts the credentials that the session had: what an older one did says nothing about a newer one.
    """

    id: str
    owner: int | str
    provider: str
    auth_type: AuthType
    name: str
    status: str
    status_reason: str = ""
    base_url: str | None = None
    generation: int = 0


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of a context, as the universal interface shows it."""

    id: str
    order: int
    role: str
    kind: str
    content: str
    tokens: int
    pinned: bool
    excluded: bool
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class SessionStore(Protocol):
    """Where sessions live. Every look-up goes through the owner; a foreign session does not exist for it."""

    async def sole_owner(self) -> int | str | None:
        """The only user of the installation, else ``None``."""
        ...

    async def lookup(
        self, owner: Owner, provider: str | None, ref: str, auth_type: str | None = None
    ) -> tuple[Session, Credential]:
        """The session that ``ref`` names (id, name, or ``auth_type:name``) and its credential.

        Raises ``UnknownSession`` (its hint lists the caller's own candidates), ``AmbiguousSession``, ``NotConfigured``
        (the key ring cannot open it).
        """
        ...

    async def create(
        self, owner: Owner, provider: str, auth_type: AuthType, name: str, credential: Credential
    ) -> Session:
        """Raises ``InvalidName``, ``DuplicateSession``."""
        ...

    async def delete(self, owner: Owner, session_id: str) -> None:
        """Destroys the credential and the row. Raises ``UnknownSession``."""
        ...

    async def record_outcome(
        self, session_id: str, error: Exception | None, *, tested: bool, generation: int | None = None
    ) -> None:
        """Note that the session was just used (or tested) and how it went; updates its stored status.

        With ``generation``, only while the session still has the credential of that generation.
        """
        ...


class ContextStore(Protocol):
    """Where contexts live."""

    async def messages(self, owner: Owner, context_id: str) -> tuple[Message, ...]:
        """What would be sent, in order. Raises ``UnknownContext``."""
        ...

    async def list_chunks(
        self, owner: Owner, context_id: str, *, query: str = "", kinds: frozenset[str] = frozenset()
    ) -> list[Chunk]: ...

    async def delete_chunk(self, owner: Owner, context_id: str, chunk_id: str) -> None: ...


class _Ports:
    def __init__(self) -> None:
        self.sessions: SessionStore | None = None
        self.contexts: ContextStore | None = None


_ports = _Ports()


def install(*, sessions: SessionStore | None = None, contexts: ContextStore | None = None) -> None:
    """Plug in the stores; called once by the apps' ``ready()``. A later call replaces."""
    if sessions is not None:
        _ports.sessions = sessions
    if contexts is not None:
        _ports.contexts = contexts


@contextmanager
def use(*, sessions: SessionStore | None = None, contexts: ContextStore | None = None) -> Iterator[None]:
    """The given stores inside the block, the earlier ones after it."""
    before = (_ports.sessions, _ports.contexts)
    install(sessions=sessions, contexts=contexts)
    try:
        yield
    finally:
        _ports.sessions, _ports.contexts = before


def session_store() -> SessionStore:
    """The installed store. Raises ``NotConfigured``."""
    if _ports.sessions is None:
        raise NotConfigured(
            "No session store is installed, so no named session can be found.",
            hint="Call django.setup() with DJANGO_SETTINGS_MODULE=maestro_site.settings first.",
        )
    return _ports.sessions


def context_store() -> ContextStore:
    """The installed store. Raises ``NotConfigured``."""
    if _ports.contexts is None:
        raise NotConfigured(
            "No context store is installed, so no context can be read.",
            hint="Call django.setup() with DJANGO_SETTINGS_MODULE=maestro_site.settings first.",
        )
    return _ports.contexts
