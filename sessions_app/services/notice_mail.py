"""Notices by e-mail: one letter per person with what is new and not seen yet.

A Notice that was not seen within a minute is sent. A letter that fails is retried, less and less often, and given up
after ``MAX_ATTEMPTS``; the Notice itself stays on the pages.
"""

import logging
from datetime import datetime, timedelta
from itertools import groupby
from smtplib import SMTPAuthenticationError, SMTPConnectError, SMTPException, SMTPHeloError, SMTPServerDisconnected

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import F, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from sessions_app.models import Notice

logger = logging.getLogger("maestro.notices")

MAX_ATTEMPTS = 8
FIRST_AFTER = timedelta(minutes=1)
PEOPLE_AT_ONCE = 50
LISTED = 20
# The connection or the sign-in at the mail server failed, which fails for everybody.
_FOR_EVERYBODY = (SMTPAuthenticationError, SMTPConnectError, SMTPHeloError, SMTPServerDisconnected)


def enabled() -> bool:
    """Say whether a mail server is configured."""
    return bool(settings.MAESTRO.email.host)


def email_notices() -> int:
    """Send the letters that are due; return how many people got one. Errors of a mail server are logged, not raised."""
    if not enabled():
        return 0
    sent = 0
    due = _due(timezone.now()).select_related("owner").order_by("owner_id", "created_at")
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
            # What a server says may quote the letter; the type is enough. Others would wait for the same server.
            logger.warning("A letter about %d notices could not be sent: %s", len(found), type(error).__name__)
            if not isinstance(error, SMTPException) or isinstance(error, _FOR_EVERYBODY):
                break
            continue
        Notice.objects.filter(pk__in=[notice.pk for notice in found]).update(emailed_at=timezone.now())
        sent += 1
    return sent


def _due(now: datetime) -> "QuerySet[Notice]":
    """Return the Notices to send: open, unseen, unsent, of people with an address; each attempt waits twice as long."""
    turn = Q()
    for attempt in range(MAX_ATTEMPTS):
        turn |= Q(email_attempts=attempt, created_at__lte=now - FIRST_AFTER * 2**attempt)
    rows = Notice.objects.filter(turn, resolved_at__isnull=True, emailed_at__isnull=True, seen_at__isnull=True)
    visible = Q(session__isnull=True) | Q(session__deleted_at__isnull=True)
    return rows.filter(visible, owner__is_active=True).exclude(owner__email="")


def _claim(notice: Notice) -> bool:
    """Count the attempt before it is made; ``True`` for one of two processes."""
    rows = Notice.objects.filter(pk=notice.pk, email_attempts=notice.email_attempts, resolved_at__isnull=True)
    return bool(rows.update(email_attempts=F("email_attempts") + 1))


def _body(found: list[Notice]) -> str:
    lines: list[str] = []
    for notice in found[:LISTED]:
        link = _address("sessions:detail", notice.session_id) if _base() and notice.session_id else ""
        lines += [*filter(None, (notice.title, notice.text, link)), ""]
    if len(found) > LISTED:
        lines += [f"And {len(found) - LISTED} more.", ""]
    lines += [f"All notices: {_address('sessions:notices')}" if _base() else "Maestro lists them under Sessions.", ""]
    return "\n".join(lines)


def _base() -> str:
    return str(settings.MAESTRO.public_url).rstrip("/")


def _address(name: str, *args: object) -> str:
    return f"{_base()}{reverse(name, args=args)}"
