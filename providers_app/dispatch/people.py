"""The limit a minute of a person, held once for each request, whatever routes and retries it takes.

Each process counts for itself. Where processes share limits, a request asks Redis as well, as it does for its session.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from providers_app import conf, errors
from providers_app.dispatch.shared import Limits, Shared
from providers_app.ports import Owner
from providers_app.resilience.allowance import Allowance
from providers_app.resilience.queue import LONGEST_PLACE_S
from providers_app.types.session_limits import PersonLimits

KEPT = 10_000
"""People whose allowance is kept in each process."""
NO_LIMIT: Final = Limits(None, None)


def limits_of(own: PersonLimits) -> Limits:
    """Return the limits of a person: their own where they have one, else those of the settings."""
    settings = conf.current()
    return Limits(
        _limit(own.requests_per_minute, settings.requests_per_minute_per_person),
        _limit(own.tokens_per_minute, settings.tokens_per_minute_per_person),
    )


def _limit(own: float | None, common: float | None) -> float | None:
    return common if own is None else own or None


class Reserved:
    """A request of a person: taken from the allowance once, and settled or given back at its end."""

    def __init__(self, person: str, limits: Limits, tokens: float, allowance: Allowance, shared: Shared | None) -> None:
        self._person, self._limits, self._tokens = person, limits, tokens
        self._allowance, self._shared = allowance, shared
        self._taken = self._taken_of_all = False

    async def admit(self, patience_s: float) -> None:
        """Take the request, and wait until it may be sent. Raises ``PersonLimitReached`` where that is too long."""
        clock, patience = asyncio.get_running_loop(), min(patience_s, conf.current().queue_timeout_seconds)
        wait = self._allowance.wait(self._tokens, clock.time())
        if wait <= patience:
            self._allowance.take(self._tokens, clock.time())
            self._taken = True
            wait = max(wait, await self._wait_of_all(patience))
        if wait > patience:
            self.end(None, sent=False)
            raise errors.PersonLimitReached(
                f"Your limit of requests or tokens per minute is reached; try again in about {wait:.0f} s.",
                retry_after=min(max(wait, 1.0), LONGEST_PLACE_S),
            )
        if wait:
            await asyncio.sleep(wait)

    async def _wait_of_all(self, patience: float) -> float:
        """Take the request from what all processes together may send; return the seconds to wait.

        More than ``patience`` seconds: nothing was taken.
        """
        if self._shared is None:
            return 0.0
        wait = await self._shared.reserve(self._account, self._limits, self._tokens, patience)
        self._taken_of_all = wait <= patience and not self._shared.away
        return wait

    def end(self, used: int | None, *, sent: bool) -> None:
        """Settle the tokens that were used (``None``: not known), or give back what was not sent."""
        if not self._taken:
            return
        self._taken = False
        now, unused = asyncio.get_running_loop().time(), 0.0
        if not sent:
            self._allowance.give_back(self._tokens, now)
            unused = self._tokens
        elif used is not None:
            self._allowance.settle(self._tokens, used, now)
            unused = self._tokens - used
        if self._taken_of_all and self._shared is not None and (unused or not sent):
            self._shared.give(self._account, self._limits, requests=0 if sent else 1, tokens=unused)

    @property
    def _account(self) -> str:
        return f"person:{self._person}"  # no session has it: theirs are of the form provider/session


class People:
    """The allowances of people in this process, kept for those who asked last."""

    def __init__(self, shared: Shared | None) -> None:
        self._shared = shared
        self._kept: OrderedDict[tuple[str, Limits], Allowance] = OrderedDict()

    def reserved(self, owner: Owner | None, own: PersonLimits, tokens: Callable[[], int]) -> Reserved | None:
        """Return what a request of this person takes; ``None`` without a limit, and for the installation itself."""
        limits = limits_of(own)
        if limits == NO_LIMIT or not isinstance(owner, int | str):
            return None
        return Reserved(str(owner), limits, tokens(), self.allowance(str(owner), limits), self._shared)

    def allowance(self, person: str, limits: Limits) -> Allowance:
        """Return the person's allowance under these limits, a full one where there is none yet."""
        key = (person, limits)
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = Allowance(*limits, asyncio.get_running_loop().time())
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return found
