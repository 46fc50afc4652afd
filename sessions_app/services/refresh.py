"""Refresh sessions from outside a request (schedule, command, button): which ones; ``providers_app`` does it."""

import asyncio
import logging
import math
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from providers_app import conf, loop
from providers_app.errors import NotRefreshable, ProviderError
from providers_app.provider import refresh_session
from providers_app.refresh.clock import STEP_S, Watch
from providers_app.types.refresh import Done, RefreshReport, Trigger
from sessions_app import selectors
from sessions_app.errors import StoreUnavailable
from sessions_app.models import AuthSession, Pk
from sessions_app.services import trail
from sessions_app.stores.pool import in_store
from sessions_app.throttle import allow

logger = logging.getLogger("maestro.refresh")

REFRESHES_PER_MINUTE = 30
# Statuses whose logins are refreshed; one that is forbidden something now must not end for that.
KEPT_ALIVE = (AuthSession.Status.ACTIVE, AuthSession.Status.FORBIDDEN, AuthSession.Status.MISCONFIGURED)
BROKEN_AGAIN_S = 1800.0  # seconds until the next try of a session whose refresh could not begin (e.g. unopened secret)
RUN_S = 60.0  # seconds after which a run of the schedule starts no further refresh; the next run takes the rest
ANSWER_MARGIN_S = 10.0
_watch = Watch()


def due_sessions(
    *, within_s: float = 0.0, provider: str = "", owner_id: Pk | None = None, now: datetime | None = None
) -> "QuerySet[AuthSession]":
    """Return what is due within so many seconds, longest due first; the index on ``next_refresh_at`` answers."""
    latest = (now or timezone.now()) + timedelta(seconds=within_s)
    rows = _narrowed(provider, owner_id)
    return rows.filter(next_refresh_at__isnull=False, next_refresh_at__lte=latest).order_by("next_refresh_at")


def due(limit: int | None = None, **narrowed: Any) -> list[UUID]:
    """Return the ids of at most ``limit`` sessions that ``due_sessions`` finds."""
    return list(due_sessions(**narrowed).values_list("pk", flat=True)[:limit])


def refreshable(*, provider: str = "", owner_id: Pk | None = None) -> "QuerySet[AuthSession]":
    """Return every OAuth session that works and may be refreshed here, due or not."""
    return _narrowed(provider, owner_id).filter(auth_type=AuthSession.AuthType.OAUTH, read_only_reason="")


def ended(*, provider: str = "", owner_id: Pk | None = None) -> "QuerySet[AuthSession]":
    """Return the logins whose access has ended and that have nothing to be refreshed with."""
    rows = _narrowed(provider, owner_id).filter(auth_type=AuthSession.AuthType.OAUTH, next_refresh_at__isnull=True)
    return rows.filter(expires_at__lte=timezone.now())


def backing_off(*, provider: str = "", owner_id: Pk | None = None) -> "QuerySet[AuthSession]":
    """Return the logins whose last refresh failed and whose next try is to come."""
    return _narrowed(provider, owner_id).filter(next_refresh_at__gt=timezone.now()).exclude(refresh_error_code="")


def refresh_due() -> list[RefreshReport]:
    """Run the schedule once: refresh what is due, some at a time. Two runs at once do each session once.

    A process that sees the wall clock set back makes due what was stored before, which would else wait so much longer.
    Where that is not allowed yet by the new time, the next use brings a 401, which has the login refreshed.
    """
    if _watch.was_set_back():
        now = timezone.now()
        stored_at = Coalesce("refresh_failed_at", "refreshed_at", "created_at")
        rows = _narrowed("", None).annotate(stored_at=stored_at)
        rows = rows.filter(next_refresh_at__gt=now, stored_at__gt=now + timedelta(seconds=STEP_S))
        logger.warning("the clock was set back: %d logins are refreshed now", rows.update(next_refresh_at=now))
    return refresh_many(due(settings.MAESTRO.sessions.refresh_batch), trigger="schedule", run_s=RUN_S)


def refresh_many(
    ids: Iterable[UUID],
    *,
    trigger: Trigger,
    within_s: float = 0.0,
    seen: Mapping[UUID, int] | None = None,
    run_s: float | None = None,
) -> list[RefreshReport]:
    """Refresh these, ``refresh_parallel`` at a time, on the provider loop; return the reports in the order of the ids.

    A session with a newer generation than in ``seen`` is left alone. After ``run_s`` seconds no other one is started;
    those have no report. A failure does not stop the others.
    """
    ids, seen = list(ids), dict(seen or {})
    ends = time.monotonic() + run_s if run_s is not None else math.inf

    async def refresh_all() -> list[RefreshReport]:
        slots = asyncio.Semaphore(settings.MAESTRO.sessions.refresh_parallel)

        async def one(session_id: UUID) -> RefreshReport | None:
            async with slots:
                late = time.monotonic() > ends
                return None if late else await _one(session_id, trigger, within_s, seen.get(session_id))

        found = await asyncio.gather(*map(one, ids))
        return [report for report in found if report is not None]

    return loop.run(refresh_all())


def refresh_now(session: AuthSession, *, actor_id: Pk) -> RefreshReport:
    """Refresh at a person's request; a slow one goes on in the background. Never raises a ``ProviderError``."""
    if not allow("session-refresh", actor_id, limit=REFRESHES_PER_MINUTE, window_s=60):
        why = f"You asked for {REFRESHES_PER_MINUTE} refreshes within a minute. Wait a minute, then try again."
        return _skipped(session, why, "throttled")
    work = _one(session.pk, "button", 0.0, session.generation)
    try:
        report = loop.run(work, conf.current().refresh_timeout_s + ANSWER_MARGIN_S)
    except TimeoutError:
        report = _skipped(session, "The refresh is still under way. Look again in a moment.", "under_way")
    trail.note(session, trail.REFRESH_ASKED, f"{report.done}: {report.why}", actor_id=actor_id)
    return report


def _skipped(session: AuthSession, why: str, code: str) -> RefreshReport:
    return RefreshReport(session_id=str(session.pk), done="skipped", why=why, generation=session.generation, code=code)


async def _one(session_id: UUID, trigger: Trigger, within_s: float, seen: int | None) -> RefreshReport:
    """Refresh one session; an error becomes a report, and a session that cannot be refreshed at all is set aside."""
    done: Done = "failed"
    try:
        return await refresh_session(str(session_id), trigger=trigger, seen_generation=seen, within_s=within_s)
    except StoreUnavailable as error:
        # It says nothing of the session, which stays due.
        return RefreshReport(session_id=str(session_id), done="failed", why=error.message, code=error.code)
    except NotRefreshable as error:
        # Without tokens nothing but a new sign-in helps.
        done, code, why, again = "needs_person", error.code, error.message, None
    except ProviderError as error:
        code, why, again = error.code, error.message, BROKEN_AGAIN_S
    except Exception:
        logger.exception("the refresh of session %s broke", session_id)
        code, why, again = "provider_broken", "The refresh broke; the log says how.", BROKEN_AGAIN_S
    now = timezone.now()
    # Postponed if it is due, so that a session that can never be refreshed does not fill every run.
    rows = AuthSession.objects.filter(pk=session_id, next_refresh_at__lte=now)
    with suppress(StoreUnavailable):
        await in_store(rows.update, next_refresh_at=None if again is None else now + timedelta(seconds=again))
    return RefreshReport(session_id=str(session_id), done=done, why=why, code=code)


def needing_sign_in(*, provider: str = "", owner_id: Pk | None = None) -> "QuerySet[AuthSession]":
    """Return the logins that need a new sign-in."""
    rows = _narrowed(provider, owner_id, (AuthSession.Status.NEEDS_REAUTH,))
    return rows.filter(auth_type=AuthSession.AuthType.OAUTH)


def _narrowed(provider: str, owner_id: Pk | None, statuses: tuple[str, ...] = KEPT_ALIVE) -> "QuerySet[AuthSession]":
    rows = selectors.visible().filter(status__in=statuses).defer("sealed_credential")
    rows = rows.filter(provider=provider) if provider else rows
    return (rows if owner_id is None else rows.filter(owner_id=owner_id)).order_by("provider", "name", "pk")
