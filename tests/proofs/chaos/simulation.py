"""A lane under load with a clock of its own: closed-loop clients, the real policies, and a provider of known capacity.

Nothing waits and nothing is random but the draws of retries, so a minute of load takes a moment and is always the same.
"""

import heapq
import itertools
import random
import statistics
from collections import Counter
from collections.abc import Callable

import msgspec

from providers_app import errors
from providers_app.resilience.breaker import Breaker, BreakerPolicy
from providers_app.resilience.course import Choice, Command, Course, Enter, Open
from providers_app.resilience.lane import Asked, Lane, LanePolicy, Refused, Ticket
from providers_app.resilience.retry import RetryBudget, RetryPolicy

REFUSED_AFTER_S = 0.005


class Clock:
    """The time in seconds, and what is to happen."""

    def __init__(self) -> None:
        self.now = 0.0
        self._numbers = itertools.count()
        self._queue: list[tuple[float, int, Callable[[], None]]] = []

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Let something happen later."""
        heapq.heappush(self._queue, (self.now + seconds, next(self._numbers), do))

    def run(self, until: float) -> None:
        """Let everything happen that is due until then."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, do = heapq.heappop(self._queue)
            do()
        self.now = until


class Capacity(msgspec.Struct, frozen=True, kw_only=True):
    """A provider that answers ``slots`` requests at once, each in ``service_s``, and others with 429."""

    slots: int
    service_s: float
    retry_after: float | None = 1.0

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.slots / self.service_s


class Measured(msgspec.Struct, kw_only=True):
    """The result of a run. ``waits`` has, for each refusal, the seconds that were told and those of an oracle that
    knows the true rate; ``tries`` counts the requests by how often their client asked until it was answered."""

    attempts: int = 0
    limited: int = 0
    answered: Counter[str] = msgspec.field(default_factory=Counter)
    refused: Counter[str] = msgspec.field(default_factory=Counter)
    tries: Counter[int] = msgspec.field(default_factory=Counter)
    waits: list[tuple[float, float]] = msgspec.field(default_factory=list)
    first_output: dict[str, list[float]] = msgspec.field(default_factory=dict)
    slots: list[int] = msgspec.field(default_factory=list)

    @property
    def requests(self) -> int:
        """Requests that were answered."""
        return sum(self.answered.values())

    @property
    def first_retry(self) -> float:
        """The share of refused requests that were answered when their client came back at the time that it was told."""
        again = sum(count for tries, count in self.tries.items() if tries > 1)
        return self.tries[2] / again if again else 1.0

    @property
    def over_oracle(self) -> float:
        """The median wait that was told, over the median of the oracle's."""
        told, right = zip(*self.waits, strict=True)
        return statistics.median(told) / statistics.median(right)


class Load:
    """Clients, a lane and a provider."""

    def __init__(self, capacity: Capacity, policy: LanePolicy, *, retries: int = 2, seed: int = 1) -> None:
        self.clock, self.capacity, self.measured = Clock(), capacity, Measured()
        self.lane = Lane(policy, 0.0)
        self.breaker, self.budget = Breaker(BreakerPolicy()), RetryBudget()
        self.retry = RetryPolicy(max_retries=retries)
        self.draw = random.Random(seed).random
        self.busy = 0
        self._waiting: dict[int, _Request] = {}
        self._look_at = float("inf")

    def client(self, person: str, tokens: float, *, think_s: float = 0.0, count: int = 1) -> None:
        """Add clients of a person, which ask again as soon as they are answered and obey ``Retry-After``."""
        for _ in range(count):
            self.clock.after(self.draw() * 0.1, _Client(self, person, tokens, think_s).ask)

    def wait(self, number: int, request: "_Request") -> None:
        """Note who waits, and let in who may go on."""
        self._waiting[number] = request
        self.look()

    def give_up(self, number: int) -> None:
        """Forget who does not wait any more."""
        self._waiting.pop(number, None)

    def look(self) -> None:
        """Let in who may go on, as ``Door`` does."""
        now = self.clock.now
        for waiter, ticket in self.lane.admit(now):
            self._waiting.pop(waiter.number).entered(ticket)
        after = self.lane.next_look(now)
        if after is not None and not now < self._look_at <= now + after:
            self._look_at = now + after
            self.clock.after(after, self.look)


class _Client:
    def __init__(self, load: Load, person: str, tokens: float, think_s: float) -> None:
        self.load, self.person, self.tokens, self.think_s = load, person, tokens, think_s
        self.tries = 0

    def ask(self) -> None:
        self.tries += 1
        _Request(self.load, self).go_on(None)

    def answered(self) -> None:
        measured = self.load.measured
        measured.answered[self.person] += 1
        measured.tries[self.tries] += 1
        self.tries = 0
        self.load.clock.after(self.think_s, self.ask)

    def refused(self, error: errors.ProviderError) -> None:
        self.load.measured.refused[error.code] += 1
        self.load.clock.after(getattr(error, "retry_after", None) or 1.0, self.ask)


class _Request:
    """One request as ``Way`` carries it out."""

    def __init__(self, load: Load, client: _Client) -> None:
        self.load, self.client = load, client
        choice = Choice(load.breaker, load.budget, load.retry)
        self.course = Course([choice], load.clock.now + 600.0, load.draw)
        self.asked = Asked(person=client.person, tokens=client.tokens, key=str(id(client)))
        self.ticket: Ticket | None = None
        self.began = load.clock.now

    def go_on(self, command: Command | None) -> None:
        load = self.load
        if command is None:
            command = self.course.begin(load.clock.now)
        if isinstance(command, Enter):
            load.clock.after(command.after_s, self._enter)
        elif isinstance(command, Open):
            self._send()
        else:
            self.course.over(0, load.clock.now, command.error)
            self.client.refused(command.error)

    def entered(self, ticket: Ticket) -> None:
        self.ticket = ticket
        self.go_on(self.course.entered(0, self.load.clock.now))

    def _enter(self) -> None:
        load, now = self.load, self.load.clock.now
        found = load.lane.enter(self.asked, now)
        if isinstance(found, Ticket):
            self.entered(found)
        elif isinstance(found, Refused):
            self._refused(found)
        else:
            load.clock.after(found.until - now, lambda: self._late(found.number, found))
            load.wait(found.number, self)

    def _late(self, number: int, waiter: object) -> None:
        if self.load.lane.give_up(waiter):  # type: ignore[arg-type]
            self.load.give_up(number)
            self._refused(self.load.lane.refusal(self.asked, "timeout", self.load.clock.now))

    def _refused(self, found: Refused) -> None:
        load, place = self.load, found.place
        load.measured.waits.append((place.retry_after_s, max(1.0, place.position / load.capacity.rate)))
        error = errors.QueueFull(found.why, retry_after=place.retry_after_s)
        self.go_on(self.course.refused(0, error, load.clock.now))

    def _send(self) -> None:
        load = self.load
        load.measured.attempts += 1
        if load.busy >= load.capacity.slots:
            load.measured.limited += 1
            load.clock.after(REFUSED_AFTER_S, self._limited)
        else:
            load.busy += 1
            load.clock.after(load.capacity.service_s, self._served)

    def _limited(self) -> None:
        load, now = self.load, self.load.clock.now
        error = errors.RateLimited("429", retry_after=load.capacity.retry_after)
        assert self.ticket is not None
        load.lane.limited(self.ticket, now, load.capacity.retry_after)
        load.lane.leave(self.ticket, now)
        load.look()
        self.go_on(self.course.failed(0, error, now))

    def _served(self) -> None:
        load, now = self.load, self.load.clock.now
        load.busy -= 1
        assert self.ticket is not None
        self.course.output(0, now)
        load.lane.slots.succeeded(now)
        load.measured.slots.append(load.lane.slots.slots)
        load.measured.first_output.setdefault(self.client.person, []).append(now - self.began)
        load.lane.leave(self.ticket, now, used=self.asked.tokens)
        load.look()
        self.course.over(0, now)
        self.client.answered()
