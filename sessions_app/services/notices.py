"""Notices: problems that need a person, each told once and until it is over.

A Notice is open until it is resolved: by the end of its cause (``resolve``), or by its owner (``dismiss``). At most one
is open per owner and key; raising it again only updates its words. Callers raise where a state *begins*, so a dismissed
Notice does not come back while nothing new has happened.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from sessions_app.models import AuthSession, Notice, Pk

NEEDS_REAUTH = "needs-reauth"  # the provider no longer accepts the login: a person must sign in again
ANSWER_LOST = "answer-lost"  # the same, because a refresh was answered and the answer never arrived
FORBIDDEN = "forbidden"  # the login works, but may not do what was asked
REFRESH_FAILING = "refresh-failing"  # refreshes keep failing; the access that is left works until it ends
ENDED = "ended"  # its access ended, and nothing refreshed it: none is tried, or none is allowed
SWITCH_OFF_SOON = "switch-off-soon"  # a dead login will be switched off in some days, and its secrets destroyed
SWITCHED_OFF = "switched-off"  # a dead login was switched off, and its secrets were destroyed

SIGN_IN = (NEEDS_REAUTH, ANSWER_LOST, REFRESH_FAILING, ENDED, SWITCH_OFF_SOON, SWITCHED_OFF)
"""Notices that a new sign-in, or a refresh that worked, resolves."""
CURED_BY_USE = (*SIGN_IN, FORBIDDEN)  # notices that an answer that worked, or another key, resolves
BAD = (NEEDS_REAUTH, ANSWER_LOST, ENDED, FORBIDDEN)
"""Notices of something that does not work now; the others announce or report."""

# A resolved Notice says nothing any more; it is kept a while so that "was this said before?" can be answered.
KEPT = timedelta(days=180)
UNDO = timedelta(minutes=2)


def raise_notice(session: AuthSession, kind: str, title: str, text: str = "") -> Notice:
    """Tell the owner of ``session``; return the open Notice. A second one of the same kind updates the first.

    A session whose answer was lost needs the same sign-in as one that is refused: the more precise of the two stays.
    Safe inside a transaction and beside other processes.
    """
    if kind == NEEDS_REAUTH and (lost := _open_rows(session).filter(kind=ANSWER_LOST).first()) is not None:
        return lost
    if kind == ANSWER_LOST:
        resolve(session, (NEEDS_REAUTH,))
    words, key = {"title": title[:200], "text": text[:600]}, f"{kind}:{session.pk}"
    rows = Notice.objects.filter(owner_id=session.owner_id, key=key, resolved_at__isnull=True)
    if not rows.update(**words):
        try:
            with transaction.atomic():
                names = {"owner_id": session.owner_id, "session_id": session.pk, "key": key, "kind": kind}
                return Notice.objects.create(**names, **words)
        except IntegrityError:
            # Another process said the same in this moment (or the session is gone: then `get` says so).
            rows.update(**words)
    return rows.get()


def resolve(session: AuthSession, kinds: Iterable[str] | None = None) -> int:
    """It is over: close the session's open Notices (of these kinds, or all); how many."""
    rows = _open_rows(session)
    if kinds is not None:
        rows = rows.filter(kind__in=list(kinds))
    return rows.update(resolved_at=timezone.now())


def see(owner_id: Pk, notice_ids: Iterable[int] | None = None) -> int:
    """Mark these open Notices (or all of them) as seen by their owner; return how many were new."""
    rows = Notice.objects.filter(owner_id=owner_id, resolved_at__isnull=True, seen_at__isnull=True)
    if notice_ids is not None:
        rows = rows.filter(pk__in=list(notice_ids))
    return rows.update(seen_at=timezone.now())


def dismiss(owner_id: Pk, notice_id: int) -> bool:
    """Close a Notice at its owner's wish. ``False``: it is not theirs, or it was closed already."""
    rows = Notice.objects.filter(owner_id=owner_id, pk=notice_id, resolved_at__isnull=True)
    return bool(rows.update(resolved_at=timezone.now()))


def reopen(owner_id: Pk, notice_id: int) -> bool:
    """Take a dismissal back, within ``UNDO``. ``False``: too late, not theirs, open, or the same was said again."""
    rows = Notice.objects.filter(owner_id=owner_id, pk=notice_id, resolved_at__gte=timezone.now() - UNDO)
    try:
        with transaction.atomic():
            return bool(rows.update(resolved_at=None))
    except IntegrityError:
        return False


def open_notices(owner_id: Pk) -> "QuerySet[Notice]":
    """Return the owner's open Notices, newest first. A deleted session's Notices wait with it for the undo."""
    rows = Notice.objects.filter(owner_id=owner_id, resolved_at__isnull=True).filter(
        Q(session__isnull=True) | Q(session__deleted_at__isnull=True)
    )
    return rows.select_related("session").defer("session__sealed_credential")


def prune() -> int:
    """Delete Notices that were resolved long ago; how many."""
    return Notice.objects.filter(resolved_at__lt=timezone.now() - KEPT).delete()[0]


def _open_rows(session: AuthSession) -> "QuerySet[Notice]":
    return Notice.objects.filter(session_id=session.pk, resolved_at__isnull=True)
