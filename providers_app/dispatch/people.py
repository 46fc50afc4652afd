"""The limit a minute of a person, held once for each request, whatever routes and retries it takes."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable

from providers_app import conf, errors, loop
from providers_app.ports import Owner
from providers_app.resilience.allowance import Allowance
from providers_app.resilience.queue import LONGEST_PLACE_S

KEPT = 10_000
"""People whose allowance is kept in each process."""


class Reserved:
    """A request of a person: taken from the allowance once, and settled or given back at its end."""

    def __init__(self, person: str, tokens: float) -> None:
        self._allowance, self._tokens = _allowance_of(person), tokens
        self._taken = False

    async def admit(self, patience_s: float) -> None:
        """Take the request, and wait until it may be sent. Raises ``PersonLimitReached`` where that is too long."""
        clock, allowance = asyncio.get_running_loop(), self._allowance
        patience = min(patience_s, conf.current().queue_timeout_seconds)
        wait = allowance.wait(self._tokens, clock.time())
        if wait > patience:
            raise errors.PersonLimitReached(
                f"Your limit of requests or tokens per minute is reached; try again in about {wait:.0f} s.",
                retry_after=min(max(wait, 1.0), LONGEST_PLACE_S),
            )
        allowance.take(self._tokens, clock.time())
        self._taken = True
        if wait:
            await asyncio.sleep(wait)

    def end(self, used: int | None, *, sent: bool) -> None:
        """Settle the tokens that were used (``None``: not known), or give back what was not sent."""
        if not self._taken:
            return
        self._taken = False
        now = asyncio.get_running_loop().time()
        if not sent:
            self._allowance.give_back(self._tokens, now)
        elif used is not None:
            self._allowance.settle(self._tokens, used, now)


def reserved_for(owner: Owner | None, tokens: Callable[[], int]) -> Reserved | None:
    """Return what a request of this person takes; ``None`` for the installation itself."""
    return Reserved(str(owner), tokens()) if isinstance(owner, int | str) else None


def _allowance_of(person: str) -> Allowance:
    settings = conf.current()
    bounds = settings.requests_per_minute_per_person, settings.tokens_per_minute_per_person
    kept: OrderedDict[tuple[str, float | None, float | None], Allowance] = loop.local("allowances", OrderedDict)
    key = (person, *bounds)
    found = kept.get(key)
    if found is None:
        found = kept[key] = Allowance(*bounds, asyncio.get_running_loop().time())
        while len(kept) > KEPT:
            kept.popitem(last=False)
    kept.move_to_end(key)
    return found
