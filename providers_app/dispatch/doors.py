"""The doors of the lanes: who has to wait, and what processes count together.

``providers_app.resilience.lane`` decides for this process, a door waits: it holds the futures of those who are in the
queue, and the timer that lets the next one in when a limit allows it. Where processes share limits, a request that its
own lane let in asks Redis as well.
"""

import asyncio

from providers_app import measures
from providers_app.dispatch.bounds import policy_of, refusal_of
from providers_app.dispatch.notes import slots_changed
from providers_app.dispatch.shared import Limits, Shared
from providers_app.resilience.concurrency import Change
from providers_app.resilience.lane import Asked, Lane, Refused, Ticket
from providers_app.resilience.queue import Waiter
from providers_app.types.session_limits import SessionLimits
from providers_app.wire.limits import SeenLimits


class Door:
    """A lane with those who wait before it."""

    def __init__(self, provider: str, session: str, limits: SessionLimits, shared: Shared | None = None) -> None:
        self.provider, self.session, self.limits = provider, session, limits
        self._shared = shared
        self.last_change: Change | None = None
        self.lane = Lane(policy_of(limits), asyncio.get_running_loop().time())
        self._waiting: dict[int, asyncio.Future[Ticket]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """``True`` while anybody is inside or waits."""
        return bool(self.lane.slots.used or self._waiting)

    def follow(self, limits: SessionLimits) -> None:
        """Hold to other limits of the session from now on; who waits may be let in by them."""
        self.limits = limits
        self.lane.follow(policy_of(limits), asyncio.get_running_loop().time())
        if self._waiting:
            self._look()

    async def enter(self, asked: Asked) -> Ticket:
        """Return a slot, after waiting for it where need be. Raises ``NotAdmitted``."""
        clock = asyncio.get_running_loop()
        found = self.lane.enter(asked, clock.time())
        if isinstance(found, Refused):
            raise refusal_of(found)
        if not isinstance(found, Ticket):
            found = await self._wait(found, asked, clock)
        if self._shared is not None and not self.lane.unlimited:
            await self._together(self._shared, found, clock)
        return found

    async def _together(self, shared: Shared, ticket: Ticket, clock: asyncio.AbstractEventLoop) -> None:
        """Wait until all processes together are within the limits. Raises ``LimitReached``."""
        asked = ticket.asked
        patience = min(asked.patience_s, self.lane.policy.queue_timeout_s)
        try:
            wait = await shared.reserve(self._account, self._limits, asked.tokens, patience)
            if wait > patience:
                raise refusal_of(self.lane.refusal(asked, "limit", clock.time(), wait))
            ticket.shared = not shared.away  # what was not taken there is not given back to it
            if wait:
                await asyncio.sleep(wait)
        except BaseException:
            self.leave(ticket, sent=False)
            raise

    async def _wait(self, waiter: Waiter, asked: Asked, clock: asyncio.AbstractEventLoop) -> Ticket:
        future = self._waiting[waiter.number] = clock.create_future()
        self._look()
        since = clock.time()
        try:
            async with asyncio.timeout_at(waiter.until) as patience:
                ticket: Ticket = await future
        except BaseException as error:
            if not self.lane.give_up(waiter) and future.done() and not future.cancelled():
                self.leave(future.result(), sent=False)  # admitted in the same moment
            if isinstance(error, TimeoutError) and patience.expired():
                raise refusal_of(self.lane.refusal(asked, "timeout", clock.time())) from None
            raise
        finally:
            self._waiting.pop(waiter.number, None)
            waited = clock.time() - since
            measures.here.observe(measures.WAIT, self.provider, waiter.band.name.lower(), seconds=waited)
        return ticket

    def leave(self, ticket: Ticket, *, used: float | None = None, sent: bool = True) -> None:
        """Give a slot back, and let in who may go on now."""
        if ticket.shared and self._shared is not None:
            ticket.shared = False
            if not sent:
                self._shared.give(self._account, self._limits, requests=1, tokens=ticket.asked.tokens)
            elif used is not None and self.lane.tokens.per_minute is not None:
                self._shared.give(self._account, self._limits, tokens=ticket.asked.tokens - used)
        self.lane.leave(ticket, asyncio.get_running_loop().time(), used=used, sent=sent)
        if self._waiting:
            self._look()

    def _look(self) -> None:
        """Let in who may go on, and come back when a limit lets the next one through."""
        clock = asyncio.get_running_loop()
        for waiter, ticket in self.lane.admit(clock.time()):
            future = self._waiting.pop(waiter.number, None)
            if future is None or future.done():
                self.lane.leave(ticket, clock.time(), sent=False)
            else:
                future.set_result(ticket)
        if self._timer is not None:
            self._timer.cancel()
        after = self.lane.next_look(clock.time())
        self._timer = clock.call_later(after, self._look) if after is not None else None

    def learn(self, seen: SeenLimits) -> None:
        """Follow the limits that an answer tells."""
        self.lane.learn(asyncio.get_running_loop().time(), seen.requests, seen.tokens)
        if self._shared is not None:
            self._shared.learn(self._account, self._limits, seen.requests[1], seen.tokens[1])

    def limited(self, ticket: Ticket, retry_after: float | None) -> None:
        """Note a 429, after which no process sends anything for as long as the provider says."""
        change = self.lane.limited(ticket, asyncio.get_running_loop().time(), retry_after)
        if change is not None:
            self.changed(change)
        if retry_after and self._shared is not None:
            self._shared.pause(self._account, self._limits, retry_after)

    @property
    def _account(self) -> str:
        return f"{self.provider}/{self.session}"

    @property
    def _limits(self) -> Limits:
        return Limits(self.lane.requests.per_minute, self.lane.tokens.per_minute)

    def changed(self, change: Change) -> None:
        """Log and count a change of the number of slots with its reason."""
        self.last_change = change
        slots_changed(self.provider, self.session, change)
