"""The lanes, circuits and retry budgets of this process, and the way of one request through them.

``providers_app.resilience`` decides, this module waits: it holds the futures of those who are in a queue, and the timer
that lets the next one in when a limit allows it. Everything lives on the provider loop.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeVar

from providers_app import conf, errors, loop, measures
from providers_app.ports import Owner, Session
from providers_app.resilience.breaker import Breaker, BreakerPolicy, BreakerState
from providers_app.resilience.concurrency import Change, ConcurrencyPolicy
from providers_app.resilience.course import Course, Enter, Fail, Open
from providers_app.resilience.lane import Asked, Lane, LanePolicy, Refused, Ticket
from providers_app.resilience.queue import Band, Waiter
from providers_app.resilience.retry import RetryBudget, RetryPolicy
from providers_app.types.chat import ChatRequest
from providers_app.types.events import Usage
from providers_app.wire.limits import TOLD, seen_limits

logger = logging.getLogger("maestro.dispatcher")

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


class Lanes:
    """Lanes, circuits and budgets, for the settings in force when each was made."""

    def __init__(self) -> None:
        self.doors: dict[tuple[str, str], Door] = {}
        self.breakers: dict[tuple[str, str, str], Breaker] = {}
        self.budgets: dict[str, RetryBudget] = {}
        self._routes: dict[tuple[str, str, str], Route] = {}

    def route(self, provider: str, session: str, model: str) -> Route:
        """Return the route to a model of an account; models that differ by a date have one circuit together."""
        found = self._routes.get((provider, session, model))
        if found is None:
            if len(self._routes) >= KEPT:
                self._forget()
            family = (provider, session, _DATED.sub("", model))
            found = self._routes[provider, session, model] = Route(
                self.doors.setdefault(family[:2], Door(provider, session)),
                self.breakers.setdefault(family, Breaker(BreakerPolicy(), partial(_circuit_changed, family))),
                self.budgets.setdefault(provider, RetryBudget()),
                measures.here.row(provider, session, model),
            )
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

    def __init__(self, provider: str, session: str) -> None:
        settings = conf.current()
        self.provider, self.session = provider, session
        self.last_change: Change | None = None
        policy = LanePolicy(
            requests_per_minute=settings.requests_per_minute,
            tokens_per_minute=settings.tokens_per_minute,
            max_queue_size=settings.max_queue_size,
            queue_timeout_s=settings.queue_timeout_seconds,
            concurrency=ConcurrencyPolicy(most=settings.max_concurrent_requests),
        )
        self.lane = Lane(policy, asyncio.get_running_loop().time())
        self._waiting: dict[int, asyncio.Future[Ticket]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """``True`` while anybody is inside or waits."""
        return bool(self.lane.slots.used or self._waiting)

    async def enter(self, asked: Asked) -> Ticket:
        """Return a slot, after waiting for it where need be. Raises ``QueueFull``, ``QueueTimeout``."""
        clock = asyncio.get_running_loop()
        found = self.lane.enter(asked, clock.time())
        if isinstance(found, Ticket):
            return found
        if isinstance(found, Refused):
            raise _refusal(found)
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
                raise _refusal(self.lane.refusal(asked, "timeout", clock.time())) from None
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
        measures.here.count(measures.SLOTS, self.provider, "up" if change.after > change.before else "down")
        name = f"{self.provider}/{self.session}"
        logger.debug("lane %s: %d -> %d slots, %s", name, change.before, change.after, change.why)


def _circuit_changed(family: tuple[str, str, str], breaker: Breaker, before: BreakerState) -> None:
    """Log and count a change of a circuit; a probe that only begins is no news."""
    measures.here.count(measures.CIRCUITS, family[0], breaker.state)
    view = breaker.view(asyncio.get_running_loop().time())
    level = logging.DEBUG if breaker.state is BreakerState.HALF_OPEN else logging.INFO
    why = f", next probe in {view.next_probe_s:.0f} s: {view.why}" if breaker.state is BreakerState.OPEN else ""
    logger.log(level, "circuit %s: %s, was %s%s", "/".join(family), breaker.state.words, before.words, why)


class Way:
    """One request through the lane and the circuit of its session. ``end`` it.

    ``tokens`` estimates what the request costs, ``key`` is the same when it comes again; they are asked only where that
    decides anything.
    """

    def __init__(
        self,
        owner: Owner | None,
        session: Session,
        model: str,
        left_s: float,
        *,
        band: Band = Band.INTERACTIVE,
        tokens: Callable[[], int] = int,
        key: Callable[[], str] = str,
    ) -> None:
        settings, now = conf.current(), asyncio.get_running_loop().time()
        self._route = route = current().route(session.provider, session.id, model)
        self._person, self._band, self._tokens, self._patience = str(owner), band, tokens, 0.98 * left_s
        self._key = key
        policy = RetryPolicy(max_retries=settings.max_retries, longest_wait_s=settings.longest_retry_wait_s)
        self._course = Course((route.breaker,), route.budget, policy, now + left_s)
        self._ticket: Ticket | None = None
        self._began = False
        self._since, self._outcome = now, "stopped"
        self._first_s: float | None = None

    async def through(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run ``attempt`` with a slot in hand, again where that may help. Raises its last error, or a refusal."""
        clock, lane = asyncio.get_running_loop(), self._route.door.lane
        command = self._course.begin(clock.time())
        while not isinstance(command, Fail):
            if isinstance(command, Enter):
                if command.after_s:
                    await asyncio.sleep(command.after_s)
                at_once = not lane.queue.size and lane.slots.used < lane.slots.slots
                tokens = 0 if at_once and lane.tokens.per_minute is None else self._tokens()
                key = "" if at_once else self._key()
                asked = Asked(person=self._person, band=self._band, tokens=tokens, patience_s=self._patience, key=key)
                try:
                    self._ticket = await self._route.door.enter(asked)
                except errors.NotAdmitted as error:
                    command = self._course.refused(0, error, clock.time())
                    continue
                command = self._course.entered(0, clock.time())
                if not isinstance(command, Open):
                    self._leave(sent=False)
                continue
            try:
                found = await attempt()
            except errors.ProviderError as error:
                self._note(error, clock.time())
                self._leave(sent=getattr(error, "sent", False))
                command = self._course.failed(0, error, clock.time())
                _count_retry(self._route.door.provider, error, again=isinstance(command, Enter))
                continue
            self._began, self._outcome = True, "ok"
            self._first_s = clock.time() - self._since
            self._course.output(0, clock.time())
            if (change := lane.slots.succeeded(clock.time())) is not None:
                self._route.door.changed(change)
            return found
        self._outcome = command.error.code
        raise command.error

    def learn(self, headers: Mapping[str, str]) -> None:
        """Follow the limits that an answer's headers tell."""
        if TOLD.isdisjoint(headers):
            return
        seen = seen_limits(headers)
        self._route.door.lane.learn(asyncio.get_running_loop().time(), seen.requests, seen.tokens)

    def end(self, usage: Usage | None = None, error: errors.ProviderError | None = None, *, whole: bool = True) -> None:
        """Give everything back, and count the request.

        ``usage`` is settled, ``error`` is that of an answer that broke; not ``whole``: its reader left.
        """
        now = asyncio.get_running_loop().time()
        outcome = error.code if error is not None else self._outcome if whole or not self._began else "stopped"
        self._route.row.ended(outcome, usage, self._first_s, now - self._since)
        if error is not None and self._began:
            self._course.broke(0, error, now)
        self._leave(used=usage.total_tokens if usage is not None else None)
        self._course.over(0, now, error)

    def _note(self, error: errors.ProviderError, now: float) -> None:
        door = self._route.door
        if isinstance(error, errors.RateLimited) and not isinstance(error, errors.QuotaExhausted):
            if self._ticket is not None and (change := door.lane.limited(self._ticket, now, error.retry_after)):
                door.changed(change)
        elif isinstance(error, errors.UpstreamError) and error.http_status >= 500:
            door.lane.slots.failed(now)

    def _leave(self, *, used: float | None = None, sent: bool = True) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            self._route.door.leave(ticket, used=used, sent=sent)


def fingerprint(chat: ChatRequest) -> str:
    """Return what tells a request from others of its person and is the same when it comes again, in this process."""
    return f"{chat.model}/{len(chat.messages)}/{hash(repr(chat.messages[-1:])):x}"


def _count_retry(provider: str, error: errors.ProviderError, *, again: bool) -> None:
    kind = ("after" if getattr(error, "retry_after", None) is not None else "backoff") if again else "never"
    measures.here.count(measures.RETRIES, provider, kind)


def _refusal(found: Refused) -> errors.NotAdmitted:
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
