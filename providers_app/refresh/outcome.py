"""The outcome of a refresh request, decided here alone; store, commands, pages and Notices only render it.

what came back                                                       single use    kept or minted anew
tokens                                                               tokens        tokens
a terminal code or status                                            refused       refused
proof that nothing was spent: not sent, 429, another 4xx             not spent     not spent
no proof: silence, 408, 409, 5xx, a redirect, 2xx without tokens     unknown       not spent

``behaviours.oauth.endpoint`` reads from the answer whether it is such a proof. A token that is refused after an
unknown outcome was spent then: its answer was lost. An unknown one is presented again once the access token has ended,
when nothing can be lost any more, with back-off until an answer settles it.
"""

import time

from providers_app import errors
from providers_app.behaviours.oauth import OAuth
from providers_app.dispatch import clients
from providers_app.dispatch.faults import deadline, faults_of
from providers_app.refresh import rules
from providers_app.types.refresh import RefreshClaim, RefreshFailure, Trigger
from providers_app.types.tokens import Rotation, Tokens

Outcome = Tokens | RefreshFailure


async def request(
    behaviour: OAuth, claim: RefreshClaim, rotation: Rotation, trigger: Trigger, seconds: float
) -> Outcome:
    """Send the one request of a refresh and return its outcome; it may take a little more than ``seconds``."""
    late = errors.TokenOutcomeUnknown(f"The provider did not answer the refresh within {seconds:g} s.")
    try:
        # A little later than the request's own deadline, whose error says whether anything was sent.
        async with deadline(seconds + spare(seconds), late):
            with faults_of(claim.provider):
                return await behaviour.refresh(claim.tokens, clients.http())
    except errors.ProviderError as error:
        return failure_of(error, claim, rotation, trigger, now=time.time())


def failure_of(
    error: errors.ProviderError, claim: RefreshClaim, rotation: Rotation, trigger: Trigger, *, now: float
) -> RefreshFailure:
    """Return what an error means for the token that ``claim`` presented; ``now`` is seconds since the epoch.

    ``claim.intent_open`` says that an earlier presentation has no known outcome.
    """
    single_use = rotation == "single_use"
    if isinstance(error, errors.TokenRefused):
        if single_use and claim.intent_open:
            message, reason = _lost(claim.provider), rules.ANSWER_LOST
        else:
            message, reason = error.message, rules.REFUSED
        return RefreshFailure(spent="refused", code=error.code, message=message, reason=reason)
    at = now + rules.backoff(claim.attempts, error.retry_after if isinstance(error, errors.UpstreamError) else None)
    if not single_use or not isinstance(error, errors.TokenOutcomeUnknown | errors.ProviderBroken):
        return RefreshFailure(spent="no", code=error.code, message=error.message, next_try_at=at)
    at = max(at, now + claim.lease_s)
    if trigger != "unauthorized" and claim.tokens.expires_at is not None:
        at = max(at, claim.tokens.expires_at)
    return RefreshFailure(spent="unknown", code=error.code, message=error.message, next_try_at=at)


def spare(seconds: float) -> float:
    """Return the seconds by which a request's own deadline may be exceeded."""
    return min(seconds / 10, 1.0)


def _lost(provider: str) -> str:
    return (
        f"A refresh was sent to {provider} and its answer was lost, and the token is not accepted a second time. "
        "Sign in again."
    )
