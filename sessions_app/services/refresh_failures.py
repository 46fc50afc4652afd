"""The traces of a failed refresh on its session: error, next try, status, trail, Notice."""

from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from providers_app.refresh.rules import ANSWER_LOST
from providers_app.types.refresh import RefreshClaim, RefreshFailure
from sessions_app.credentials import NO_INTENT, Columns, as_time
from sessions_app.models import AuthSession, status_columns
from sessions_app.services import notices, trail
from sessions_app.stores import lanes

FAILING_AFTER = 5  # after so many failures in a row a person is told


def record(claim: RefreshClaim, failure: RefreshFailure) -> None:
    """Record why the refresh of ``claim`` failed, and give the lane back.

    A session that has another login meanwhile, or is gone, is left alone. So is one whose lane another process holds by
    now, because its result counts; only a refusal is recorded all the same, for a refused token stays refused.
    """
    rows = AuthSession.objects.filter(pk=claim.session_id, deleted_at__isnull=True, generation=claim.generation)
    now, refused = timezone.now(), failure.spent == "refused"
    changes: dict[str, Any] = {
        "refresh_error_code": (failure.reason or failure.code)[:60],
        "refresh_error": failure.message[:500],
        "refresh_failed_at": now,
        "refresh_attempts": F("refresh_attempts") + 1,
        "next_refresh_at": None if refused else as_time(failure.next_try_at),
    }
    if failure.spent == "no":
        changes |= taken_back(claim)
    elif refused and claim.intent_written and not claim.intent_open:
        # The outcome is known: refused. Where an earlier one was open, it stays open, so that nothing is sent again.
        changes |= NO_INTENT
    with transaction.atomic():
        ours = lanes.give_back(claim.lane, claim.lease)
        if not (ours or refused) or not rows.update(**changes):
            return
        if refused:
            changes = status_columns(AuthSession.Status.NEEDS_REAUTH, failure.message, at=now)
            rows.exclude(status=AuthSession.Status.DISABLED).update(**changes)
        _tell(rows.defer("sealed_credential").get(), failure)


def taken_back(claim: RefreshClaim) -> Columns:
    """Return the column values that undo the intent of ``claim``, because nothing of it was sent or accepted."""
    undone = {"presentations": claim.presentations - 1} if claim.intent_open else NO_INTENT
    return undone if claim.intent_written else {}


def _tell(session: AuthSession, failure: RefreshFailure) -> None:
    what = f"{failure.reason or failure.code}: {failure.message}"
    if failure.spent == "refused":
        trail.note(session, trail.REFRESH_REFUSED, what)
        if session.status == AuthSession.Status.NEEDS_REAUTH:
            kind = notices.ANSWER_LOST if failure.reason == ANSWER_LOST else notices.NEEDS_REAUTH
            notices.raise_notice(session, kind, f"{session.name} needs a new sign-in", failure.message)
        return
    if failure.spent == "unknown":
        trail.note(session, trail.REFRESH_UNKNOWN, what)
    elif session.refresh_attempts == 1:
        # One line per trouble, not per try.
        trail.note(session, trail.REFRESH_FAILED, what)
    if session.refresh_attempts == FAILING_AFTER:
        title = f"{session.name} cannot be refreshed"
        notices.raise_notice(session, notices.REFRESH_FAILING, title, failure.message)
