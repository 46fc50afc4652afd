"""The lanes, circuits and retry budgets of this process, and the way of one request through them.

``providers_app.resilience`` decides, this module does what it says. Everything lives on the provider loop.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, TypeVar

from providers_app import conf, errors, loop, measures
from providers_app.dispatch import shared
from providers_app.dispatch.doors import Door
from providers_app.dispatch.notes import circuit_changed, count_retry
from providers_app.dispatch.people import People
from providers_app.dispatch.shared import Circuit
from providers_app.ports import Owner, Session
from providers_app.resilience.breaker import Breaker, BreakerPolicy, BreakerState
from providers_app.resilience.course import Choice, Course, Enter, Fail, Open
from providers_app.resilience.lane import Asked, Ticket
from providers_app.resilience.ordering import Pace
from providers_app.resilience.queue import Band
from providers_app.resilience.retry import RetryBudget, RetryPolicy
from providers_app.types.events import Usage
from providers_app.types.session_limits import NO_OWN_LIMITS
from providers_app.wire.limits import TOLD, seen_limits

T = TypeVar("T")
KEPT = 4096
"""Lanes and circuits that are kept of each; beyond that those are forgotten in which nothing happens."""
_DATED = re.compile(r"[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest|\d{3})$")


class Route(NamedTuple):
    """The way of one request to an account: its lane, its circuit with a name, its provider's budget, its counts."""

    door: Door
    breaker: Breaker
    budget: RetryBudget
    row: measures.Row
    pace: Pace
    circuit: str


class Lanes:
    """Lanes, circuits and budgets, for the settings in force when each was made."""

    def __init__(self) -> None:
        self.doors: dict[tuple[str, str], Door] = {}
        self.breakers: dict[tuple[str, str, str], Breaker] = {}
        self.budgets: dict[str, RetryBudget] = {}
        self._routes: dict[tuple[str, str, str], Route] = {}
        url = conf.redis_url()
        self.shared = shared.connect(url, changed=self._follow) if url else None
        self.people = People(self.shared)
        self._elsewhere: Mapping[str, Circuit] = {}
        self._following = False

    def route(self, session: Session, model: str) -> Route:
        """Return the route to a model of a session; models that differ by a date have one circuit together."""
        provider = session.provider
        found = self._routes.get((provider, session.id, model))
        if found is None:
            if len(self._routes) >= KEPT:
                self._forget()
            family = (provider, session.id, _DATED.sub("", model))
            door = self.doors.get(family[:2]) or Door(provider, session.id, session.limits, self.shared)
            found = self._routes[provider, session.id, model] = Route(
                self.doors.setdefault(family[:2], door),
                self.breakers.setdefault(family, Breaker(BreakerPolicy(), partial(self._changed, family))),
                self.budgets.setdefault(provider, RetryBudget()),
                measures.here.row(provider, session.id, model),
                Pace(),
                "/".join(family),
            )
            self._follow(self._elsewhere)
        if found.door.limits is not session.limits and found.door.limits != session.limits:
            found.door.follow(session.limits)
        return found

    async def may_probe(self, route: Route) -> bool:
        """Return whether the probe of a circuit may be sent; of all processes only one may."""
        return self.shared is None or await self.shared.may_probe(route.circuit)

    @contextmanager
    def quietly(self) -> Iterator[None]:
        """Change circuits without telling the other processes, in the block."""
        before, self._following = self._following, True
        try:
            yield
        finally:
            self._following = before

    async def close(self) -> None:
        """Close the connection to what is shared."""
        if self.shared is not None:
            await self.shared.close()

    def _follow(self, found: Mapping[str, Circuit]) -> None:
        """Open the circuits that are open in another process, and close those that were and are not any more."""
        now, known = asyncio.get_running_loop().time(), self._elsewhere
        self._elsewhere = found
        if not (found or known):
            return
        with self.quietly():
            for family, breaker in self.breakers.items():
                name = "/".join(family)
                if name in found:
                    breaker.follow(now, *found[name])
                elif name in known and breaker.state is not BreakerState.CLOSED:
                    breaker.close()

    def _changed(self, family: tuple[str, str, str], breaker: Breaker, before: BreakerState) -> None:
        circuit_changed(family, breaker, before)
        if self.shared is None or self._following:
            return
        name, now = "/".join(family), asyncio.get_running_loop().time()
        if breaker.state is BreakerState.CLOSED:
            self.shared.closed(name)
        elif breaker.state is BreakerState.OPEN:
            self.shared.opened(name, Circuit(breaker.refused_for(now) or 0.0, breaker.wait_s, breaker.why))

    def _forget(self) -> None:
        """Forget lanes in which nothing happens, and circuits that know nothing."""
        now = asyncio.get_running_loop().time()
        self.doors = {key: door for key, door in self.doors.items() if door.busy}
        self.breakers = {key: one for key, one in self.breakers.items() if not one.idle(now)}
        self._routes.clear()


def current() -> Lanes:
    """Return the lanes of this process. Call it on the provider loop."""
    return loop.local("lanes", Lanes, Lanes.close)


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
        settings, now, self._lanes = conf.current(), asyncio.get_running_loop().time(), current()
        choices, self._routes = [], []
        for session, model in routes:
            route = self._lanes.route(session, model)
            given = session.limits.max_retries if max_retries is None else max_retries
            retries = settings.max_retries if given is None else given
            policy = RetryPolicy(retries, settings.longest_retry_wait_s)
            self._routes.append(route)
            choices.append(Choice(route.breaker, route.budget, policy))
        self.course = Course(choices, now + left_s)
        self._person, self._band, self._tokens, self._key = str(owner), band, tokens, key
        self._patience, self.lasted_s, self.outcome = 0.98 * left_s, 0.0, "stopped"
        self._ticket: Ticket | None = None
        own = routes[0][0].own  # of one person, whatever the route
        common = settings.requests_per_minute_per_person or settings.tokens_per_minute_per_person
        limited = (common or own is not NO_OWN_LIMITS) and tokens is not int
        self._reserved = self._lanes.people.reserved(owner, own, tokens) if limited else None
        self._began = self._sent = False
        self._since = self._opened = now  # of the present route, and of its present attempt
        self.first_s: float | None = None
        self.at = 0
        """The route that is asked, or that answers."""

    async def through(self, attempt: Callable[[int], Awaitable[T]]) -> T:
        """Run ``attempt`` of a route with a slot in hand, again and by other routes where that may help.

        Raises the error that says most, or a refusal.
        """
        clock, course = asyncio.get_running_loop(), self.course
        if self._reserved is not None:
            self.outcome = errors.PersonLimitReached.code
            await self._reserved.admit(self._patience)
            self.outcome = "stopped"
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
                if isinstance(command, Open) and command.probe and not await self._lanes.may_probe(self._routes[at]):
                    with self._lanes.quietly():
                        command = course.probed_elsewhere(at, clock.time())
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
            self._began, self.outcome = True, "ok"
            now = clock.time()
            self.first_s = now - self._since
            if len(self._routes) > 1:
                self._routes[at].pace.note(now - self._opened, now)
            course.output(at, now)
            if (change := lane.slots.succeeded(now)) is not None:
                door.changed(change)
            return found
        self.outcome = command.error.code
        raise command.error

    def learn(self, headers: Mapping[str, str]) -> None:
        """Follow the limits that an answer's headers tell."""
        if TOLD.isdisjoint(headers):
            return
        self._routes[self.at].door.learn(seen_limits(headers))

    def end(self, usage: Usage | None = None, error: errors.ProviderError | None = None, *, whole: bool = True) -> None:
        """Give everything back, and count the request.

        ``usage`` is settled, ``error`` is that of an answer that broke; not ``whole``: its reader left.
        """
        now, route = asyncio.get_running_loop().time(), self._routes[self.at]
        self.lasted_s = now - self._since
        self.outcome = error.code if error is not None else self.outcome if whole or not self._began else "stopped"
        route.row.ended(self.outcome, usage, self.first_s, self.lasted_s)
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
            if self._ticket is not None:
                door.limited(self._ticket, error.retry_after)
        elif isinstance(error, errors.UpstreamError) and error.http_status >= 500:
            door.lane.slots.failed(now)
            if isinstance(error, errors.UpstreamTimeout):
                self._routes[self.at].pace.note(now - self._opened, now)

    def _leave(self, door: Door, *, used: float | None = None, sent: bool = True) -> None:
        ticket, self._ticket = self._ticket, None
        if ticket is not None:
            door.leave(ticket, used=used, sent=sent)
