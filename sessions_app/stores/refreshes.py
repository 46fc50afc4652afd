"""``DjangoRefreshStore``: claim, intent, swap and outcome of a refresh, one short transaction each.

In every transaction the lane's row is written before the session's, so that no two of them deadlock.
"""

import logging
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from providers_app.errors import AuthenticationFailed, NotRefreshable, Retry, class_of
from providers_app.ports import Owner, Session
from providers_app.refresh import clock
from providers_app.refresh.rules import ANSWER_LOST
from providers_app.types.refresh import RefreshBusy, RefreshClaim, RefreshFailure, RefreshState
from providers_app.types.tokens import Tokens
from sessions_app import credentials, selectors
from sessions_app.credentials import NEVER_REFRESHED, NO_INTENT, as_time, oauth_columns
from sessions_app.models import AuthSession, RefreshLane, status_columns
from sessions_app.services import notices, trail
from sessions_app.stores import lanes
from sessions_app.stores.pool import on_pool
from sessions_app.stores.sessions import as_session

logger = logging.getLogger("maestro.refresh")

FAILING_AFTER = 5  # after so many failures in a row that are no outage a person is told
LANE_CHANGES = 5  # tries of a claim whose session is moved to another lane meanwhile


class DjangoRefreshStore:
    """Refreshes in Django's database. Every method may be awaited on any loop."""

    @on_pool
    def tokens_of(self, owner: Owner, session_id: str) -> Tokens:
        """Return the tokens of an OAuth session. Raises ``UnknownSession``, ``NotRefreshable`` (no OAuth session)."""
        return _opened(selectors.one(selectors.of_owner(owner).filter(pk=selectors.id_of(session_id))))

    @on_pool
    def peek(self, session_id: str) -> RefreshState:
        """Return the state of the session's refresh: one query, no secret opened. Raises ``UnknownSession``."""
        row, lease_left = _with_lane(session_id)
        return RefreshState(
            generation=row.generation,
            status=row.status,
            lease_left=lease_left,
            failed_at=epoch(row.refresh_failed_at),
            error_code=row.refresh_error_code,
            error=row.refresh_error,
            status_reason=row.status_reason,
            expires_at=epoch(row.expires_at),
            next_try_at=epoch(row.next_refresh_at),
            intent_open=_intent_open(row),
            resting=not (row.lane and row.lane.lease_token),
        )

    @on_pool
    def claim(self, session_id: str, *, lease_s: float, holder: str) -> RefreshClaim | RefreshBusy:
        """Claim the session's lane for ``lease_s`` seconds, then read the session. Raises as ``tokens_of``."""
        tries = LANE_CHANGES
        while True:
            row, lease_left = _with_lane(session_id)
            if lease_left > 0 or not tries:
                # Looked at before it is written: under SQLite even an update that changes nothing waits for its turn.
                resting = lease_left > 0 and not row.lane.lease_token
                return RefreshBusy(lease_left=lease_left, generation=row.generation, resting=resting)
            tries -= 1
            # Its tokens are opened for the key of the lane alone; the claim reads them anew.
            lane: RefreshLane = row.lane or _move(row, _opened(selectors.one(_rows(session_id))))
            lease, claimed = uuid4().hex, clock.elapsed()
            if not lanes.take(lane.key, lease, holder, lease_s):
                continue
            found: RefreshClaim | None = None
            try:
                row = selectors.one(_rows(session_id))
                tokens = _opened(row)
                if lanes.lane_key(row.provider, tokens, row.pk) == lane.key:
                    found = claim_of(row, tokens, lease=lease, lane=lane.key, claimed=claimed, lease_s=lease_s)
                    return found
                _move(row, tokens)
            finally:
                if found is None:
                    lanes.give_back(lane.key, lease)

    @on_pool
    def write_intent(self, claim: RefreshClaim) -> RefreshClaim | None:
        """Record that this generation's token is about to be sent; ``None``, lane freed: nothing may be sent."""
        claimed, presentations = clock.elapsed(), claim.presentations + 1
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

        ``None``: the session has another login, or is gone. Safe to repeat: a second call finds what the first stored.
        """
        now = timezone.now()
        changes = {**oauth_columns(tokens, next_refresh_at), **NEVER_REFRESHED, "refreshed_at": now}
        # A session in the waste basket may come back, and then needs the new token.
        rows = AuthSession.objects.filter(pk=claim.session_id).defer("sealed_credential")
        with transaction.atomic():
            lanes.give_back(claim.lane, claim.lease)
            if lanes.lane_key(claim.provider, tokens, claim.session_id) != claim.lane:
                changes["lane"] = lanes.lane_of(claim.provider, tokens, claim.session_id)
            if not credentials.swap(claim.session_id, claim.generation, tokens, changes, trashed=True):
                # An earlier try may have stored these very tokens: its commit may have succeeded unseen.
                stored = rows.defer(None).filter(generation=claim.generation + 1).first()
                return as_session(stored) if stored and credentials.open_tokens(stored) == tokens else None
            dead = rows.filter(status=AuthSession.Status.NEEDS_REAUTH)
            cured = dead.update(**status_columns(AuthSession.Status.ACTIVE, at=now), **credentials.NO_ERROR)
            rows.filter(last_error_code=AuthenticationFailed.code).update(**credentials.NO_ERROR)
            row = rows.get()
            notices.resolve(row, notices.SIGN_IN)
            trail.note(row, trail.REFRESHED, f"generation {row.generation}")
            if cured:
                trail.note(row, trail.RECOVERED, f"was {AuthSession.Status.NEEDS_REAUTH}")
        return as_session(row)

    @on_pool
    def keep_key(self, session_id: str, generation: int, tokens: Tokens) -> bool:
        """Store tokens whose ``api_key`` came later; ``False`` when the session moved on or its next refresh runs."""
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
            if lanes.give_back(claim.lane, claim.lease):
                rows.update(**_taken_back(claim), next_refresh_at=as_time(next_refresh_at))

    @on_pool
    def fail(self, claim: RefreshClaim, failure: RefreshFailure) -> None:
        """Record why a refresh failed (error, next try, status, trail, Notice), and give the lane back, or let it rest.

        A session that has another login, is gone, or whose lane another process holds by now is left alone. Only a
        refusal is recorded without the lane: a refused token stays refused. One that the other process presented as
        well may have been spent by it.
        """
        rows = _rows(claim.session_id).filter(generation=claim.generation)
        now, refused = timezone.now(), failure.spent == "refused"
        leave = lanes.rest if failure.spent == "unknown" else lanes.give_back
        with transaction.atomic():
            ours = leave(claim.lane, claim.lease)
            if not (ours or refused):
                return
            overtaken = not ours and rows.filter(presentations__gt=claim.presentations).exists()
            if overtaken and failure.overtaken:
                failure = msgspec.structs.replace(failure, reason=ANSWER_LOST, message=failure.overtaken)
            changes: dict[str, Any] = {
                "refresh_error_code": (failure.reason or failure.code)[:60],
                "refresh_error": failure.message[:500],
                "refresh_failed_at": now,
                "refresh_attempts": F("refresh_attempts") + 1,
                "next_refresh_at": None if refused else as_time(failure.next_try_at),
            }
            if failure.spent == "no":
                changes |= _taken_back(claim)
            elif refused and claim.intent_written and not overtaken and not claim.intent_open:
                # The outcome is known: refused. Another one that was open stays open, so that nothing is sent again.
                changes |= NO_INTENT
            if not rows.update(**changes):
                return
            if refused:
                changes = status_columns(AuthSession.Status.NEEDS_REAUTH, failure.message, at=now)
                rows.exclude(status=AuthSession.Status.DISABLED).update(**changes)
            _tell(rows.defer("sealed_credential").get(), failure)


def _taken_back(claim: RefreshClaim) -> credentials.Columns:
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
    known = class_of(failure.code)
    outage = failure.spent == "unknown" or (known is not None and known.retry != Retry.NEVER)
    if session.refresh_attempts == FAILING_AFTER and not outage:
        title = f"{session.name} cannot be refreshed"
        notices.raise_notice(session, notices.REFRESH_FAILING, title, failure.message)


def _rows(session_id: UUID | str) -> "QuerySet[AuthSession]":
    return selectors.visible().filter(pk=selectors.id_of(session_id))


def _with_lane(session_id: str) -> tuple[Any, float]:
    """Return the session with its lane, without its secret, and the seconds that the lane's lease still has."""
    rows = _rows(session_id).defer("sealed_credential").select_related("lane")
    row: Any = selectors.one(rows.annotate(by_database=lanes.left_by_database()))
    return row, lanes.seconds_left(row.lane, row.by_database)


def _opened(row: AuthSession) -> Tokens:
    tokens = credentials.open_tokens(row) if row.auth_type == AuthSession.AuthType.OAUTH else None
    if tokens is None:
        raise NotRefreshable(f"The session '{row.name}' holds no login that could be refreshed.")
    return tokens


def _move(row: AuthSession, tokens: Tokens) -> RefreshLane:
    lane = lanes.lane_of(row.provider, tokens, row.pk)
    _rows(row.pk).filter(generation=row.generation).update(lane=lane)
    return lane


def claim_of(
    row: AuthSession, tokens: Tokens, *, lease: str = "", lane: str = "", claimed: float = 0.0, lease_s: float = 0.0
) -> RefreshClaim:
    """Return the claim of a session; without a lease it serves to foresee what would be done."""
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
        presentations=row.presentations if _intent_open(row) else 0,
        intent_open=_intent_open(row),
        attempts=row.refresh_attempts,
        due_at=epoch(row.next_refresh_at),
        refreshed_at=epoch(row.refreshed_at),
        failed_at=epoch(row.refresh_failed_at),
    )


def _intent_open(row: AuthSession) -> bool:
    return row.intent_generation is not None and row.intent_generation == row.generation


def epoch(at: datetime | None) -> float | None:
    """Return seconds since the epoch."""
    return at.timestamp() if at is not None else None
