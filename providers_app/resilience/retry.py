"""Whether, and after how long, an attempt that failed before its first output is repeated."""

import random
from collections import deque
from collections.abc import Callable

import msgspec

from providers_app import errors
from providers_app.errors import Retry

BASE_S, CAP_S = 0.5, 8.0
"""The official SDKs' back-off: doubling from half a second to eight; ours draws from zero to it (full jitter)."""
SPREAD = 0.1
"""A wait that the provider names is never shortened, and prolonged by at most this share of it, so that not everybody
comes back in the same moment."""


class RetryPolicy(msgspec.Struct, frozen=True):
    """``max_retries`` after the first attempt; ``longest_wait_s`` is the longest wait that a provider may ask for."""

    max_retries: int = 2
    longest_wait_s: float = 60.0


def wait_before_retry(
    error: errors.ProviderError,
    retries: int,
    left_s: float,
    policy: RetryPolicy,
    draw: Callable[[], float] = random.random,
) -> float | None:
    """Return the seconds to wait before the next attempt at the same route, ``None`` where none is made.

    ``retries`` were made already, ``left_s`` seconds are left of the deadline; a wait that does not end before it is
    not begun. ``draw`` returns a number from 0 to 1.
    """
    if error.retry is Retry.NEVER or retries >= policy.max_retries:
        return None
    told = getattr(error, "retry_after", None)
    if told is not None:
        wait = told * (1.0 + SPREAD * draw())
    elif error.retry is Retry.NOW and not retries:
        wait = 0.0
    else:
        wait = draw() * min(CAP_S, BASE_S * 2.0**retries)
    if told is not None and told > policy.longest_wait_s:
        return None
    return wait if wait < left_s else None


MENDED = (
    *(errors.StreamInterrupted, errors.ConnectionFailed, errors.UpstreamTimeout, errors.ServerError),
    *(errors.Overloaded, errors.RequestTimeout, errors.RateLimited),
)
"""Errors of an answer that broke off after which another request may bring its rest."""


def wait_before_going_on(
    error: errors.ProviderError, tries: int, longest_wait_s: float, draw: Callable[[], float] = random.random
) -> float | None:
    """Return the seconds to wait before a request that goes on with an answer which ``error`` broke; ``None``: none.

    ``tries`` were made already. The first one waits only where the provider says so; ``draw`` is as above.
    """
    if not isinstance(error, MENDED) or isinstance(error, errors.QuotaExhausted | errors.TotalTimeout):
        return None
    told = getattr(error, "retry_after", None)
    if told is not None:
        return told * (1.0 + SPREAD * draw()) if told <= longest_wait_s else None
    return draw() * min(CAP_S, BASE_S * 2.0**tries) if tries else 0.0


class RetryBudget:
    """The share that retries may add to a provider's requests, so that a small outage does not become a storm.

    A retry is allowed while fewer than ``FLOOR`` were in the last second, or those under way are less than ``SHARE`` of
    all requests under way; and never more than ``SHARE`` of the last minute's requests (at least ``FLOOR``).
    """

    SHARE = 0.2
    FLOOR = 10
    WINDOW_S = 60.0

    def __init__(self) -> None:
        self.active = 0
        self.retrying = 0
        self._seconds: deque[list[float]] = deque()  # each second with its requests and its retries

    def begin(self, now: float) -> None:
        """Count a request that begins; ``end`` it."""
        self.active += 1
        seconds, second = self._seconds, now // 1
        if seconds and seconds[-1][0] == second:
            seconds[-1][1] += 1
            return
        seconds.append([second, 1, 0])
        while second - seconds[0][0] >= self.WINDOW_S:
            seconds.popleft()

    def end(self) -> None:
        """Count the end of a request."""
        self.active -= 1

    def allow(self, now: float) -> bool:
        """Return whether one more retry may be made, and count it if so; give it back with ``done``."""
        second = now // 1
        recent = [row for row in self._seconds if second - row[0] < self.WINDOW_S]
        requests, retries = sum(row[1] for row in recent), sum(row[2] for row in recent)
        if retries + 1 > max(self.FLOOR, self.SHARE * requests):
            return False
        in_this = sum(row[2] for row in recent if row[0] == second)
        if in_this >= self.FLOOR and self.retrying + 1 > self.SHARE * self.active:
            return False
        if not recent or recent[-1][0] != second:
            recent.append([second, 0, 0])
        recent[-1][2] += 1
        self._seconds = deque(recent)
        self.retrying += 1
        return True

    def done(self) -> None:
        """Count the end of an allowed retry."""
        self.retrying -= 1
