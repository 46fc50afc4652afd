"""Readings of the time that hold although the wall clock may be set while logins are stored, and time elapsed.

Stored times (``expires_at``, ``next_refresh_at``) are of the wall clock as it was when they were stored. Setting it
forward by an hour makes an access token look ended and a refresh look allowed; both would have a single-use token
presented too early. Such a decision therefore takes the earliest time that it may be, from

    the wall clock
    the wall clock at the start of this process, and what has elapsed since
    the ``Date`` of the provider's last answer to a token request (RFC 9110, section 6.6.1), and what has elapsed since

The last one replaces the second one: a ``Date`` that agrees with the wall clock ends the suspicion. All else goes by
the wall clock. A 401 proves that the access token has ended, whatever the clocks say.
"""

import time
import uuid
from collections.abc import Callable
from pathlib import Path

from providers_app import errors
from providers_app.types.refresh import RefreshClaim

STEP_S = 60.0
"""Seconds by which two clocks may differ without one of them having been set."""
ABSURD_S = 86400.0
"""Seconds from which on a ``Date`` says nothing about the wall clock."""


def elapsed() -> float:
    """Return the seconds since the machine started. Under Linux the time in which it was suspended counts."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def boot_time() -> float:
    """Return when the machine started (seconds since the epoch): it changes by as much as the wall clock is set."""
    return time.time() - elapsed()


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:40]
    except OSError:
        return f"{uuid.getnode():x}"


BOOT = _boot()
"""The name of this start of this machine, by which ``elapsed`` of its processes is comparable; else of the machine."""
_start = boot_time()
_told: dict[str, float] = {}
"""When this machine started by the clock of each provider."""


class Watch:
    """Finds out whether the wall clock was set back since it was asked last."""

    def __init__(self) -> None:
        self._boot_time = boot_time()

    def was_set_back(self) -> bool:
        """Return True once for each time that the clock was set back by over a minute."""
        before, self._boot_time = self._boot_time, boot_time()
        return before - self._boot_time > STEP_S


def learn(provider: str, skew: float | None) -> None:
    """Take note of the seconds by which this machine's clock is behind the provider's, from an answer just received."""
    if skew is not None:
        _told[provider] = boot_time() + skew


def skew_of(provider: str) -> float:
    """Return the seconds by which this machine's clock is behind the provider's; 0 where that is unknown or little."""
    skew = _told.get(provider, boot_time()) - boot_time()
    return skew if STEP_S < abs(skew) < ABSURD_S else 0.0


def possible(provider: str, skew: float = 0.0) -> tuple[float, float]:
    """Return the earliest and the latest time that it may be (seconds since the epoch); see ``span``."""
    since, told = elapsed(), _told.get(provider)
    return span(time.time(), _start + since, None if told is None else told + since, skew)


def span(wall: float, process: float, told: float | None, skew: float) -> tuple[float, float]:
    """Return the earliest and the latest of the readings (seconds since the epoch). Pure.

    ``told`` is the provider's time where it is known, ``skew`` the seconds by which the wall clock was behind it when
    the times were stored that the result is compared with.
    """
    known = process if told is None or abs(told - skew - wall) >= ABSURD_S else told - skew
    return (min(wall, known), max(wall, known)) if abs(known - wall) > STEP_S else (wall, wall)


def last_check(claim: RefreshClaim, seconds: float) -> Callable[[], None]:
    """Return a check that raises ``RefreshFailed`` where an answer within ``seconds`` may come after the lease's end.

    Such an answer could meet a second sender. The time for which this process or this machine stood still counts; a
    paused virtual machine finds it in its wall clock alone, once that is set. Standing still between the check (on a
    made connection) and the writing of the request, or while the answer is awaited, is not found: ``answer_lost``.
    """
    wall, since = time.time(), elapsed()
    left = claim.claimed + claim.lease_s - seconds - since

    def check() -> None:
        if max(elapsed() - since, time.time() - wall) > left:
            raise errors.RefreshFailed("this machine was too slow; nothing was sent")

    return check
