"""The end of dead logins and of Notices that are over. Every function is safe to run twice at once.

A login is dead while it needs a new sign-in, or since its access ended and nothing refreshed it. After
``dead_after_days`` it is switched off and its secrets are destroyed; the row and its trail stay. Nothing is destroyed
without a Notice that is a week old, even when Maestro itself was off meanwhile.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, DateTimeField, Exists, F, Min, OuterRef, Q, QuerySet, Subquery, When
from django.utils import timezone

from sessions_app import selectors
from sessions_app.models import AuthSession, Notice
from sessions_app.presenters.status import describe, refreshable
from sessions_app.services import lifecycle, notices

WARNED_BEFORE = timedelta(days=7)
GRACE = timedelta(minutes=5)  # a refresh that comes a little late is no news
# How many sessions one run takes at most; the next one takes the others.
BATCH = 500
_STATUS = AuthSession.Status


def tell_ended() -> int:
    """Raise a Notice for each session whose access ended and that nothing refreshed; return how many are new.

    One whose refresh is tried again is left out: the next answer settles it.
    """
    said = Notice.objects.filter(session=OuterRef("pk"), kind=notices.ENDED, created_at__gte=OuterRef("expires_at"))
    told = Notice.objects.filter(session=OuterRef("pk"), kind__in=notices.SIGN_IN, resolved_at__isnull=True)
    rows = selectors.visible().defer("sealed_credential")
    ended = rows.filter(status=_STATUS.ACTIVE, expires_at__lte=timezone.now() - GRACE)
    untold = selectors.with_state(ended.exclude(Exists(said)).exclude(Exists(told)))
    found = list(untold.filter(Q(("state", "expired")))[:BATCH])
    for session in found:
        what = "could not be refreshed in time" if refreshable(session) else "has ended"
        notices.raise_notice(session, notices.ENDED, f"{session.name} {what}", describe(session).more)
    return len(found)


def settle() -> int:
    """Close the Notices whose cause is gone; return how many."""
    now = timezone.now()
    dead = Q(session__status=_STATUS.NEEDS_REAUTH)
    ended = Q(session__status=_STATUS.ACTIVE, session__expires_at__lte=now)
    true_while = {
        (notices.NEEDS_REAUTH, notices.ANSWER_LOST): dead,
        (notices.ENDED,): ended,
        (notices.SWITCH_OFF_SOON,): dead | ended,
        (notices.REFRESH_FAILING,): dead | ~Q(session__refresh_error_code=""),
        (notices.FORBIDDEN,): Q(session__status=_STATUS.FORBIDDEN),
        (notices.SWITCHED_OFF,): Q(session__status=_STATUS.DISABLED),
    }
    # What was raised in this moment may be a step ahead of its session's row.
    rows = Notice.objects.filter(resolved_at__isnull=True, created_at__lte=now - timedelta(minutes=1))
    return sum(
        rows.filter(~condition, kind__in=kinds, session__isnull=False).update(resolved_at=now)
        for kinds, condition in true_while.items()
    )


def retire_dead() -> tuple[int, int]:
    """Warn the owners of logins that are nearly dead for long enough, switch off those that are; return both counts."""
    days = settings.MAESTRO.sessions.dead_after_days
    if not days:
        return 0, 0
    now = timezone.now()
    limit = now - timedelta(days=days)
    lead = min(WARNED_BEFORE, timedelta(days=days))
    dead = _dead(now)
    warned = list(dead.filter(warned_at__isnull=True, dead_since__lte=limit + lead)[:BATCH])
    for session in warned:
        end = max(session.dead_since + timedelta(days=days), now + lead)
        text = (
            f"It has not worked since {session.dead_since:%d %B %Y}. Without a new sign-in it is switched off on "
            f"{end:%d %B %Y} and its secrets are destroyed; the session and its trail stay."
        )
        notices.raise_notice(session, notices.SWITCH_OFF_SOON, f"{session.name} will be switched off", text)
    due = dead.filter(dead_since__lte=limit, warned_at__lte=now - lead)
    return len(warned), sum(_retire(session, days) for session in due[:BATCH])


def _dead(now: datetime) -> "QuerySet[Any]":
    """Return the dead logins, the longest dead first, with ``dead_since`` and when their end was announced."""
    since = {"created_at__gte": OuterRef("dead_since")}
    warning = Notice.objects.filter(session=OuterRef("pk"), kind=notices.SWITCH_OFF_SOON, **since)
    first = warning.order_by().values("session").annotate(first=Min("created_at")).values("first")
    ended = When(status=_STATUS.ACTIVE, auth_type=AuthSession.AuthType.OAUTH, expires_at__lte=now, then=F("expires_at"))
    refused = When(status=_STATUS.NEEDS_REAUTH, then=F("status_changed_at"))
    rows = selectors.visible().defer("sealed_credential").filter(status__in=(_STATUS.NEEDS_REAUTH, _STATUS.ACTIVE))
    rows = rows.annotate(dead_since=Case(refused, ended, output_field=DateTimeField()))
    return rows.annotate(warned_at=Subquery(first)).order_by("dead_since", "pk")


def _retire(session: AuthSession, days: int) -> int:
    reason = f"Switched off after {days} days without a working login; its secrets were destroyed."
    # As it was read: a sign-in, a refresh or a switch-off meanwhile wins.
    read = {name: getattr(session, name) for name in ("pk", "status", "status_changed_at", "generation")}
    rows = selectors.visible().filter(**read)
    with transaction.atomic():
        if not lifecycle.switch_off(session, reason, rows=rows):
            return 0
        notices.raise_notice(session, notices.SWITCHED_OFF, f"{session.name} was switched off", reason)
    return 1
