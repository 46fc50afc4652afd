"""A refresh store in memory: leases, intents and swaps as the port says, with a switch for every way to lose."""

import time
from dataclasses import dataclass, field

import msgspec

from providers_app.errors import NotConfigured, UnknownSession
from providers_app.ports import Owner, Session
from providers_app.refresh import clock
from providers_app.types.refresh import RefreshBusy, RefreshClaim, RefreshFailure, RefreshState
from providers_app.types.tokens import Tokens


@dataclass
class Row:
    """One session and its lane."""

    session: Session
    tokens: Tokens
    due_at: float | None = 0.0
    presentations: int = 0
    intent_open: bool = False
    attempts: int = 0
    refreshed_at: float | None = None
    failed_at: float | None = None
    failure: RefreshFailure | None = None
    lease: str = ""
    lease_until: float = 0.0
    notes: list[str] = field(default_factory=list)


class MemoryRefreshes:
    """``steps`` is what was done, in order; ``down`` makes so many writes fail as a database that does not answer."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.steps: list[str] = []
        self.down = 0
        self.lease_is_lost = False
        self._leases = 0

    def add(self, session: Session, tokens: Tokens) -> Row:
        row = self.rows[session.id] = Row(session, tokens)
        return row

    async def tokens_of(self, owner: Owner, session_id: str) -> Tokens:
        return self._row(session_id).tokens

    async def peek(self, session_id: str) -> RefreshState:
        row = self._row(session_id)
        return RefreshState(
            generation=row.session.generation,
            status=row.session.status,
            lease_left=row.lease_until - time.monotonic(),
            failed_at=row.failed_at,
            error_code=row.failure.code if row.failure else "",
            error=row.failure.message if row.failure else "",
            status_reason=row.session.status_reason,
            expires_at=row.tokens.expires_at,
            next_try_at=row.due_at,
            intent_open=row.intent_open,
            resting=not row.lease,
        )

    async def claim(self, session_id: str, *, lease_s: float, holder: str) -> RefreshClaim | RefreshBusy:
        row, now = self._row(session_id), time.monotonic()
        if row.lease_until > now:
            self.steps.append("busy")
            left, generation = row.lease_until - now, row.session.generation
            return RefreshBusy(lease_left=left, generation=generation, resting=not row.lease)
        self.steps.append("claim")
        self._leases += 1
        row.lease, row.lease_until = f"{holder}/{self._leases}", now + lease_s
        return RefreshClaim(
            session_id=session_id,
            provider=row.session.provider,
            name=row.session.name,
            status=row.session.status,
            generation=row.session.generation,
            tokens=row.tokens,
            lease=row.lease,
            lane="lane",
            claimed=clock.elapsed(),
            lease_s=lease_s,
            presentations=row.presentations,
            intent_open=row.intent_open,
            attempts=row.attempts,
            due_at=row.due_at,
            refreshed_at=row.refreshed_at,
            failed_at=row.failed_at,
        )

    async def write_intent(self, claim: RefreshClaim) -> RefreshClaim | None:
        row = self._row(claim.session_id)
        self.steps.append("intent")
        if self.lease_is_lost or row.lease != claim.lease or row.session.generation != claim.generation:
            return None
        row.presentations += 1
        row.intent_open = True
        return msgspec.structs.replace(claim, presentations=row.presentations, claimed=clock.elapsed())

    async def keep(self, claim: RefreshClaim, tokens: Tokens, next_refresh_at: float | None) -> Session | None:
        row = self._row(claim.session_id)
        self._answer()
        self.steps.append("keep")
        self._give_back(row, claim)
        if row.session.generation != claim.generation:
            return None
        row.session = msgspec.structs.replace(
            row.session, generation=claim.generation + 1, expires_at=tokens.expires_at, status="active"
        )
        row.tokens, row.due_at, row.refreshed_at = tokens, next_refresh_at, time.time()
        row.presentations, row.intent_open, row.attempts = 0, False, 0
        return row.session

    async def keep_key(self, session_id: str, generation: int, tokens: Tokens) -> bool:
        row = self._row(session_id)
        self.steps.append("keep_key")
        if row.session.generation != generation:
            return False
        row.tokens = tokens
        return True

    async def postpone(self, claim: RefreshClaim, next_refresh_at: float | None, why: str) -> None:
        row = self._row(claim.session_id)
        self.steps.append("postpone")
        row.due_at = next_refresh_at
        row.notes.append(why)
        self._give_back(row, claim)

    async def fail(self, claim: RefreshClaim, failure: RefreshFailure) -> None:
        row = self._row(claim.session_id)
        self._answer()
        self.steps.append(f"fail:{failure.spent}")
        row.failure, row.failed_at, row.due_at = failure, time.time(), failure.next_try_at
        row.attempts += 1
        if failure.spent == "no":
            row.presentations -= 1
            row.intent_open = row.presentations > 0
        if failure.spent == "refused":
            row.session = msgspec.structs.replace(row.session, status="needs_reauth", status_reason=failure.message)
        if failure.spent == "unknown" and row.lease == claim.lease:
            row.lease = ""
        else:
            self._give_back(row, claim)

    def _answer(self) -> None:
        if self.down:
            self.down -= 1
            raise NotConfigured("The database does not answer.")

    @staticmethod
    def _give_back(row: Row, claim: RefreshClaim) -> None:
        if row.lease == claim.lease:
            row.lease, row.lease_until = "", 0.0

    def _row(self, session_id: str) -> Row:
        try:
            return self.rows[session_id]
        except KeyError:
            raise UnknownSession("There is no such session.") from None
