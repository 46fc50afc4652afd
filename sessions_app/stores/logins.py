"""The ``LoginStore`` that the provider core is given: its questions, asked on the pool, one hop each."""

from typing import Any
from uuid import UUID

from django.utils.crypto import constant_time_compare

from providers_app.errors import InvalidRequest, UnknownLogin, UnknownSession
from providers_app.ports import Owner, Session
from providers_app.types.credentials import Secret
from providers_app.types.logins import LoginAttempt, LoginState
from providers_app.types.tokens import Tokens
from sessions_app import credentials
from sessions_app.models import OAuthAttempt, Pk
from sessions_app.services import oauth
from sessions_app.stores.pool import in_store
from sessions_app.stores.sessions import as_session


class DjangoLoginStore:
    """Sign-ins in Django's database. Every method may be awaited on any loop."""

    async def open_login(
        self, owner: Owner, state: LoginState, *, browser: str, pending: Secret, state_token: Secret
    ) -> LoginState:
        """As the port says."""
        return await in_store(_open, _person(owner), state, browser, pending, state_token)

    async def find_login(
        self, owner: Owner, *, login_id: str = "", state_token: Secret | None = None, browser: str = ""
    ) -> LoginAttempt:
        """As the port says. Raises ``UnknownLogin``, ``KeyRingError``."""
        return await in_store(_find, _person(owner), login_id, state_token, browser)

    async def claim_login(self, login_id: str, *, status: str = "waiting") -> bool:
        """As the port says; one conditional update decides between two callers."""
        return await in_store(oauth.claim_attempt, login_id, status)

    async def poll_turn(self, login_id: str, *, held: str, seconds: float) -> str:
        """As the port says."""
        return await in_store(oauth.poll_turn, login_id, held, seconds)

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
    ) -> None:
        """As the port says; what has a final status already is left as it is."""
        await in_store(
            oauth.advance_attempt,
            login_id,
            status=status,
            step=step,
            pending=pending,
            tokens=tokens,
            error=error,
            account=account,
            session_id=session_id,
        )

    async def require_place(self, owner: Owner, provider: str, name: str) -> str:
        """As the port says."""
        return await in_store(oauth.require_place, _person(owner), provider, name)

    async def create_session(
        self, owner: Owner, provider: str, name: str, tokens: Tokens, *, next_refresh_at: float | None, detail: str = ""
    ) -> Session:
        """As the port says; see ``services.oauth.create``."""
        return await in_store(_create, _person(owner), provider, name, tokens, next_refresh_at, detail)

    async def replace_tokens(
        self, owner: Owner, session_id: str, tokens: Tokens, *, next_refresh_at: float | None, detail: str = ""
    ) -> Session:
        """As the port says; see ``services.oauth.replace``."""
        return await in_store(_replace, _person(owner), session_id, tokens, next_refresh_at, detail)

    async def drop_tokens(self, owner: Owner, session_id: str, *, reason: str) -> None:
        """As the port says."""
        person = _person(owner)
        await in_store(oauth.drop, owner_id=person, session_id=session_id, reason=reason, actor_id=person)


def as_state(row: OAuthAttempt) -> LoginState:
    """The row as the provider core sees it, without what is sealed in it. Reads ``row.target``."""
    target = row.target
    return LoginState(
        id=str(row.pk),
        provider=row.provider,
        flow=row.flow,
        method=row.method,
        name=row.name,
        status=row.status,  # type: ignore[arg-type]
        step=row.step.partition("@")[0],
        created_at=row.created_at.timestamp(),
        expires_at=row.expires_at.timestamp(),
        session_id=str(row.result_id or ""),
        target=str(row.target_id or ""),
        error=row.error,
        hint=row.error_hint,
        code=row.error_code,
        account=row.account,
        expected=(target.account_label or target.account_id) if target else "",
        return_to=row.return_to,
    )


def _person(owner: Owner) -> Pk:
    if not isinstance(owner, int | str):
        raise InvalidRequest("A sign-in needs a person as its owner.", hint="Pass owner=.")
    return owner


def _open(owner_id: Pk, state: LoginState, browser: str, pending: Secret, state_token: Secret) -> LoginState:
    row = oauth.open_attempt(owner_id=owner_id, state=state, browser=browser, pending=pending, state_token=state_token)
    return as_state(row)


def _find(owner_id: Pk, login_id: str, state_token: Secret | None, browser: str) -> LoginAttempt:
    rows: Any = (
        OAuthAttempt.objects.filter(owner_id=owner_id).select_related("target").defer("target__sealed_credential")
    )
    row: OAuthAttempt | None = None
    if login_id:
        try:
            row = rows.filter(pk=UUID(login_id)).first()
        except ValueError:
            row = None
    elif state_token:
        row = rows.filter(state_hash=oauth.state_hash(state_token)).first()
    if row is None or not constant_time_compare(row.browser, browser):
        raise UnknownLogin("There is no such sign-in of yours in this browser.")
    pending, tokens = credentials.open_attempt(row)
    return LoginAttempt(
        state=as_state(row),
        owner=row.owner_id,
        browser=row.browser,
        pending=pending,
        tokens=tokens,
        expected_account=row.target.account_id if row.target else "",
    )


def _create(
    owner_id: Pk, provider: str, name: str, tokens: Tokens, next_refresh_at: float | None, detail: str
) -> Session:
    row = oauth.create(
        owner_id=owner_id,
        provider=provider,
        name=name,
        tokens=tokens,
        next_refresh_at=next_refresh_at,
        detail=detail,
        actor_id=owner_id,
    )
    return as_session(row)


def _replace(owner_id: Pk, session_id: str, tokens: Tokens, next_refresh_at: float | None, detail: str) -> Session:
    try:
        row = oauth.replace(
            owner_id=owner_id,
            session_id=UUID(session_id),
            tokens=tokens,
            next_refresh_at=next_refresh_at,
            detail=detail,
            actor_id=owner_id,
        )
    except ValueError:
        raise UnknownSession("There is no such session.") from None
    return as_session(row)
