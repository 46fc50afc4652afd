"""Tests of a login, and the outcome of a use or a test with what it changes about the session.

Uses are many and run at once, so every write here is one conditional update, and a use that teaches nothing new writes
nothing (``last_used_at`` moves at most once a minute).
"""

import logging
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from providers_app import conf, errors, loop
from providers_app import provider as door
from providers_app.types.catalogue import Account
from providers_app.types.credentials import Credential
from sessions_app import providers
from sessions_app.credentials import NO_ERROR, open_credential, without_secret, without_stored_secret
from sessions_app.models import AuthSession, Pk, status_columns
from sessions_app.services import notices, trail
from sessions_app.stores.outcome_queue import Outcome
from sessions_app.throttle import allow

logger = logging.getLogger("maestro.sessions")

TESTS_PER_MINUTE = 30
MARGIN_S = 5.0
NO_KEY_HINT = "The server asks for a key. Check the address, or connect it anew with a key."
USED_EVERY = timedelta(minutes=1)
DEFAULT_LIMIT_S = 60.0
QUOTA_LIMIT_S = 3600.0
LONGEST_LIMIT_S = 24 * 3600.0
_NO_KEY = AuthSession.AuthType.NONE
_REFUSED = (errors.AuthenticationFailed, errors.PermissionDenied)
# Statuses that a working answer ends. `disabled` is a person's decision and stays.
_CURABLE = (AuthSession.Status.NEEDS_REAUTH, AuthSession.Status.FORBIDDEN, AuthSession.Status.MISCONFIGURED)


@dataclass(frozen=True, slots=True)
class TestResult:
    """``account`` when it works, else ``error``."""

    __test__ = False

    account: Account | None = None
    error: errors.ProviderError | None = None

    @property
    def ok(self) -> bool:
        return self.error is None


def verify(provider: str, credential: Credential, *, owner_id: Pk) -> TestResult:
    """Test a login that need not be stored, for at most the look-up time-out. Never raises a ``ProviderError``."""
    work = door.try_credential(provider, credential, owner=owner_id)
    result = _run_test(work, owner_id, conf.current().lookup_timeout_s + MARGIN_S)
    if (error := result.error) is not None:
        error.message = without_secret(error.message, credential)
        error.args = (error.message,)
        if credential.auth_type == _NO_KEY and isinstance(error, _REFUSED):
            error.hint = NO_KEY_HINT
    return result


def test(session: AuthSession, *, owner_id: Pk) -> TestResult:
    """Test a session that was read with its sealed column; record the outcome. Never raises a ``ProviderError``."""
    if session.auth_type == AuthSession.AuthType.OAUTH:
        # Its access token may be refreshed first, and the core records the outcome itself.
        seconds = conf.current().lookup_timeout_s + conf.current().refresh_timeout_s + MARGIN_S
        return _run_test(door.test_session(session.provider, None, str(session.pk), owner=owner_id), owner_id, seconds)
    try:
        credential = open_credential(session)
    except errors.NotConfigured as error:
        return TestResult(error=error)
    result = verify(session.provider, credential, owner_id=owner_id)
    if isinstance(result.error, errors.RateLimited) and result.error.status is None:
        # Our own ceiling says nothing about the session.
        return result
    account = result.account.label if result.account else ""
    record(session.pk, result.error, tested=True, generation=session.generation, account=account)
    return result


def record(
    session_id: UUID | str, error: Exception | None, *, tested: bool, generation: int | None = None, account: str = ""
) -> None:
    """Write the outcome of a use or a test now, if the session still has the credential of ``generation``.

    ``account`` is the label that a test learned. A session that is gone is ignored.
    """
    rows = _rows(session_id, generation)
    session = rows.first()
    if session is not None:
        _record(rows, session, error, timezone.now(), tested=tested, account=account)


def record_all(outcomes: Sequence[Outcome]) -> None:
    """Write what a batch of uses changes; one query reads their sessions, plain uses of one minute are one query.

    A bug with one outcome is logged, the others are written. Raises the error of a database that is away.
    """
    found = AuthSession.objects.filter(deleted_at__isnull=True).defer("sealed_credential")
    sessions = {str(pk): row for pk, row in found.in_bulk([UUID(each.session.id) for each in outcomes]).items()}
    used: dict[datetime, dict[UUID, datetime]] = {}
    for outcome in outcomes:
        session = sessions.get(outcome.session.id)
        if session is None or session.generation != outcome.session.generation:
            continue
        later = (session.status_changed_at, session.tested_at, session.last_error_at)
        outdated = any(known is not None and known > outcome.at for known in later)
        plain = outcome.error is None and session.status == AuthSession.Status.ACTIVE and not _troubled(session)
        if plain or outdated:
            used.setdefault(outcome.at.replace(second=0, microsecond=0), {})[session.pk] = outcome.at
            continue
        rows = _rows(session.pk, session.generation)
        try:
            _record(rows, session, outcome.error, outcome.at, tested=False)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("the outcome of session %s could not be written", session.pk)
        # A later one in the batch is judged by what this one left.
        if (left := rows.first()) is not None:
            sessions[outcome.session.id] = left
    for uses in used.values():
        latest = max(uses.values())
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lte=latest - USED_EVERY)
        AuthSession.objects.filter(stale, pk__in=uses).update(last_used_at=latest)


def _rows(session_id: UUID | str, generation: int | None) -> "QuerySet[AuthSession]":
    rows = AuthSession.objects.filter(pk=session_id, deleted_at__isnull=True).defer("sealed_credential")
    return rows if generation is None else rows.filter(generation=generation)


def _troubled(session: AuthSession) -> bool:
    return bool(session.last_error_code or session.limited_until)


def _record(
    rows: "QuerySet[AuthSession]",
    session: AuthSession,
    error: Exception | None,
    now: datetime,
    *,
    tested: bool,
    account: str = "",
) -> None:
    changes: dict[str, Any] = {"tested_at": now} if tested else {}
    if session.last_used_at is None or session.last_used_at <= now - USED_EVERY:
        changes["last_used_at"] = now
    if tested:
        outcome = f"failed: {error.code}" if isinstance(error, errors.ProviderError) else "succeeded"
        trail.note(session, trail.TESTED, outcome)
    status, message, usable = None, "", rows
    if error is None:
        if _troubled(session):
            changes |= {**NO_ERROR, "limited_until": None}
        if account and account != session.account_label:
            changes["account_label"] = account[:200]
        # A sign-in was lost in a refresh: that the rest of its access still works is no sign of health.
        lost = session.status == AuthSession.Status.NEEDS_REAUTH and session.next_refresh_at is None
        if session.status in _CURABLE and not (lost and session.refresh_error_code):
            status, usable = AuthSession.Status.ACTIVE, rows.filter(status=session.status)
    elif not providers.answers_here(session.provider):
        # A provider in this process has no login and no network that could be bad: its model was chosen to fail.
        message = without_stored_secret(error.message, session) if isinstance(error, errors.ProviderError) else ""
        if isinstance(error, errors.UpstreamError) and not isinstance(error, errors.Cancelled):
            changes |= {"last_error_code": error.code, "last_error": message[:500], "last_error_at": now}
        if isinstance(error, errors.RateLimited):
            fallback = QUOTA_LIMIT_S if isinstance(error, errors.QuotaExhausted) else DEFAULT_LIMIT_S
            seconds = error.retry_after if error.retry_after is not None else fallback
            changes["limited_until"] = now + timedelta(seconds=min(max(seconds, 0.0), LONGEST_LIMIT_S))
        status = _status_for(error, session, tested=tested)
        usable = rows.exclude(status__in=(status, AuthSession.Status.DISABLED))
    if status is not None:
        with transaction.atomic():
            if usable.update(**changes, **status_columns(status, message, at=now)):
                _tell(session, status, error, message)
                return
    if changes:
        rows.update(**changes)


def _status_for(error: Exception, session: AuthSession, *, tested: bool) -> AuthSession.Status | None:
    """Return the stored status that this error proves, or ``None`` when it proves none.

    A 401 of an OAuth session that comes here already had one forced refresh and one retry by the core.
    """
    match error:
        case errors.AuthenticationFailed() | errors.PermissionDenied() if session.auth_type == _NO_KEY:
            # There is no key that could be replaced: the server wants one, or the address is another server's.
            return AuthSession.Status.MISCONFIGURED
        case errors.AuthenticationFailed():
            # A later refresh may mend the login: one is not allowed yet, failed for now or is unknown. Whether it is
            # allowed yet is the core's word where the wall clock was set.
            failed = bool(session.refresh_error_code) and session.next_refresh_at is not None
            early = session.earliest_refresh_at is not None and session.earliest_refresh_at > timezone.now()
            open_intent = session.intent_generation == session.generation
            return None if error.mendable or open_intent or early or failed else AuthSession.Status.NEEDS_REAUTH
        case errors.PermissionDenied() | errors.BillingRequired():
            return AuthSession.Status.FORBIDDEN
        case errors.AddressRefused():
            return AuthSession.Status.MISCONFIGURED
        case errors.NotFound() | errors.BadAnswer() if tested and not isinstance(error, errors.UnknownModel):
            # In a test the address itself is asked; in a use it may be one request that went wrong.
            return AuthSession.Status.MISCONFIGURED
        case _:
            return None


def _tell(session: AuthSession, status: AuthSession.Status, error: Exception | None, message: str) -> None:
    if not isinstance(error, errors.ProviderError):
        trail.note(session, trail.RECOVERED, f"was {session.status}")
        notices.resolve(session, notices.CURED_BY_USE)
        return
    trail.note(session, trail.USE_FAILED, f"{error.code}: {message}")
    if status == AuthSession.Status.NEEDS_REAUTH:
        needed = "a new sign-in" if session.auth_type == AuthSession.AuthType.OAUTH else "another key"
        notices.raise_notice(session, notices.NEEDS_REAUTH, f"{session.name} needs {needed}", message)
    elif status == AuthSession.Status.FORBIDDEN:
        notices.raise_notice(session, notices.FORBIDDEN, f"{session.name} may not do what was asked", message)


def _run_test(work: Coroutine[Any, Any, Account], owner_id: Pk, seconds: float) -> TestResult:
    """Run a test on the provider loop, while the caller waits, within the limit of tests per person."""
    if not allow("session-test", owner_id, limit=TESTS_PER_MINUTE, window_s=60):
        work.close()
        text = f"You tested {TESTS_PER_MINUTE} logins within a minute."
        return TestResult(error=errors.RateLimited(text, hint="Wait a minute, then test again."))
    try:
        return TestResult(account=loop.run(work, seconds))
    except errors.ProviderError as error:
        return TestResult(error=error)
    except TimeoutError:
        return TestResult(error=errors.UpstreamTimeout("The provider did not answer in time."))
