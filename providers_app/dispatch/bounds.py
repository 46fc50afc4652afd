"""The bounds of a session's lane, and the error of a request that a lane refuses."""

from providers_app import conf, errors
from providers_app.resilience.concurrency import ConcurrencyPolicy
from providers_app.resilience.lane import LanePolicy, Refused
from providers_app.types.session_limits import SessionLimits


def policy_of(limits: SessionLimits) -> LanePolicy:
    """Return the bounds of a session: its own limits, else those of the settings."""
    settings = conf.current()
    return LanePolicy(
        requests_per_minute=limits.requests_per_minute or settings.requests_per_minute,
        tokens_per_minute=limits.tokens_per_minute or settings.tokens_per_minute,
        max_queue_size=settings.max_queue_size,
        queue_timeout_s=settings.queue_timeout_seconds,
        concurrency=ConcurrencyPolicy(most=limits.max_concurrent_requests or settings.max_concurrent_requests),
    )


def refusal_of(found: Refused) -> errors.NotAdmitted:
    """Return the error of a refusal, with the place at which to come back."""
    place = found.place
    kind, what = {
        "full": (errors.QueueFull, "Too many requests wait for this session"),
        "limit": (errors.LimitReached, "The limit of this session is reached"),
    }.get(found.why, (errors.QueueTimeout, "No slot of this session came free in time"))
    beyond = " It may take longer than that." if place.capped else ""
    return kind(
        f"{what}; place {place.position} comes up in about {place.retry_after_s:.0f} s.{beyond}",
        retry_after=place.retry_after_s,
    )
