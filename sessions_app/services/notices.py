"""Notices: problems that need a person, each told once and until it is over, on the pages and by e-mail.

A Notice is open until it is resolved: by the end of its cause (``resolve``), or by its owner (``dismiss``). At most one
is open per owner and key; raising it again only updates its words. Callers raise where a state *begins*, so a dismissed
Notice does not come back while nothing new has happened.
One that was not seen within a minute is sent, all of a person in one e-mail. An e-mail that fails is retried, less and
less often, and given up after ``MAX_ATTEMPTS``.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta
from itertools import groupby
from smtplib import SMTPAuthenticationError, SMTPConnectError, SMTPException, SMTPHeloError, SMTPServerDisconnected
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from providers_app.errors import NeedsReauth as LoginEnded
from sessions_app.models import AuthSession, Notice, Pk

logger = logging.getLogger("maestro.notices")

NEEDS_REAUTH = "needs-reauth"  # the provider no longer accepts the login: a person must sign in again
ANSWER_LOST = "answer-lost"  # the same, because a refresh was answered and the answer never arrived
FORBIDDEN = "forbidden"  # the login works, but may not do what was asked
REFRESH_FAILING = "refresh-failing"  # refreshes keep failing; the access that is left works until it ends
ENDED = "ended"  # its access ended, and nothing refreshed it: none is tried, or none is allowed
SWITCH_OFF_SOON = "switch-off-soon"  # a dead login will be switched off in some days, and its secrets destroyed
SWITCHED_OFF = "switched-off"  # a dead login was switched off, and its secrets were destroyed
NOT_REVOKED = "not-revoked"  # a sign-in that came to no session could not be ended at the provider

# Notices that a new sign-in, or a refresh that worked, resolves.
SIGN_IN = (NEEDS_REAUTH, ANSWER_LOST, REFRESH_FAILING, ENDED, SWITCH_OFF_SOON, SWITCHED_OFF)
CURED_BY_USE = (*SIGN_IN, FORBIDDEN)  # notices that an answer that worked, or another key, resolves
BAD = (NEEDS_REAUTH, ANSWER_LOST, ENDED, FORBIDDEN)  # of something that does not work now; others announce or report

KEPT = timedelta(days=180)  # a resolved Notice answers whether its problem was told before
UNDO = timedelta(minutes=2)

MAX_ATTEMPTS = 8
FIRST_AFTER = timedelta(minutes=1)
PEOPLE_AT_ONCE = 50
LISTED = 20
# The connection to the mail server or the sign-in there failed, which fails for every other e-mail too.
_SERVER_FAILS = (SMTPAuthenticationError, SMTPConnectError, SMTPHeloError, SMTPServerDisconnected)
_VISIBLE = Q(session__isnull=True) | Q(session__deleted_at__isnull=True)


def raise_notice(session: AuthSession, kind: str, title: str, text: str = "") -> Notice:
    """Tell the owner of ``session``; return the open Notice. A second one of the same kind updates the first.

    A session whose answer was lost needs the same sign-in as one that is refused: the more precise of the two stays.
    Safe inside a transaction and beside other processes.
    """
    if kind == NEEDS_REAUTH and (lost := _open_rows(session).filter(kind=ANSWER_LOST).first()) is not None:
        return lost
    if kind == ANSWER_LOST:
        resolve(session, (NEEDS_REAUTH,))
    return tell(session.owner_id, kind, str(session.pk), title, text, session_id=session.pk)


def tell(owner_id: Pk, kind: str, about: str, title: str, text: str, *, session_id: UUID | None = None) -> Notice:
    """Tell a person; return the open Notice, of which there is one for each kind and ``about`` (an id)."""
    words, key = {"title": title[:200], "text": text[:600]}, f"{kind}:{about}"
    rows = Notice.objects.filter(owner_id=owner_id, key=key, resolved_at__isnull=True)
    if not rows.update(**words):
        try:
            with transaction.atomic():
                names = {"owner_id": owner_id, "session_id": session_id, "key": key, "kind": kind}
                return Notice.objects.create(**names, **words)
        except IntegrityError:
            # Another process said the same in this moment (or the session is gone: then `get` says so).
            rows.update(**words)
    return rows.get()


def resolve(session: AuthSession, kinds: Iterable[str] | None = None) -> int:
    """Close the session's open Notices (of these kinds, or all), because their cause is gone; return how many."""
    rows = _open_rows(session)
    return (rows if kinds is None else rows.filter(kind__in=list(kinds))).update(resolved_at=timezone.now())


def see(owner_id: Pk, notice_ids: Iterable[int] | None = None) -> int:
    """Mark these open Notices (or all of them) as seen by their owner; return how many were new."""
    rows = Notice.objects.filter(owner_id=owner_id, resolved_at__isnull=True, seen_at__isnull=True)
    return (rows if notice_ids is None else rows.filter(pk__in=list(notice_ids))).update(seen_at=timezone.now())


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
    rows = Notice.objects.filter(_VISIBLE, owner_id=owner_id, resolved_at__isnull=True)
    return rows.select_related("session").defer("session__sealed_credential")


def prune() -> int:
    """Delete Notices that were resolved long ago; return how many."""
    return Notice.objects.filter(resolved_at__lt=timezone.now() - KEPT).delete()[0]


def _open_rows(session: AuthSession) -> "QuerySet[Notice]":
    return Notice.objects.filter(session_id=session.pk, resolved_at__isnull=True)


def mail_enabled() -> bool:
    """Say whether a mail server is configured."""
    return bool(settings.MAESTRO.email.host)


def email_notices() -> int:
    """Send the e-mails that are due; return how many people got one. Errors of a mail server are logged, not raised."""
    if not mail_enabled():
        return 0
    sent = 0
    now, turn = timezone.now(), Q()
    for attempt in range(MAX_ATTEMPTS):  # each attempt waits twice as long as the one before
        turn |= Q(email_attempts=attempt, created_at__lte=now - FIRST_AFTER * 2**attempt)
    due = Notice.objects.filter(turn, resolved_at__isnull=True, emailed_at__isnull=True, seen_at__isnull=True)
    due = due.filter(_VISIBLE, owner__is_active=True).exclude(owner__email="")
    due = due.select_related("owner").order_by("owner_id", "created_at")
    for people, (_, group) in enumerate(groupby(due, lambda notice: notice.owner_id)):
        if people >= PEOPLE_AT_ONCE:
            break
        found = [notice for notice in group if _claim(notice)]
        if not found:
            continue
        subject = " ".join(found[0].title.split()) if len(found) == 1 else f"{len(found)} sessions need you"
        try:
            EmailMessage(f"Maestro: {subject}", _body(found), to=[found[0].owner.email]).send()
        except (OSError, SMTPException) as error:
            # A server's message may quote the e-mail; the type is enough. Others would wait for the same server.
            logger.warning("A letter about %d notices could not be sent: %s", len(found), type(error).__name__)
            if not isinstance(error, SMTPException) or isinstance(error, _SERVER_FAILS):
                break
            continue
        Notice.objects.filter(pk__in=[notice.pk for notice in found]).update(emailed_at=timezone.now())
        sent += 1
    return sent


def _claim(notice: Notice) -> bool:
    """Count the attempt before it is made; ``True`` for one of two processes."""
    rows = Notice.objects.filter(pk=notice.pk, email_attempts=notice.email_attempts, resolved_at__isnull=True)
    return bool(rows.update(email_attempts=F("email_attempts") + 1))


def _body(found: list[Notice]) -> str:
    base, lines = settings.MAESTRO.public_url.rstrip("/"), []
    for notice in found[:LISTED]:
        link = f"{base}{reverse('sessions:detail', args=[notice.session_id])}" if base and notice.session_id else ""
        link = LoginEnded.hint_at(link) if notice.kind in (NEEDS_REAUTH, ANSWER_LOST, ENDED, SWITCHED_OFF) else link
        lines += [*filter(None, (notice.title, notice.text, link)), ""]
    if len(found) > LISTED:
        lines += [f"And {len(found) - LISTED} more.", ""]
    everything = f"All notices: {base}{reverse('sessions:notices')}" if base else "Maestro lists them under Sessions."
    return "\n".join([*lines, everything, ""])
