"""The order in which the routes of an alias are tried.

The order that a person gave, with three exceptions: a route that cannot be asked at once (its circuit is open, its lane
has no room) goes behind those that can; so does one that is *slow*; and both only where another one is there. A route
is slow while its first output lately took more than ``SLOW_S`` seconds and more than ``TIMES`` that of the fastest
route that can be asked at once. What is known of a route fades by half in ``HALF_LIFE_S`` seconds without an answer of
it, so that a slow route is tried again, and a route of which nothing is known counts as fast.
"""

from collections.abc import Sequence
from typing import NamedTuple

SLOW_S = 5.0
TIMES = 2.0
HALF_LIFE_S = 30.0
WEIGHT = 0.5
"""The weight of the newest answer against those before."""


class Pace:
    """The seconds that a route took to its first output lately."""

    __slots__ = ("_at", "_seconds")

    def __init__(self) -> None:
        self._seconds, self._at = 0.0, 0.0

    def note(self, seconds: float, now: float) -> None:
        """Note a first output, or the end of a wait for one."""
        before = self.seconds(now)
        self._seconds = seconds if before <= 0.0 else before + WEIGHT * (seconds - before)
        self._at = now

    def seconds(self, now: float) -> float:
        """Return what is known now, 0.0 for nothing."""
        return self._seconds * 0.5 ** (max(0.0, now - self._at) / HALF_LIFE_S) if self._seconds else 0.0


class Standing(NamedTuple):
    """A route at this moment: the seconds of its ``Pace``, and whether a request would have to wait or be refused.

    ``why`` says the latter where it is known.
    """

    seconds: float = 0.0
    blocked: bool = False
    why: str = ""


def order(routes: Sequence[Standing]) -> list[int]:
    """Return the numbers of the routes in the order in which they are to be tried."""
    free = [route.seconds for route in routes if not route.blocked]
    least = max(SLOW_S, TIMES * min(free, default=0.0))

    def rank(number: int) -> int:
        route = routes[number]
        return 2 if route.blocked else 1 if route.seconds > least else 0

    return sorted(range(len(routes)), key=rank)
