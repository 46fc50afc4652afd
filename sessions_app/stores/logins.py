"""``DjangoLoginStore``: sign-ins that wait for their answer, and the sessions that come of them."""

import logging
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from providers_app import loop
from providers_app.errors import InvalidRequest, LoginExpired, ProviderError, UnknownLogin, UnknownSession
from providers_app.ports import Owner, Session
from providers_app.sign_in.owed import revoke_owed
from providers_app.types.credentials import Secret
from providers_app.types.logins import LoginAttempt, LoginState
from providers_app.types.tokens import Tokens
from sessions_app import credentials, selectors
from sessions_app.errors import KeyRingError
from sessions_app.models import OAuthAttempt, Pk
from sessions_app.services import notices, oauth
from sessions_app.stores.pool import on_pool
from sessions_app.stores.sessions import as_session

logger = logging.getLogger("maestro.logins")

OPEN = (OAuthAttempt.Status.WAITING, OAuthAttempt.Status.EXCHANGING, OAuthAttempt.Status.CONFIRM)
FINAL = (OAuthAttempt.Status.DONE, OAuthAttempt.Status.FAILED, OAuthAttempt.Status.CANCELLED)
# Columns with the name and value of a field of the core's ``LoginState``, set when a sign-in begins.
GIVEN = ("provider", "flow", "method", "name", "return_to")
# An exchange of a process that is gone; a live one never lasts as long after its sign-in has ended.
STALLED = timedelta(minutes=2)
OWED_AT_ONCE = 20
OWED_DAYS = 3  # days after which tokens that could not be revoked are destroyed
SOONEST, LATEST = timedelta(minutes=1), timedelta(hours=6)  # between two tries of a revocation


class DjangoLoginStore:
    """Sign-ins in Django's database. Every method may be awaited on any loop."""

    @on_pool
    def open_login(
        self, owner: Owner, state: LoginState, *, browser: str, pending: Secret, state_token: Secret
    ) -> LoginState:
        """Store a new sign-in, sealed. Raises ``InvalidRequest`` when the person has too many open ones."""
        owner_id = _person(owner)
        row_id = uuid4()
        attempt = OAuthAttempt(
            id=row_id,
            owner_id=owner_id,
            browser=browser[:64],
            target_id=UUID(state.target) if state.target else None,
            state_hash=_state_hash(state_token),
            status=OAuthAttempt.Status.WAITING,
            step=state.step,
            **{name: getattr(state, name) for name in GIVEN},
            expires_at=credentials.as_time(state.expires_at) or timezone.now(),
            **credentials.attempt_columns(row_id, pending=pending),
        )
        limit = settings.MAESTRO.sessions.logins_per_owner
        with transaction.atomic():
            # The owner's row is held while the count is compared.
            if not get_user_model().objects.select_for_update().filter(pk=owner_id).exists():
                raise UnknownSession("The sign-in has no owner: there is no such user.")
            rows = OAuthAttempt.objects.filter(owner_id=owner_id, status__in=OPEN, expires_at__gt=timezone.now())
            if rows.count() >= limit:
                hint = "Finish or cancel one, or wait: an unfinished sign-in expires after some minutes."
                raise InvalidRequest(f"You have {limit} sign-ins open, which is the limit.", hint=hint)
            attempt.save(force_insert=True)
        return as_state(attempt)

    @on_pool
    def find_login(
        self, owner: Owner, *, login_id: str = "", state_token: Secret | None = None, browser: str = ""
    ) -> LoginAttempt:
        """Return a sign-in by id or state. Raises ``UnknownLogin`` (also for another browser's), ``KeyRingError``."""
        rows = OAuthAttempt.objects.filter(owner_id=_person(owner))
        rows = rows.select_related("target").defer("target__sealed_credential")
        row: OAuthAttempt | None = None
        if login_id:
            with suppress(ValueError):
                row = rows.filter(pk=UUID(str(login_id))).first()
        elif state_token:
            row = rows.filter(state_hash=_state_hash(state_token)).first()
        if row is None or not constant_time_compare(row.browser, browser):
            raise UnknownLogin("There is no such sign-in of yours in this browser.")
        return _as_attempt(row)

    @on_pool
    def claim_login(self, login_id: str, *, status: str = "waiting") -> bool:
        """Move a sign-in from ``status`` to ``exchanging`` by one conditional update; ``True`` for one caller only."""
        rows = OAuthAttempt.objects.filter(pk=login_id, status=status)
        return bool(rows.update(status=OAuthAttempt.Status.EXCHANGING, error_code="", error="", error_hint=""))

    @on_pool
    def poll_turn(self, login_id: str, *, held: str, seconds: float) -> str:
        """Claim the turn to poll a waiting device login; empty when another process has it or the login is over.

        The turn is kept in the row's step as ``polling@`` and the hexadecimal second at which it ends. A mark is
        exchanged for the next one by compare-and-swap, so two processes never hold the same one.
        """
        now = int(time.time())
        rows = OAuthAttempt.objects.filter(pk=login_id, status=OAuthAttempt.Status.WAITING)
        step = rows.values_list("step", flat=True).first()
        if step is None:
            return ""
        _, _, until = step.partition("@")
        if step != held and until and int(until, 16) > now:
            return ""
        mark = f"polling@{now + max(int(seconds), 1):08x}"
        return mark if rows.filter(step=step).update(step=mark) else ""

    @on_pool
    def advance_login(
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
        """Write the progress of a sign-in; a final status is never taken back and destroys the sealed parts.

        The tokens not, where the sign-in ``owes`` their revocation: the caller tries now, the schedule later.
        """
        given = {"status": status, "step": step and step[:16], "account": account[:200] or None}
        changes: dict[str, Any] = {column: value for column, value in given.items() if value is not None}
        changes |= _error_columns(error) | credentials.attempt_columns(login_id, pending=pending, tokens=tokens)
        if session_id:
            changes["result_id"] = UUID(session_id)
        if status in FINAL:
            changes |= credentials.PENDING_DESTROYED
            changes |= {"revoke_at": timezone.now() + SOONEST} if owes else credentials.TOKENS_DESTROYED
        if changes:
            OAuthAttempt.objects.filter(pk=login_id).exclude(status__in=FINAL).update(**changes)

    @on_pool
    def owed_logins(self) -> list[LoginAttempt]:
        """Claim ended sign-ins whose tokens are to be revoked now, at most ``OWED_AT_ONCE``, each for one caller.

        The pause until the next claim grows with their age. Tokens that a session holds by now are only destroyed.
        """
        now, found = timezone.now(), []
        for row in OAuthAttempt.objects.filter(revoke_at__lte=now).order_by("revoke_at")[:OWED_AT_ONCE]:
            pause = min(max((now - row.created_at) / 2, SOONEST), LATEST)
            rows = OAuthAttempt.objects.filter(pk=row.pk, revoke_at=row.revoke_at)
            if not rows.update(revoke_at=now + pause):
                continue
            try:
                attempt = _as_attempt(row)
            except KeyRingError as error:
                logger.error("what %s obtained cannot be revoked yet: %s", row, error.message)
                continue
            if row.step == "store" and oauth.is_held(attempt.tokens):
                _settled(row.pk)
            else:
                found.append(attempt)
        return found

    @on_pool
    def settle_login(self, login_id: str) -> None:
        """Destroy the tokens of an ended sign-in: nothing is owed any more."""
        _settled(login_id)

    @on_pool
    def require_place(self, owner: Owner, provider: str, name: str) -> str:
        """Return the checked name, free for an OAuth session. Raises ``InvalidName``, ``DuplicateSession``."""
        return oauth.require_place(_person(owner), provider, name)

    @on_pool
    def create_session(
        self, owner: Owner, provider: str, name: str, tokens: Tokens, *, next_refresh_at: float | None, detail: str = ""
    ) -> Session:
        """Store a new OAuth session; see ``services.oauth.create``."""
        return as_session(oauth.create(_person(owner), provider, name, tokens, next_refresh_at, detail=detail))

    @on_pool
    def replace_tokens(
        self, owner: Owner, session_id: str, tokens: Tokens, *, next_refresh_at: float | None, detail: str = ""
    ) -> Session:
        """Sign a session in again, in place; see ``services.oauth.replace``."""
        key = selectors.id_of(session_id)
        return as_session(oauth.replace(_person(owner), key, tokens, next_refresh_at, detail=detail))

    @on_pool
    def drop_tokens(self, owner: Owner, session_id: str, *, reason: str) -> None:
        """Destroy the secrets of a login that was revoked and switch its session off. Raises ``UnknownSession``."""
        oauth.drop(_person(owner), session_id, reason)


def prune_logins() -> int:
    """End sign-ins whose time is over and delete those past their retention; return how many rows were touched.

    Tokens of ended ones are revoked at the provider, all that are due at once. What cannot be revoked for
    ``OWED_DAYS`` is destroyed, and its owner is told. Raises ``StoreUnavailable``.
    """
    now = timezone.now()
    late = Q(status__in=(OAuthAttempt.Status.WAITING, OAuthAttempt.Status.CONFIRM), expires_at__lte=now)
    stalled = Q(status=OAuthAttempt.Status.EXCHANGING, expires_at__lte=now - STALLED)
    over = OAuthAttempt.objects.filter(late | stalled)
    error = _error_columns(LoginExpired("This sign-in was not finished in time."))
    failed = {"status": OAuthAttempt.Status.FAILED, **error, **credentials.PENDING_DESTROYED}
    ended = over.filter(credentials.ATTEMPT_HOLDS_TOKENS).update(**failed, revoke_at=now)
    ended += over.exclude(credentials.ATTEMPT_HOLDS_TOKENS).update(**failed)
    for row in OAuthAttempt.objects.filter(revoke_at__isnull=False, created_at__lt=now - timedelta(days=OWED_DAYS)):
        _give_up(row)
    kept = now - timedelta(days=settings.MAESTRO.sessions.logins_kept_days)
    old = OAuthAttempt.objects.filter(status__in=FINAL, created_at__lt=kept, revoke_at__isnull=True)
    deleted, _ = old.delete()
    loop.run(revoke_owed())
    return ended + deleted


def _give_up(row: OAuthAttempt) -> None:
    """Destroy tokens that could not be revoked, and tell the log and the owner."""
    if not _settled(row.pk):
        return
    whom = f" as {row.account}" if row.account else ""
    text = (
        f"A sign-in{whom} came to no session, and {row.provider} could not be asked to end it for {OWED_DAYS} days. "
        "Its tokens are destroyed here. To be sure that it does not go on there, end it in your account's settings."
    )
    logger.error("what %s obtained could not be revoked for %d days and is destroyed", row, OWED_DAYS)
    title = f"A sign-in to {row.provider} was not ended there"
    notices.tell(row.owner_id, notices.NOT_REVOKED, str(row.pk), title, text)


def _settled(login_id: UUID | str) -> bool:
    """Destroy the tokens of an ended sign-in; ``False`` where another process did."""
    rows = OAuthAttempt.objects.filter(pk=login_id, status__in=FINAL, revoke_at__isnull=False)
    return bool(rows.update(revoke_at=None, **credentials.TOKENS_DESTROYED))


def _as_attempt(row: OAuthAttempt) -> LoginAttempt:
    """Convert the row with its sealed parts opened. Raises ``KeyRingError``."""
    pending, tokens = credentials.open_attempt(row)
    return LoginAttempt(
        state=as_state(row),
        owner=row.owner_id,
        browser=row.browser,
        pending=pending,
        tokens=tokens,
        expected_account=row.target.account_id if row.target else "",
    )


def as_state(row: OAuthAttempt) -> LoginState:
    """Convert the row for the provider core, without its sealed parts. Reads ``row.target``."""
    target = row.target
    return LoginState(
        id=str(row.pk),
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
        **{name: getattr(row, name) for name in GIVEN},
    )


def _person(owner: Owner) -> Pk:
    if not isinstance(owner, int | str):
        raise InvalidRequest("A sign-in needs a person as its owner.", hint="Pass owner=.")
    return owner


def _state_hash(state_token: Secret) -> str:
    text = state_token.reveal()
    return salted_hmac("sessions_app.login_state", text, algorithm="sha256").hexdigest() if text else ""


def _error_columns(error: Exception | None) -> dict[str, str]:
    if error is None:
        return {}
    if not isinstance(error, ProviderError):
        return {"error_code": "login_error", "error": "The sign-in failed.", "error_hint": ""}
    return {"error_code": error.code[:60], "error": error.message[:500], "error_hint": error.hint[:300]}
