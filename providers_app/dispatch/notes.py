"""Log and count what happens to circuits and attempts."""

import asyncio
import logging

from providers_app import errors, measures
from providers_app.resilience.breaker import Breaker, BreakerState
from providers_app.resilience.concurrency import Change

logger = logging.getLogger("maestro.dispatcher")


def circuit_changed(family: tuple[str, str, str], breaker: Breaker, before: BreakerState) -> None:
    """Log and count a change of a circuit; a probe that only begins is no news."""
    measures.here.count(measures.CIRCUITS, family[0], breaker.state)
    view = breaker.view(asyncio.get_running_loop().time())
    level = logging.DEBUG if breaker.state is BreakerState.HALF_OPEN else logging.INFO
    why = f", next probe in {view.next_probe_s:.0f} s: {view.why}" if breaker.state is BreakerState.OPEN else ""
    logger.log(level, "circuit %s: %s, was %s%s", "/".join(family), breaker.state.words, before.words, why)


def count_retry(provider: str, error: errors.ProviderError, *, again: bool) -> None:
    """Count an attempt that failed, by what follows; ``again``: the same route is asked again."""
    kind = ("after" if getattr(error, "retry_after", None) is not None else "backoff") if again else "never"
    measures.here.count(measures.RETRIES, provider, kind)


def slots_changed(provider: str, session: str, change: Change) -> None:
    """Log and count a change of the number of slots of a lane with its reason."""
    measures.here.count(measures.SLOTS, provider, "up" if change.after > change.before else "down")
    name = f"{provider}/{session}"
    logger.debug("lane %s: %d -> %d slots, %s", name, change.before, change.after, change.why)
