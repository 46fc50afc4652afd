"""``DjangoRefreshStore``: claim, intent, swap and outcome of a refresh, one short transaction each.

In every transaction the lane's row is written before the session's, so that no two of them deadlock.
"""

import logging
import time
from datetime import datetime
from typing import Any, cast
from uuid import UUID, uuid4

import msgspec
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from providers_app.errors import NotRefreshable, UnknownSession
from providers_app.ports import SYSTEM, Owner, Session
from providers_app.types.refresh import RefreshBusy, RefreshClaim, RefreshFailure, RefreshState
from providers_app.types.tokens import Tokens
from sessions_app import credentials, selectors
from sessions_app.credentials import as_time, fresh_refresh_columns, oauth_columns
from sessions_app.models import AuthSession, Pk, RefreshLane
from sessions_app.services import refresh_failures, trail
from sessions_app.stores import lanes, on_pool
from sessions_app.stores.sessions import as_session

logger = logging.getLogger("maestro.refresh")

LANE_CHANGES = 5
"""Tries of a claim whose session is moved to another lane meanwhile."""


class DjangoRefreshStore:
    """Refreshes in Django's database. Every method may be awaited on any loop."""

    @on_pool
    def tokens_of(self, owner: Owner, session_id: str) -> Tokens:
        """Return the tokens of an OAuth session. Raises ``UnknownSession``, ``NotRefreshable`` (no OAuth session)."""
        rows = _rows(session_id)
        return _opened(_one(rows if owner is SYSTEM else rows.filter(owner_id=cast(Pk, owner))))

    @on_pool
    def peek(self, session_id: str) -> RefreshState:
        """Return the state of the session's refresh: one query, no secret opened. Raises ``UnknownSession``."""
        return _peek(session_id)

    @on_pool
    def claim(self, session_id: str, *, lease_s: float, holder: str) -> RefreshClaim | RefreshBusy:
        """Claim the session's lane for ``lease_s`` seconds by a conditional update, then read the session.

        Raises ``UnknownSession``, ``NotRefreshable`` (no OAuth session), ``NotConfigured``.
        """
        for _ in range(LANE_CHANGES):
            row: Any = _one(
                _rows(session_id).defer("sealed_credential").select_related("lane").annotate(lease_left=lanes.left())
            )
            lane: RefreshLane = row.lane or _first_lane(row)
            if row.lease_left is not None and _seconds(row.lease_left) > 0:
                # Looked at before it is written: under SQLite even an update that changes nothing waits for its turn.
                return RefreshBusy(lease_left=_seconds(row.lease_left), generation=row.generation)
            lease, claimed = uuid4().hex, time.monotonic()
            if not lanes.take(lane.key, lease, holder, lease_s):
                continue
            try:
                found = _read_claimed(session_id, lane, lease, claimed, lease_s)
            except BaseException:
                lanes.give_back(lane.key, lease)
                raise
            if found is not None:
                return found
            lanes.give_back(lane.key, lease)
        return RefreshBusy(lease_left=_peek(session_id).lease_left, generation=row.generation)

    @on_pool
    def write_intent(self, claim: RefreshClaim) -> RefreshClaim | None:
        """Record that the token of this generation is about to be sent, count the presentation, renew the lease.

        ``None``: the lease is another process's, or the session has moved on. Then nothing may be sent, and the lane
        is given back.
        """
        claimed, presentations = time.monotonic(), claim.presentations + 1
        usable = _rows(claim.session_id).filter(generation=claim.generation).exclude(status=AuthSession.Status.DISABLED)
        with transaction.atomic():
            if not lanes.renew(claim.lane, claim.lease, claim.lease_s):
                return None
            intent = {"intent_generation": claim.generation, "intent_at": timezone.now()}
            if not usable.update(**intent, presentations=presentations):
                lanes.give_back(claim.lane, claim.lease)
                return None
        return msgspec.structs.replace(claim, claimed=claimed, presentations=presentations, intent_written=True)

    @on_pool
    def keep(self, claim: RefreshClaim, tokens: Tokens, next_refresh_at: float | None) -> Session | None:
        """Store new tokens by compare-and-swap on the generation, close the intent, give the lane back.

        ``None``: the session has another login meanwhile, or is gone. Safe to repeat: a second call finds what the
        first one stored.
        """
        now = timezone.now()
        changes = oauth_columns(tokens, next_refresh_at) | fresh_refresh_columns() | {"refreshed_at": now}
        # A session in the waste basket may come back, and then needs the new token.
        rows = AuthSession.objects.filter(pk=claim.session_id).defer("sealed_credential")
        with transaction.atomic():
            lanes.give_back(claim.lane, claim.lease)
            if lanes.lane_key(claim.provider, tokens, claim.session_id) != claim.lane:
                changes["lane"] = lanes.lane_of(claim.provider, tokens, claim.session_id)
            if not credentials.swap(claim.session_id, claim.generation, tokens, changes, trashed=True):
                return _kept_before(claim, tokens)
            cured = rows.filter(status=AuthSession.Status.NEEDS_REAUTH).update(
                status=AuthSession.Status.ACTIVE,
                status_reason="",
                status_changed_at=now,
                last_error_code="",
                last_error="",
                last_error_at=None,
            )
            row = rows.get()
            refresh_failures.over(row)
            trail.note(row, trail.REFRESHED, f"generation {row.generation}")
            if cured:
                trail.note(row, trail.RECOVERED, f"was {AuthSession.Status.NEEDS_REAUTH}")
        return as_session(row)

    @on_pool
    def keep_key(self, session_id: str, generation: int, tokens: Tokens) -> bool:
        """Store tokens whose ``api_key`` was obtained after ``keep``; ``False`` when the session has moved on.

        Also ``False`` while the next refresh is under way, which would lose its swap.
        """
        rows = _rows(session_id).filter(generation=generation, intent_generation__isnull=True)
        with transaction.atomic():
            # Held until the swap: an intent that is written between the two would be of the older generation.
            if not rows.select_for_update().exists():
                return False
            return credentials.swap(session_id, generation, tokens, {"settings": dict(tokens.facts)})

    @on_pool
    def postpone(self, claim: RefreshClaim, next_refresh_at: float | None, why: str) -> None:
        """Give the lane back without having sent anything; the next try is at ``next_refresh_at`` (seconds, epoch)."""
        logger.debug("refresh of %s/%s postponed: %s", claim.provider, claim.name, why)
        rows = _rows(claim.session_id).filter(generation=claim.generation)
        with transaction.atomic():
            ours = lanes.give_back(claim.lane, claim.lease)
            if not ours:
                return
            changes = refresh_failures.taken_back(claim) | {"next_refresh_at": as_time(next_refresh_at)}
            rows.update(**changes)

    @on_pool
    def fail(self, claim: RefreshClaim, failure: RefreshFailure) -> None:
        """Record a failed refresh and give the lane back; see ``services.refresh_failures``."""
        refresh_failures.record(claim, failure)


def _rows(session_id: UUID | str) -> "QuerySet[AuthSession]":
    try:
        key = session_id if isinstance(session_id, UUID) else UUID(session_id)
    except ValueError:
        raise UnknownSession("There is no such session.") from None
    return selectors.visible().filter(pk=key)


def _one(rows: "QuerySet[AuthSession]") -> AuthSession:
    row = rows.first()
    if row is None:
        raise UnknownSession("There is no such session.")
    return row


def _opened(row: AuthSession) -> Tokens:
    tokens = credentials.open_tokens(row) if row.auth_type == AuthSession.AuthType.OAUTH else None
    if tokens is None:
        raise NotRefreshable(f"The session '{row.name}' holds no login that could be refreshed.")
    return tokens


def _peek(session_id: str) -> RefreshState:
    row: Any = _one(_rows(session_id).defer("sealed_credential").annotate(lease_left=lanes.left()))
    return RefreshState(
        generation=row.generation,
        status=row.status,
        lease_left=_seconds(row.lease_left),
        failed_at=epoch(row.refresh_failed_at),
        error_code=row.refresh_error_code,
        error=row.refresh_error,
        status_reason=row.status_reason,
        expires_at=epoch(row.expires_at),
        next_try_at=epoch(row.next_refresh_at),
        intent_open=_intent_open(row),
    )


def _first_lane(row: AuthSession) -> RefreshLane:
    """Give a session without a lane its first one; its tokens are opened for the key, and the claim reads them anew."""
    lane = lanes.lane_of(row.provider, _opened(_one(_rows(row.pk))), row.pk)
    _rows(row.pk).filter(generation=row.generation).update(lane=lane)
    return lane


def _read_claimed(
    session_id: str, lane: RefreshLane, lease: str, claimed: float, lease_s: float
) -> RefreshClaim | None:
    """Read the session now that the lane is ours; ``None`` when its login belongs to another lane by now."""
    row = _one(_rows(session_id))
    tokens = _opened(row)
    if lanes.lane_key(row.provider, tokens, row.pk) != lane.key:
        _rows(row.pk).filter(generation=row.generation).update(lane=lanes.lane_of(row.provider, tokens, row.pk))
        return None
    return claim_of(row, tokens, lease=lease, lane=lane.key, claimed=claimed, lease_s=lease_s)


def claim_of(
    row: AuthSession, tokens: Tokens, *, lease: str = "", lane: str = "", claimed: float = 0.0, lease_s: float = 0.0
) -> RefreshClaim:
    """Return the claim of a session; without a lease it serves to foresee what would be done."""
    open_ = _intent_open(row)
    return RefreshClaim(
        session_id=str(row.pk),
        provider=row.provider,
        name=row.name,
        status=row.status,
        generation=row.generation,
        tokens=tokens,
        lease=lease,
        lane=lane,
        claimed=claimed,
        lease_s=lease_s,
        presentations=row.presentations if open_ else 0,
        intent_open=open_,
        attempts=row.refresh_attempts,
        due_at=epoch(row.next_refresh_at),
        refreshed_at=epoch(row.refreshed_at),
    )


def _kept_before(claim: RefreshClaim, tokens: Tokens) -> Session | None:
    """Return the session if an earlier try stored these very tokens: its commit may have succeeded unseen."""
    row = AuthSession.objects.filter(pk=claim.session_id, generation=claim.generation + 1).first()
    if row is None or credentials.open_tokens(row) != tokens:
        return None
    return as_session(row)


def _intent_open(row: AuthSession) -> bool:
    return row.intent_generation is not None and row.intent_generation == row.generation


def epoch(at: datetime | None) -> float | None:
    """Return seconds since the epoch."""
    return at.timestamp() if at is not None else None


def _seconds(left: Any) -> float:
    return max(left.total_seconds(), 0.0) if left is not None else 0.0
