"""A login store in memory: claims, browsers and turns as the port says."""

import time
from dataclasses import dataclass
from typing import Any

import msgspec

from providers_app.errors import DuplicateSession, NotConfigured, ProviderError, UnknownLogin, UnknownSession
from providers_app.ports import Owner, Session
from providers_app.types.credentials import Credential, Secret
from providers_app.types.logins import LoginAttempt, LoginState
from providers_app.types.refresh import RefreshBusy
from providers_app.types.tokens import Tokens
from tests.unit.providers.memory_store import MemorySessions

FINAL = ("done", "failed", "cancelled")


@dataclass
class Row:
    attempt: LoginAttempt
    state_token: Secret
    turn: str = ""
    turn_until: float = 0.0

    def change(self, **changes: Any) -> None:
        self.attempt = msgspec.structs.replace(
            self.attempt, state=msgspec.structs.replace(self.attempt.state, **changes)
        )


class MemoryLogins:
    """Beside ``MemorySessions``; ``tokens`` are those of each session, ``away`` names the calls that fail next."""

    def __init__(self, sessions: MemorySessions) -> None:
        self.sessions = sessions
        self.rows: dict[str, Row] = {}
        self.tokens: dict[str, Tokens] = {}
        self.refreshes: dict[str, float | None] = {}
        self.dropped: list[str] = []
        self.away: list[str] = []
        self.owed: list[str] = []

    async def open_login(
        self, owner: Owner, state: LoginState, *, browser: str, pending: Secret, state_token: Secret
    ) -> LoginState:
        assert isinstance(owner, int | str)
        state = msgspec.structs.replace(state, id=f"login-{len(self.rows) + 1}")
        attempt = LoginAttempt(
            state=state,
            owner=owner,
            browser=browser,
            pending=pending,
            expected_account=self.tokens[state.target].account_id if state.target else "",
        )
        self.rows[state.id] = Row(attempt, state_token)
        return state

    async def find_login(
        self, owner: Owner, *, login_id: str = "", state_token: Secret | None = None, browser: str = ""
    ) -> LoginAttempt:
        self._reach("find_login")
        for key, row in self.rows.items():
            wanted = key == login_id if login_id else (state_token and row.state_token == state_token)
            if wanted and row.attempt.owner == owner and row.attempt.browser == browser:
                return row.attempt
        raise UnknownLogin("There is no such sign-in.")

    async def claim_login(self, login_id: str, *, status: str = "waiting") -> bool:
        self._reach("claim_login")
        row = self.rows[login_id]
        if row.attempt.state.status != status:
            return False
        row.change(status="exchanging", error="", code="", hint="")
        return True

    async def poll_turn(self, login_id: str, *, held: str, seconds: float) -> str:
        self._reach("poll_turn")
        row = self.rows[login_id]
        if row.attempt.state.status != "waiting" or (row.turn != held and row.turn_until > time.time()):
            return ""
        row.turn, row.turn_until = f"turn-{time.monotonic_ns()}", time.time() + seconds
        return row.turn

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
        self._reach("advance_login")
        row = self.rows[login_id]
        if row.attempt.state.status in FINAL:
            return
        changes: dict[str, Any] = {"status": status, "step": step, "account": account, "session_id": session_id}
        if isinstance(error, ProviderError):
            changes |= {"error": error.message, "code": error.code, "hint": error.hint}
        row.change(**{name: value for name, value in changes.items() if value})
        parts = {"pending": pending, "tokens": tokens}
        if status in FINAL:
            parts = {"pending": Secret(""), "tokens": tokens if owes else Secret("")}
            self.owed += [login_id] if owes else []
        row.attempt = msgspec.structs.replace(
            row.attempt, **{name: value for name, value in parts.items() if value is not None}
        )

    async def owed_logins(self) -> list[LoginAttempt]:
        return [self.rows[login_id].attempt for login_id in self.owed]

    async def settle_login(self, login_id: str) -> None:
        self.owed.remove(login_id)
        self.rows[login_id].attempt = msgspec.structs.replace(self.rows[login_id].attempt, tokens=Secret(""))

    async def require_place(self, owner: Owner, provider: str, name: str) -> str:
        if any(
            (found.owner, found.provider, found.name) == (owner, provider, name) for found, _ in self.sessions.all()
        ):
            raise DuplicateSession(f"There is a session {name!r} already.")
        return name

    async def create_session(
        self, owner: Owner, provider: str, name: str, tokens: Tokens, *, next_refresh_at: float | None, detail: str = ""
    ) -> Session:
        self._reach("create_session")
        credential = Credential(auth_type="oauth", secret=tokens.signing, settings=tokens.facts)
        made = await self.sessions.create(owner, provider, "oauth", name, credential)
        self.tokens[made.id], self.refreshes[made.id] = tokens, next_refresh_at
        return made

    async def replace_tokens(
        self, owner: Owner, session_id: str, tokens: Tokens, *, next_refresh_at: float | None, detail: str = ""
    ) -> Session:
        self._reach("replace_tokens")
        if session_id not in self.sessions.rows:
            raise UnknownSession("There is no such session.")
        before, credential = self.sessions.rows[session_id]
        session = msgspec.structs.replace(
            before, generation=before.generation + 1, status="active", account=tokens.account_id
        )
        self.sessions.rows[session_id] = (session, msgspec.structs.replace(credential, secret=tokens.signing))
        self.tokens[session_id], self.refreshes[session_id] = tokens, next_refresh_at
        return session

    async def drop_tokens(self, owner: Owner, session_id: str, *, reason: str) -> None:
        del self.tokens[session_id]
        self.dropped.append(session_id)

    async def claim(self, session_id: str, *, lease_s: float, holder: str) -> RefreshBusy:
        """A lane on which nobody works; refreshes have a store of their own in their tests."""
        return RefreshBusy(lease_left=1.0, generation=0, resting=True)

    async def tokens_of(self, owner: Owner, session_id: str) -> Tokens:
        return self.tokens[session_id]

    def state(self, login_id: str) -> LoginState:
        return self.rows[login_id].attempt.state

    def age(self, login_id: str, seconds: float) -> None:
        """Let time pass for one sign-in."""
        self.rows[login_id].change(expires_at=self.state(login_id).expires_at - seconds)

    def _reach(self, call: str) -> None:
        if call in self.away:
            self.away.remove(call)
            raise NotConfigured("The database did not answer.")
