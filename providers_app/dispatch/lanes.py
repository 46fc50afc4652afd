"""The lanes, circuits and retry budgets of this process, and the way of one request through them.

``providers_app.resilience`` decides, this module waits: it holds the futures of those who are in a queue, and the timer
that lets the next one in when a limit allows it. Everything lives on the provider loop.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from providers_app import conf, errors, loop, measures
from providers_app.dispatch.bounds import policy_of, refusal_of
from providers_app.dispatch.notes import circuit_changed, count_retry, slots_changed
from providers_app.dispatch.people import reserved_for
from providers_app.ports import Owner, Session
from providers_app.resilience.breaker import Breaker, BreakerPolicy
from providers_app.resilience.concurrency import Change
from providers_app.resilience.course import Choice, Course, Enter, Fail, Open
from providers_app.resilience.lane import Asked, Lane, Refused, Ticket
from providers_app.resilience.ordering import Pace
from providers_app.resilience.queue import Band, Waiter
from providers_app.resilience.retry import RetryBudget, RetryPolicy
from providers_app.types.events import Usage
from providers_app.types.session_limits import SessionLimits
from providers_app.wire.limits import TOLD, seen_limits

T = TypeVar("T")
KEPT = 4096
"""Lanes and circuits that are kept of each; beyond that those are forgotten in which nothing happens."""
_DATED = re.compile(r"[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest|\d{3})$")


class Route(NamedTuple):
    """The way of one request to an account: the door of its lane, its circuit, its provider's budget, its counts."""

    door: "Door"
    breaker: Breaker
    budget: RetryBudget
    row: measures.Row
    pace: Pace


class Lanes:
    """Lanes, circuits and budgets, for the settings in force when each was made."""

    def __init__(self) -> None:
        self.doors: dict[tuple[str, str], Door] = {}
        self.breakers: dict[tuple[str, str, str], Breaker] = {}
        self.budgets: dict[str, RetryBudget] = {}
        self._routes: dict[tuple[str, str, str], Route] = {}

    def route(self, session: Session, model: str) -> Route:
        """Return the route to a model of a session; models that differ by a date have one circuit together."""
        provider = session.provider
        found = self._routes.get((provider, session.id, model))
        if found is None:
            if len(self._routes) >= KEPT:
                self._forget()
            family = (provider, session.id, _DATED.sub("", model))
            door = self.doors.get(family[:2]) or Door(provider, session.id, session.limits)
            found = self._routes[provider, session.id, model] = Route(
                self.doors.setdefault(family[:2], door),
                self.breakers.setdefault(family, Breaker(BreakerPolicy(), partial(circuit_changed, family))),
                self.budgets.setdefault(provider, RetryBudget()),
                measures.here.row(provider, session.id, model),
                Pace(),
            )
        if found.door.limits is not session.limits and found.door.limits != session.limits:
            found.door.follow(session.limits)
        return found

    def _forget(self) -> None:
        """Forget lanes in which nothing happens, and circuits that know nothing."""
        now = asyncio.get_running_loop().time()
        self.doors = {key: door for key, door in self.doors.items() if door.busy}
        self.breakers = {key: one for key, one in self.breakers.items() if not one.idle(now)}
        self._routes.clear()


def current() -> Lanes:
    """Return the lanes of this process. Call it on the provider loop."""
    return loop.local("lanes", Lanes)


class Door:
    """A lane with those who wait before it."""

    def __init__(self, provider: str, session: str, limits: SessionLimits) -> None:
        self.provider, self.session, self.limits = provider, session, limits
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
        """Return a slot, after waiting for it where need be. Raises ``QueueFull``, ``QueueTimeout``."""
        clock = asyncio.get_running_loop()
        found = self.lane.enter(asked, clock.time())
        if isinstance(found, Ticket):
            return found
        if isinstance(found, Refused):
            raise refusal_of(found)
        return await self._wait(found, asked, clock)

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

    def changed(self, change: Change) -> None:
        """Log and count a change of the number of slots with its reason."""
        self.last_change = change
        slots_changed(self.provider, self.session, change)


class Way:
    """One request through the lanes and circuits of its ``routes``: sessions with the model of each. ``end`` it.

    ``tokens`` estimates what it costs, ``key`` is the same when it comes again; they are asked only where that decides
    anything. ``max_retries`` of a request wins over that of a session, and this over the settings.
    """

    def __init__(
        self,
        owner: Owner | None,
        routes: Sequence[tuple[Session, str]],
        left_s: float,
        band: Band = Band.INTERACTIVE,
        tokens: Callable[[], int] = int,
        key: Callable[[], str] = str,
        max_retries: int | None = None,
    ) -> None:
        settings, now, lanes = conf.current(), asyncio.get_running_loop().time(), current()
        choices, self._routes = [], []
        for session, model in routes:
            route = lanes.route(session, model)
            given = session.limits.max_retries if max_retries is None else max_retries
            retries = settings.max_retries if given is None else given
            policy = RetryPolicy(retries, settings.longest_retry_wait_s)
            self._routes.append(route)
            choices.append(Choice(route.breaker, route.budget, policy))
        self.course = Course(choices, now + left_s)
        self._person, self._band, self._tokens, self._key = str(owner), band, tokens, key
        self._patience = 0.98 * left_s
        self._ticket: Ticket | None = None
        limited = settings.requests_per_minute_per_person or settings.tokens_per_minute_per_person
        self._reserved = reserved_for(owner, tokens) if limited and tokens is not int else None
        self._began = self._sent = False
        self._since = self._opened = now  # of the present route, and of its present attempt
        self._outcome = "stopped"
        self._first_s: float | None = None
        self.at = 0
        """The route that is asked, or that answers."""

    async def through(self, attempt: Callable[[int], Awaitable[T]]) -> T:
        """Run ``attempt`` of a route with a slot in hand, again and by other routes where that may help.

        Raises the error that says most, or a refusal.
        """
        clock, course = asyncio.get_running_loop(), self.course
        if self._reserved is not None:
            self._outcome = errors.PersonLimitReached.code
            await self._reserved.admit(self._patience)
            self._outcome = "stopped"
        command = course.begin(clock.time())
        while not isinstance(command, Fail):
            at = command.route
            if at != self.at:
                self._go_to(at, command, clock.time())
            door = self._routes[at].door
            lane = door.lane
            if isinstance(command, Enter):
                if command.after_s:
                    await asyncio.sleep(command.after_s)
                at_once = not lane.queue.size and lane.slots.used < lane.slots.slots
                tokens = 0 if at_once and lane.tokens.per_minute is None else self._tokens()
                patience = self._patience / len(course.left)
                key = "" if at_once else self._key()
                asked = Asked(person=self._person, band=self._band, tokens=tokens, patience_s=patience, key=key)
                try:
                    self._ticket = await door.enter(asked)
                except errors.NotAdmitted as error:
                    command = course.refused(at, error, clock.time())
                    continue
                command = course.entered(at, clock.time())
                if not isinstance(command, Open):
                    self._leave(door, sent=False)
                continue
            self._opened = clock.time()
            sent, self._sent = self._sent, True
            try:
                found = await attempt(at)
            except errors.ProviderError as error:
                self._sent = sent or getattr(error, "sent", False)
                self._note(door, error, clock.time())
                self._leave(door, sent=getattr(error, "sent", False))
                command = course.failed(at, error, clock.time())
                count_retry(door.provider, error, again=isinstance(command, Enter) and command.route == at)
                continue
            self._began, self._outcome = True, "ok"
            self._first_s = clock.time() - self._since
            if len(self._routes) > 1:
                self._routes[at].pace.note(clock.time() - self._opened, clock.time())
            course.output(at, clock.time())
            if (change := lane.slots.succeeded(clock.time())) is not None:
                door.changed(change)
            return found
        self._outcome = command.error.code
        raise command.error

    def learn(self, headers: Mapping[str, str]) -> None:
        """Follow the limits that an answer's headers tell."""
        if TOLD.isdisjoint(headers):
            return
        seen = seen_limits(headers)
        self._routes[self.at].door.lane.learn(asyncio.get_running_loop().time(), seen.requests, seen.tokens)

    def end(self, usage: Usage | None = None, error: errors.ProviderError | None = None, *, whole: bool = True) -> None:
        """Give everything back, and count the request.

        ``usage`` is settled, ``error`` is that of an answer that broke; not ``whole``: its reader left.
        """
        now, route = asyncio.get_running_loop().time(), self._routes[self.at]
        outcome = error.code if error is not None else self._outcome if whole or not self._began else "stopped"
        route.row.ended(outcome, usage, self._first_s, now - self._since)
        if error is not None and self._began:
            self.course.broke(self.at, error, now)
        self._leave(route.door, used=usage.total_tokens if usage is not None else None)
        self.course.over(self.at, now, error)
        if self._reserved is not None:
            self._reserved.end(None if usage is None else usage.total_tokens, sent=self._sent)

    def _go_to(self, at: int, command: Enter | Open, now: float) -> None:
        """Count the route that was left, if it was asked, and measure the next one by itself."""
        if isinstance(command, Enter) and command.why:
            self._routes[self.at].row.ended(command.why, None, None, now - self._since)
        self.at, self._since = at, now

    def _note(self, door: Door, error: errors.ProviderError, now: float) -> None:
        if isinstance(error, errors.RateLimited) and not isinstance(error, errors.QuotaExhausted):
            if self._ticket is not None and (change := door.lane.limited(self._ticket, now, error.retry_after)):
                door.changed(change)
        elif isinstance(error, errors.UpstreamError) and error.http_status >= 500:
            door.lane.slots.failed(now)
            if isinstance(error, errors.UpstreamTimeout):
                self._routes[self.at].pace.note(now - self._opened, now)

    def _leave(self, door: Door, *, used: float | None = None, sent: bool = True) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            door.leave(ticket, used=used, sent=sent)
