"""A bounded queue in three bands, fair between people by what their requests cost.

Within a band each person has a turn in deficit round robin (Shreedhar and Varghese 1995): a turn adds ``QUANTUM``
tokens to the person's credit, and requests leave while their cost is covered. The cost is what a request is expected to
cost; ``settle`` charges the rest afterwards. While another person waits, one holds at most ``MOST_SHARE`` of the
slots.

A refused request gets a ``Place``: a moment to come back. In the window after it, its person goes before new arrivals.
"""

from collections import OrderedDict, deque
from enum import IntEnum
from itertools import count

import msgspec

QUANTUM = 8_000.0
MOST_SHARE = 0.8
LONGEST_PLACE_S = 120.0
"""openai's SDK gives up at once where it is asked to wait longer."""
WINDOW_S = 10.0
DRAIN_MEMORY = 0.2


class Band(IntEnum):
    """Priority; a lower one is served only when nothing waits above it."""

    INTERACTIVE = 0
    GATEWAY = 1
    BATCH = 2


class Waiter(msgspec.Struct, eq=False):
    """A request that waits; ``until`` is when it gives up, ``key`` names who came back to a place."""

    number: int
    person: str
    band: Band
    cost: float
    since: float
    until: float
    returned: bool = False


class Place(msgspec.Struct, frozen=True):
    """A place in the virtual queue: come back after so many seconds; ``capped`` where it would be longer."""

    retry_after_s: float
    position: int
    capped: bool


class FairQueue:
    """The queue of one lane. It holds who waits and who was granted; the owner of the lane holds the slots."""

    def __init__(self, max_size: int) -> None:
        self.max_size = max_size
        self._numbers = count(1)
        self._bands: tuple[OrderedDict[str, deque[Waiter]], ...] = tuple(OrderedDict() for _ in Band)
        self._credit: dict[tuple[Band, str], float] = {}
        self._held: dict[str, int] = {}
        self._places: dict[str, tuple[float, float]] = {}
        self.size = 0
        self._drain = 0.0
        self._drained_at: float | None = None

    def waiting(self) -> dict[Band, int]:
        """Return how many requests wait in each band."""
        return {band: sum(map(len, self._bands[band].values())) for band in Band}

    def held_by(self, person: str) -> int:
        """Return how many slots this person holds."""
        return self._held.get(person, 0)

    def join(self, person: str, band: Band, cost: float, now: float, timeout_s: float) -> Waiter | None:
        """Put a request at the end of its person's line, in front if it came back to its place; ``None``: full."""
        returned = self._came_back(person, now)
        if self.size >= self.max_size:
            return None
        waiter = Waiter(next(self._numbers), person, band, cost, now, now + timeout_s, returned)
        people = self._bands[band]
        line = people.setdefault(person, deque())
        if returned:
            line.insert(sum(other.returned for other in line), waiter)
            people.move_to_end(person, last=False)
        else:
            line.append(waiter)
        self.size += 1
        return waiter

    def leave(self, waiter: Waiter) -> bool:
        """Take out a request that gives up; ``False`` where it does not wait any more."""
        line = self._bands[waiter.band].get(waiter.person)
        if line is None or waiter not in line:
            return False
        line.remove(waiter)
        self._tidy(waiter)
        return True

    def next(self, slots: int, now: float) -> Waiter | None:
        """Return the request that is next while ``slots`` are there in all, and give it one; ``None``: none may go."""
        waiting = {person for people in self._bands for person in people}
        most = max(1, int(slots * MOST_SHARE)) if len(waiting) > 1 else slots
        for band in Band:
            people = self._bands[band]
            able = [person for person in people if self.held_by(person) < most]
            if not able:
                continue
            while True:
                for person in list(people):
                    if person not in able:
                        continue
                    waiter, key = people[person][0], (band, person)
                    if self._credit.get(key, 0.0) >= waiter.cost or len(people) == 1 or waiter.returned:
                        return self._granted(waiter, now)
                    self._credit[key] = self._credit.get(key, 0.0) + QUANTUM
                    people.move_to_end(person)
        return None

    def expired(self, now: float) -> list[Waiter]:
        """Return those whose patience is over; ``leave`` takes them out."""
        lines = (line for people in self._bands for line in people.values())
        return [waiter for line in lines for waiter in line if waiter.until <= now]

    def enter(self, person: str) -> None:
        """Give a slot to a request that did not have to wait."""
        self._held[person] = self._held.get(person, 0) + 1

    def done(self, person: str, now: float) -> None:
        """Take the slot back, and learn how fast the lane drains."""
        left = self._held.get(person, 0) - 1
        if left > 0:
            self._held[person] = left
        else:
            self._held.pop(person, None)
        if self._drained_at is not None and now > self._drained_at:
            rate = 1.0 / (now - self._drained_at)
            self._drain = rate if not self._drain else self._drain + DRAIN_MEMORY * (rate - self._drain)
        self._drained_at = now

    def settle(self, person: str, band: Band, expected: float, used: float) -> None:
        """Charge what a request cost beyond what was expected of it, while its person still has requests waiting."""
        key = (band, person)
        if key in self._credit:
            self._credit[key] += expected - used

    def place(self, person: str, now: float, at_least_s: float = 0.0) -> Place:
        """Return when a refused person should come back: their position over the drain rate, or the limit's reset."""
        ahead = self.size + sum(at > now for at, _ in self._places.values()) + 1
        by_drain = ahead / self._drain if self._drain else 1.0
        wanted = max(by_drain, at_least_s, 1.0)
        wait = min(wanted, LONGEST_PLACE_S)
        self._places[person] = now + wait, now + wait + WINDOW_S
        return Place(wait, ahead, capped=wanted > LONGEST_PLACE_S)

    def _came_back(self, person: str, now: float) -> bool:
        for other in [other for other, (_, over) in self._places.items() if over < now]:
            del self._places[other]
        at, _ = self._places.get(person, (float("inf"), 0.0))
        if now < at:
            return False
        del self._places[person]
        return True

    def _granted(self, waiter: Waiter, now: float) -> Waiter:
        key = (waiter.band, waiter.person)
        self._credit[key] = max(self._credit.get(key, 0.0) - waiter.cost, -QUANTUM)
        self._bands[waiter.band][waiter.person].popleft()
        self._tidy(waiter)
        self.enter(waiter.person)
        return waiter

    def _tidy(self, waiter: Waiter) -> None:
        self.size -= 1
        people = self._bands[waiter.band]
        if not people[waiter.person]:
            del people[waiter.person]
            self._credit.pop((waiter.band, waiter.person), None)
