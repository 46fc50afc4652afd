"""A bounded queue in three bands, fair between people by what their requests cost.

Within a band people take turns by deficit round robin (Shreedhar and Varghese 1995): where the credit of none covers
the cost of their next request, that of all grows by ``QUANTUM`` tokens, and who was served goes to the end. The cost is
what a request is expected to cost; ``settle`` charges the rest afterwards. While another person waits, one holds at
most ``MOST_SHARE`` of the slots, and of the queue never more than that.

A refused request gets a ``Place``: a moment to come back. In the window after it, its person goes before new arrivals,
for which the places that were given are taken.
"""

from bisect import insort
from collections import OrderedDict, deque
from enum import IntEnum
from itertools import count
from math import ceil

import msgspec

QUANTUM = 8_000.0
MOST_SHARE = 0.8
LONGEST_PLACE_S = 120.0
"""openai's SDK gives up at once where it is asked to wait longer."""
WINDOW_S = 10.0
EARLY_S = 0.1
"""Seconds by which a request may come back before its moment: clocks and roundings differ."""
DRAIN_HALF_S = 5.0
"""Seconds of work after which what left the lane counts half for the rate at which it drains."""


class Band(IntEnum):
    """Priority; a lower one is served only when nothing waits above it."""

    INTERACTIVE = 0
    GATEWAY = 1
    BATCH = 2


class Waiter(msgspec.Struct, eq=False):
    """A request that waits; ``until`` is when it gives up, ``returned`` whether it came back to its place."""

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
        self._places: dict[tuple[str, str], list[float]] = {}  # when each person's requests were told to come back
        self._promised = 0
        self._expires_at = 0.0
        self.size = 0
        self._left = self._over_s = 0.0  # how many left, and in how many seconds of work, the latest counting most
        self._drained_at: float | None = None

    def waiting(self) -> dict[Band, int]:
        """Return how many requests wait in each band."""
        return {band: sum(map(len, self._bands[band].values())) for band in Band}

    def held_by(self, person: str) -> int:
        """Return how many slots this person holds."""
        return self._held.get(person, 0)

    def join(self, person: str, band: Band, cost: float, now: float, timeout_s: float, key: str = "") -> Waiter | None:
        """Put a request at the end of its person's line, in front if it came back to its place; ``None``: full.

        ``key`` tells a person's requests apart, so that one does not take another's place.
        """
        returned = self._came_back((person, key), now)
        if not returned and not self._has_room(person):
            return None
        waiter = Waiter(next(self._numbers), person, band, cost, now, now + timeout_s, returned)
        people = self._bands[band]
        line = people.get(person)
        if line is None:
            line = people[person] = deque()
            self._credit[band, person] = QUANTUM
        if returned:
            line.insert(sum(other.returned for other in line), waiter)
            before = [other for other, waiting in people.items() if other != person and waiting[0].returned]
            for other in (person, *reversed(before)):
                people.move_to_end(other, last=False)
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
            if len(people) > 1:
                missing = {person: people[person][0].cost - self._credit[band, person] for person in able}
                if (least := min(missing.values())) > 0:
                    turns = ceil(least / QUANTUM) * QUANTUM
                    for person in able:
                        self._credit[band, person] += turns
                        missing[person] -= turns
                able = [person for person in able if missing[person] <= 0]
            people.move_to_end(able[0])
            return self._granted(people[able[0]][0], now)
        return None

    def enter(self, person: str, now: float) -> None:
        """Give a slot to a request."""
        if not self._held:
            self._drained_at = now  # nothing was under way, so that no time counts in which nothing could leave
        self._held[person] = self._held.get(person, 0) + 1

    def done(self, person: str, now: float) -> None:
        """Take the slot back, and learn how fast the lane drains."""
        left = self._held.get(person, 0) - 1
        if left > 0:
            self._held[person] = left
        else:
            self._held.pop(person, None)
        if self._drained_at is not None:
            seconds = now - self._drained_at
            kept = 0.5 ** (seconds / DRAIN_HALF_S)
            self._left, self._over_s = kept * self._left + 1.0, kept * self._over_s + seconds
        self._drained_at = now

    def settle(self, person: str, band: Band, expected: float, used: float) -> None:
        """Charge what a request cost beyond what was expected of it, while its person still has requests waiting."""
        key = (band, person)
        if key in self._credit:
            self._credit[key] += expected - used

    def place(self, person: str, now: float, at_least_s: float = 0.0, key: str = "") -> Place:
        """Return when a refused person should come back: their position over the drain rate, or the limit's reset.

        A place that is capped is none to come back to.
        """
        self._expire(now)
        ahead = self.size + self._promised + 1
        by_drain = ahead * self._over_s / self._left if self._left else 0.0
        wanted = max(by_drain, at_least_s, 1.0)
        wait = min(wanted, LONGEST_PLACE_S)
        if wanted <= LONGEST_PLACE_S:
            insort(self._places.setdefault((person, key), []), now + wait)
            self._promised += 1
        return Place(wait, ahead, capped=wanted > LONGEST_PLACE_S)

    def _has_room(self, person: str) -> bool:
        """Return whether a new arrival may join: there is room beside those who wait and those who will come back.

        One person's requests take at most ``MOST_SHARE`` of the queue, so that there is room for others.
        """
        if self.size >= self.max_size:
            return False
        most = max(1, int(self.max_size * MOST_SHARE))
        if self._promised + self.size < most:
            return True
        taken: dict[str, int] = {}
        for (other, _), places in self._places.items():
            taken[other] = taken.get(other, 0) + len(places)
        for people in self._bands:
            for other, line in people.items():
                taken[other] = taken.get(other, 0) + len(line)
        return taken.get(person, 0) < most and sum(min(count, most) for count in taken.values()) < self.max_size

    def _came_back(self, key: tuple[str, str], now: float) -> bool:
        self._expire(now)
        places = self._places.get(key)
        if not places or now < places[0] - EARLY_S:
            return False
        places.pop(0)
        self._promised -= 1
        if not places:
            del self._places[key]
        return True

    def _expire(self, now: float) -> None:
        """Forget the places whose time is over, at most ten times a second."""
        if now < self._expires_at:
            return
        self._expires_at = now + 0.1
        kept = {key: [at for at in places if at + WINDOW_S >= now] for key, places in self._places.items()}
        self._places = {key: places for key, places in kept.items() if places}
        self._promised = sum(map(len, self._places.values()))

    def _granted(self, waiter: Waiter, now: float) -> Waiter:
        key = (waiter.band, waiter.person)
        self._credit[key] = max(self._credit[key] - waiter.cost, -QUANTUM)
        self._bands[waiter.band][waiter.person].popleft()
        self._tidy(waiter)
        self.enter(waiter.person, now)
        return waiter

    def _tidy(self, waiter: Waiter) -> None:
        self.size -= 1
        people = self._bands[waiter.band]
        if not people[waiter.person]:
            del people[waiter.person]
            self._credit.pop((waiter.band, waiter.person), None)
