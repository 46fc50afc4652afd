"""A small real ``SessionStore`` in memory: owners apart, names unique, outcomes kept."""

import re
import uuid
from dataclasses import dataclass, field

import msgspec

from providers_app.errors import AmbiguousSession, DuplicateSession, InvalidName, UnknownSession
from providers_app.ports import SYSTEM, Owner, Session
from providers_app.types.catalogue import AuthType
from providers_app.types.credentials import Credential

NAME = re.compile(r"[A-Za-z0-9_-]{3,50}")


@dataclass
class Outcome:
    """How one use of a session went."""

    session_id: str
    error: Exception | None
    tested: bool


@dataclass
class MemorySessions:
    """``owner`` is the installation's only user."""

    owner: int = 1
    outcomes: list[Outcome] = field(default_factory=list)
    _rows: dict[str, tuple[Session, Credential]] = field(default_factory=dict)

    async def sole_owner(self) -> int | str | None:
        return self.owner

    async def lookup(
        self, owner: Owner, provider: str | None, ref: str, auth_type: str | None = None, *, after: int = -1
    ) -> tuple[Session, Credential]:
        wanted_type, _, name = ref.rpartition(":")
        wanted_type = wanted_type or auth_type or ""
        mine = [row for row in self._rows.values() if owner is SYSTEM or row[0].owner == owner]
        found = [
            row
            for row in mine
            if (row[0].id == ref or row[0].name == name)
            and provider in (None, row[0].provider)
            and wanted_type in ("", row[0].auth_type)
        ]
        if not found:
            names = ", ".join(session.name for session, _ in mine)
            raise UnknownSession(f"There is no session {ref!r}.", hint=f"There are: {names}." if names else "")
        if len(found) > 1:
            raise AmbiguousSession(f"{ref!r} may be one of {len(found)} sessions.")
        return found[0]

    async def create(
        self, owner: Owner, provider: str, auth_type: AuthType, name: str, credential: Credential
    ) -> Session:
        assert isinstance(owner, int | str)
        if not NAME.fullmatch(name):
            raise InvalidName(f"{name!r} is not a name.")
        taken = {(row.owner, row.provider, row.auth_type, row.name) for row, _ in self._rows.values()}
        if (owner, provider, auth_type, name) in taken:
            raise DuplicateSession(f"There is a session {name!r} already.")
        session = Session(
            id=str(uuid.uuid4()),
            owner=owner,
            provider=provider,
            auth_type=auth_type,
            name=name,
            status="active",
            base_url=credential.base_url,
        )
        self._rows[session.id] = (session, credential)
        return session

    async def delete(self, owner: Owner, session_id: str) -> None:
        await self.lookup(owner, None, session_id)
        del self._rows[session_id]

    def report_outcome(self, session: Session, error: Exception | None) -> None:
        self._record(session.id, error, tested=False)

    async def record_test(self, session: Session, error: Exception | None) -> None:
        self._record(session.id, error, tested=True)

    def _record(self, session_id: str, error: Exception | None, *, tested: bool) -> None:
        self.outcomes.append(Outcome(session_id, error, tested))
        if session_id in self._rows:
            session, credential = self._rows[session_id]
            status = "needs_reauth" if getattr(error, "code", "") == "upstream_authentication" else "active"
            self._rows[session_id] = (msgspec.structs.replace(session, status=status), credential)
