"""A session store in memory, for tests of what stands on the port."""

from itertools import count

from providers_app.errors import DuplicateSession, UnknownAlias, UnknownContext, UnknownSession
from providers_app.ports import SYSTEM, Alias, Chunk, Owner, Session
from providers_app.types.catalogue import AuthType
from providers_app.types.chat import Message
from providers_app.types.credentials import Credential


class MemorySessions:
    """Sessions by id; ``outcomes`` is what was reported, in order."""

    def __init__(self, users: tuple[int, ...] = (1,)) -> None:
        self.users = users
        self.rows: dict[str, tuple[Session, Credential]] = {}
        self.outcomes: list[tuple[str, Exception | None, bool]] = []
        self._numbers = count(1)

    def owner_key(self, given: str) -> int | str:
        return given

    async def sole_owner(self) -> int | str | None:
        return self.users[0] if len(self.users) == 1 else None

    async def lookup(
        self, owner: Owner, provider: str | None, ref: str, auth_type: str | None = None, *, after: int = -1
    ) -> tuple[Session, Credential]:
        for session, credential in self.rows.values():
            names = (session.id, session.name, f"{session.auth_type}:{session.name}")
            if owner in (SYSTEM, session.owner) and provider in (None, session.provider) and ref in names:
                return session, credential
        raise UnknownSession(f"There is no session {ref!r}.")

    async def create(
        self, owner: Owner, provider: str, auth_type: AuthType, name: str, credential: Credential
    ) -> Session:
        assert isinstance(owner, int | str)
        if any((s.owner, s.provider, s.auth_type, s.name) == (owner, provider, auth_type, name) for s, _ in self.all()):
            raise DuplicateSession(f"There is a session {name!r} already.")
        session = Session(
            id=f"s{next(self._numbers)}",
            owner=owner,
            provider=provider,
            auth_type=auth_type,
            name=name,
            status="active",
            base_url=credential.base_url,
        )
        self.rows[session.id] = (session, credential)
        return session

    async def delete(self, owner: Owner, session_id: str) -> None:
        if session_id not in self.rows or self.rows[session_id][0].owner != owner:
            raise UnknownSession("There is no such session.")
        del self.rows[session_id]

    def report_outcome(self, session: Session, error: Exception | None) -> None:
        self.outcomes.append((session.id, error, False))

    async def record_test(self, session: Session, error: Exception | None) -> None:
        self.outcomes.append((session.id, error, True))

    def all(self) -> list[tuple[Session, Credential]]:
        return list(self.rows.values())


class MemoryContexts:
    """Contexts of one owner each."""

    def __init__(self) -> None:
        self.contexts: dict[tuple[Owner, str], list[tuple[Chunk, Message]]] = {}

    def _of(self, owner: Owner, context_id: str) -> list[tuple[Chunk, Message]]:
        try:
            return self.contexts[owner, context_id]
        except KeyError:
            raise UnknownContext("There is no such context.") from None

    async def messages(self, owner: Owner, context_id: str) -> tuple[Message, ...]:
        return tuple(message for _, message in self._of(owner, context_id))

    async def list_chunks(
        self, owner: Owner, context_id: str, *, query: str = "", kinds: frozenset[str] = frozenset()
    ) -> list[Chunk]:
        chunks = [chunk for chunk, _ in self._of(owner, context_id)]
        return [chunk for chunk in chunks if query in chunk.content and (not kinds or chunk.kind in kinds)]

    async def delete_chunk(self, owner: Owner, context_id: str, chunk_id: str) -> None:
        rows = self._of(owner, context_id)
        rows[:] = [row for row in rows if row[0].id != chunk_id]


class MemoryAliases:
    """Aliases by owner and name, over the sessions of a ``MemorySessions``; ``asked`` counts the lookups."""

    def __init__(self, sessions: MemorySessions) -> None:
        self.sessions = sessions
        self.rows: dict[tuple[Owner, str], tuple[list[tuple[str, str]], bool]] = {}
        self.asked = 0

    def add(self, name: str, *routes: tuple[str, str], owner: Owner = 1, sticky: bool = True) -> None:
        self.rows[owner, name] = list(routes), sticky

    async def find_alias(self, owner: Owner, ref: str) -> Alias:
        self.asked += 1
        if (owner, ref) not in self.rows:
            raise UnknownAlias(f"There is no alias {ref!r}.")
        named, sticky = self.rows[owner, ref]
        known = {session.name: session for session, _ in self.sessions.all()}
        routes = tuple((known[session], model) for session, model in named if session in known)
        assert isinstance(owner, int | str)
        return Alias(id=f"id-{ref}", owner=owner, name=ref, routes=routes, sticky=sticky, page="/settings/aliases/")
