"""Decides what a process does that holds the lease of a refresh lane, and what an error means for the token. Pure.

found                                    rotation           decision
switched off, or a person is needed      any                skip, person
refreshed since the caller looked        any                done
nothing to refresh with                  any                skip while the token works, else person
not due and not forced                   any                skip
earlier than the provider allows (1)     any                skip until then
failed, not yet to be tried again        any                skip until then, unless a person asks
no open intent                           any                send
open intent, lease over                  none, minted       send again
same                                     single use         keep while the access token works (1), then send again

(1) by the earliest time that it may be: see ``clock``

what came back                                                       single use    kept or minted anew
tokens                                                               tokens        tokens
tokens of another account                                            refused       refused
a terminal code or status                                            refused       refused
proof that nothing was spent: not sent, 429, another 4xx             not spent     not spent
no proof: silence, 408, 409, 5xx, a redirect, 2xx without tokens     unknown       not spent

``behaviours.oauth.endpoint`` reads from the answer whether it is such a proof. A token that is refused after an
unknown outcome was spent then: its answer was lost. An unknown one is presented again once the access token has ended,
when nothing can be lost any more, with back-off until an answer settles it.
"""

import random
from typing import Literal

import msgspec

from providers_app import errors
from providers_app.refresh.clock import STEP_S
from providers_app.types.refresh import RefreshClaim, RefreshFailure, Trigger
from providers_app.types.tokens import Rotation, Tokens

FORCED: frozenset[Trigger] = frozenset({"command", "button", "unauthorized"})
FRESH_S = 10.0
"""Seconds after a refresh in which another one that a person asks for is the same: two clicks are one refresh."""
USE_WITHIN_S = 10.0
"""Seconds before its end from which a token is refreshed before it is used."""
BACKOFF_S = 30.0
LONGEST_BACKOFF_S = 1800.0
LONGEST_WAIT_S = 86400.0
"""Seconds that a token endpoint may ask for at most (``Retry-After``)."""
ANSWER_LOST = "answer_lost"
REFUSED = "refused"
NOT_REFRESHABLE = "not_refreshable"

Action = Literal["send", "skip", "done", "keep", "person"]


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """An action and its reason. ``until`` is when to check again (seconds since the epoch), if not as stored."""

    action: Action
    why: str
    until: float | None = None
    code: str = ""


def decide(
    claim: RefreshClaim,
    rotation: Rotation,
    *,
    trigger: Trigger,
    seen_generation: int | None,
    now: float,
    within_s: float = 0.0,
    earliest: float | None = None,
) -> Decision:
    """Return the action and its reason. ``now`` is seconds since the epoch; ``within_s`` lets a refresh come early.

    ``earliest`` is the earliest time that it may be, where clocks disagree.
    """
    tokens, earliest = claim.tokens, now if earliest is None else earliest
    refused = trigger == "unauthorized"
    if claim.status == "disabled":
        return Decision(action="skip", why="the session is disabled", code=errors.SessionDisabled.code)
    if seen_generation is not None and claim.generation > seen_generation:
        return Decision(action="done", why="refreshed meanwhile")
    if claim.status == "needs_reauth":
        return Decision(action="person", why="the session needs a new sign-in", code="needs_reauth")
    if tokens.read_only or (rotation != "minted" and not tokens.refresh):
        why = tokens.read_only or "the provider gave nothing to refresh with"
        if refused or tokens.expired(earliest):
            return Decision(action="person", why=f"The login has ended: {why}.", code=NOT_REFRESHABLE)
        return Decision(action="skip", why=why, code=NOT_REFRESHABLE)
    if trigger in ("command", "button") and claim.refreshed_at is not None and abs(now - claim.refreshed_at) < FRESH_S:
        return Decision(action="done", why="refreshed a moment ago")
    ends = trigger == "use" and tokens.expired(now, USE_WITHIN_S)
    if trigger not in FORCED and not ends and (claim.due_at is None or claim.due_at > now + within_s):
        return Decision(action="skip", why="not due")
    # Refreshing too early ends some logins; that the access token is refused does not make it allowed.
    if tokens.earliest_refresh_at is not None and earliest < tokens.earliest_refresh_at:
        why = "the provider does not allow it yet"
        return Decision(action="skip", why=why, until=tokens.earliest_refresh_at, code="refresh_too_early")
    if claim.due_at is not None and _backs_off(claim, trigger, claim.due_at, now):
        why = "the last refresh failed, and it is too early to try again"
        return Decision(action="skip", why=why, until=claim.due_at, code="refresh_failed")
    if not claim.intent_open or rotation != "single_use":
        return Decision(action="send", why="due" if trigger not in FORCED else trigger)
    if not refused and not tokens.expired(earliest):
        why = "an earlier refresh has no known outcome; the access token still works"
        return Decision(action="keep", why=why, until=tokens.expires_at)
    return Decision(action="send", why="an earlier refresh has no known outcome: presented again")


def backoff(attempts: int, retry_after: float | None = None) -> float:
    """Return the seconds until the next try after so many failures, at least those that the endpoint asked for, which
    count up to a day."""
    seconds: float = min(BACKOFF_S * 2 ** min(attempts, 10), LONGEST_BACKOFF_S) * random.uniform(0.8, 1.2)  # noqa: S311
    return max(seconds, min(retry_after or 0.0, LONGEST_WAIT_S))


def _backs_off(claim: RefreshClaim, trigger: Trigger, due_at: float, now: float) -> bool:
    """Return True between a failure and the next try, so that many uses do not flood an endpoint that backs off.

    A token kept for a lost answer is due when the access token ends; a provider that refuses that one has ended it.
    A failure in the future was before the wall clock was set back, and the time of the next try is not of that clock.
    """
    set_back = claim.failed_at is not None and claim.failed_at > now + STEP_S
    if trigger not in ("use", "unauthorized") or not claim.attempts or due_at <= now or set_back:
        return False
    ends = claim.tokens.expires_at
    kept = claim.intent_open and ends is not None and now < ends <= due_at + 1
    return not (kept and trigger == "unauthorized")


def of_another_account(tokens: Tokens, claim: RefreshClaim) -> RefreshFailure | None:
    """Return the failure of tokens that are not of the session's account (OpenID Connect Core, section 12.2).

    Tokens that name no account are no proof of another one.
    """
    if not (tokens.account_id and claim.tokens.account_id) or tokens.account_id == claim.tokens.account_id:
        return None
    message = "The refresh was answered with tokens of another account, which were not taken. Sign in again."
    return RefreshFailure(spent="refused", code=errors.TokenRefused.code, message=message, reason=REFUSED)


def failure_of(
    error: errors.ProviderError, claim: RefreshClaim, rotation: Rotation, trigger: Trigger, *, now: float
) -> RefreshFailure:
    """Return what an error means for the token that ``claim`` presented; ``now`` is seconds since the epoch."""
    single_use = rotation == "single_use"
    if isinstance(error, errors.TokenRefused):
        lost = f"A refresh was sent to {claim.provider} and its answer was lost, and the token is not accepted a second"
        lost = f"{lost} time. Sign in again." if single_use else ""
        message, reason = (lost, ANSWER_LOST) if lost and claim.intent_open else (error.message, REFUSED)
        return RefreshFailure(spent="refused", code=error.code, message=message, reason=reason, overtaken=lost)
    at = now + backoff(claim.attempts, error.retry_after if isinstance(error, errors.UpstreamError) else None)
    if not single_use or not isinstance(error, errors.TokenOutcomeUnknown | errors.ProviderBroken):
        return RefreshFailure(spent="no", code=error.code, message=error.message, next_try_at=at)
    at = max(at, now + claim.lease_s)
    if trigger != "unauthorized" and claim.tokens.expires_at is not None:
        at = max(at, claim.tokens.expires_at)
    return RefreshFailure(spent="unknown", code=error.code, message=error.message, next_try_at=at)
