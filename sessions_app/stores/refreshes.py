"""The ``RefreshStore`` that the provider core is given: claim, intent, swap, outcome; one short transaction each.

In every transaction the lane's row is written before the session's, so that two of them never wait for each other.
"""

import logging
import time
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
from sessions_app import credentials, lanes, selectors
from sessions_app.models import AuthSession, Pk, RefreshLane
from sessions_app.services import refresh_failures, trail
from sessions_app.services.oauth_columns import as_time, fresh_refresh_columns, oauth_columns
from sessions_app.stores.pool import in_store
from sessions_app.stores.sessions import as_session

logger = logging.getLogger("maestro.refresh")

LANE_CHANGES = 5
"""How often a claim follows a session that is moved to another lane while it is claimed."""


class DjangoRefreshStore:
    """Refreshes in Django's database. Every method may be awaited on any loop."""

    async def tokens_of(self, owner: Owner, session_id: str) -> Tokens:
        """As the port says. Raises ``UnknownSession``, ``NotRefreshable`` (no OAuth session)."""
        return await in_store(_tokens_of, owner, session_id)

    async def peek(self, session_id: str) -> RefreshState:
        """As the port says; one query, no secret opened."""
        return await in_store(_peek, session_id)

    async def claim(self, session_id: str, *, lease_s: float, holder: str) -> RefreshClaim | RefreshBusy:
        """As the port says."""
        return await in_store(_claim, session_id, lease_s, holder)

    async def write_intent(self, claim: RefreshClaim) -> RefreshClaim | None:
        """As the port says; where nothing may be sent, the lane is given back."""
        return await in_store(_write_intent, claim)

    async def keep(self, claim: RefreshClaim, tokens: Tokens, next_refresh_at: float | None) -> Session | None:
        """As the port says. Safe to repeat: what the first try stored is found again."""
        return await in_store(_keep, claim, tokens, next_refresh_at)

    async def keep_key(self, session_id: str, generation: int, tokens: Tokens) -> bool:
        """As the port says; also ``False`` while the next refresh is under way, which would lose its swap."""
        return await in_store(_keep_key, session_id, generation, tokens)

    async def postpone(self, claim: RefreshClaim, next_refresh_at: float | None, why: str) -> None:
        """As the port says."""
        await in_store(_postpone, claim, next_refresh_at, why)

    async def fail(self, claim: RefreshClaim, failure: RefreshFailure) -> None:
        """As the port says; see ``services.refresh_failures``."""
        await in_store(refresh_failures.record, claim, failure)


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


def _tokens_of(owner: Owner, session_id: str) -> Tokens:
    rows = _rows(session_id)
    return _opened(_one(rows if owner is SYSTEM else rows.filter(owner_id=cast(Pk, owner))))


def _peek(session_id: str) -> RefreshState:
    row: Any = _one(_rows(session_id).defer("sealed_credential").annotate(lease_left=lanes.left()))
    return RefreshState(
        generation=row.generation,
        status=row.status,
        lease_left=_seconds(row.lease_left),
        failed_at=_epoch(row.refresh_failed_at),
        error_code=row.refresh_error_code,
        error=row.refresh_error,
        status_reason=row.status_reason,
        expires_at=_epoch(row.expires_at),
        next_try_at=_epoch(row.next_refresh_at),
        intent_open=_intent_open(row),
    )


def _claim(session_id: str, lease_s: float, holder: str) -> RefreshClaim | RefreshBusy:
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


def _first_lane(row: AuthSession) -> RefreshLane:
    """The lane of a session that has none yet. Its tokens are opened for the key alone; the claim reads them anew."""
    lane = lanes.lane_of(row.provider, _opened(_one(_rows(row.pk))), row.pk)
    _rows(row.pk).filter(generation=row.generation).update(lane=lane)
    return lane


def _read_claimed(
    session_id: str, lane: RefreshLane, lease: str, claimed: float, lease_s: float
) -> RefreshClaim | None:
    """The session as it is now that the lane is ours; ``None`` when its login belongs to another lane by now."""
    row = _one(_rows(session_id))
    tokens = _opened(row)
    if lanes.lane_key(row.provider, tokens, row.pk) != lane.key:
        _rows(row.pk).filter(generation=row.generation).update(lane=lanes.lane_of(row.provider, tokens, row.pk))
        return None
    open_ = _intent_open(row)
    return RefreshClaim(
        session_id=str(row.pk),
        provider=row.provider,
        name=row.name,
        status=row.status,
        generation=row.generation,
        tokens=tokens,
        lease=lease,
        lane=lane.key,
        claimed=claimed,
        lease_s=lease_s,
        presentations=row.presentations if open_ else 0,
        intent_open=open_,
        attempts=row.refresh_attempts,
        due_at=_epoch(row.next_refresh_at),
        refreshed_at=_epoch(row.refreshed_at),
    )


def _write_intent(claim: RefreshClaim) -> RefreshClaim | None:
    claimed = time.monotonic()
    usable = _rows(claim.session_id).filter(generation=claim.generation).exclude(status=AuthSession.Status.DISABLED)
    with transaction.atomic():
        if not lanes.renew(claim.lane, claim.lease, claim.lease_s):
            return None
        if not usable.update(
            intent_generation=claim.generation, intent_at=timezone.now(), presentations=claim.presentations + 1
        ):
            lanes.give_back(claim.lane, claim.lease)
            return None
    return msgspec.structs.replace(claim, claimed=claimed, presentations=claim.presentations + 1, intent_written=True)


def _keep(claim: RefreshClaim, tokens: Tokens, next_refresh_at: float | None) -> Session | None:
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


def _kept_before(claim: RefreshClaim, tokens: Tokens) -> Session | None:
    """The session if an earlier try stored these very tokens: its commit may have succeeded unseen."""
    row = AuthSession.objects.filter(pk=claim.session_id, generation=claim.generation + 1).first()
    if row is None or credentials.open_tokens(row) != tokens:
        return None
    return as_session(row)


def _keep_key(session_id: str, generation: int, tokens: Tokens) -> bool:
    rows = _rows(session_id).filter(generation=generation, intent_generation__isnull=True)
    with transaction.atomic():
        # Held until the swap: an intent that is written between the two would be of the older generation.
        if not rows.select_for_update().exists():
            return False
        return credentials.swap(session_id, generation, tokens, {"settings": dict(tokens.facts)})


def _postpone(claim: RefreshClaim, next_refresh_at: float | None, why: str) -> None:
    logger.debug("refresh of %s/%s postponed: %s", claim.provider, claim.name, why)
    rows = _rows(claim.session_id).filter(generation=claim.generation)
    with transaction.atomic():
        ours = lanes.give_back(claim.lane, claim.lease)
        if not ours:
            return
        changes = refresh_failures.taken_back(claim) | {"next_refresh_at": as_time(next_refresh_at)}
        rows.update(**changes)


def _intent_open(row: AuthSession) -> bool:
    return row.intent_generation is not None and row.intent_generation == row.generation


def _epoch(at: Any) -> float | None:
    return at.timestamp() if at is not None else None


def _seconds(left: Any) -> float:
    return max(left.total_seconds(), 0.0) if left is not None else 0.0
