"""A monitor of the provider loop, which may wake late: the watchdog of a server, and an instrument of tests.

A timer on the loop measures how long after its time it was called. A thread beside it notices while the timer is
overdue, so that it can say what the loop's thread is doing at that moment.
"""

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable

logger = logging.getLogger("maestro.loop")

PERIOD_S = 0.1
"""Seconds between two measurements; a block is noticed whole where it is longer than this and the bound together."""
QUIET_S = 60.0
"""Seconds after a stack was logged in which no other one is."""
FRAMES = 12
"""Innermost calls of the stack that are logged."""


class Monitor:
    """Measures the loop on which it was started, until ``stop``.

    ``seen`` is called there with each lateness, in seconds, and whether it is over the bound.
    """

    def __init__(self, bound_s: float, seen: Callable[[float, bool], object] = lambda late_s, blocked: None) -> None:
        self.bound_s = bound_s
        self.blocked = 0
        """Times that the loop was later than the bound."""
        self._seen = seen
        self._stopping = threading.Event()
        self._due = self._logged_at = float("-inf")
        self._unlogged = 0
        self._worst = (0.0, 0.0)  # of this minute and of the one before
        self._minute = 0
        self._timer: asyncio.TimerHandle | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to measure. Call it on the loop."""
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._arm()
        self._thread = threading.Thread(target=self._watch, name="loop monitor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End, from any thread."""
        self._stopping.set()
        if self._timer is not None:
            self._timer.cancel()

    def worst_s(self) -> float:
        """Return the worst lateness of this minute and the one before, in seconds."""
        return max(self._worst)

    def _arm(self) -> None:
        self._due = time.monotonic() + PERIOD_S
        self._timer = self._loop.call_later(PERIOD_S, self._tick)

    def _tick(self) -> None:
        now = time.monotonic()
        late, minute = max(0.0, now - self._due), int(now // 60)
        this, before = self._worst if minute == self._minute else (0.0, self._worst[0])
        self._worst, self._minute = (max(this, late), before), minute
        self.blocked += late > self.bound_s
        self._seen(late, late > self.bound_s)
        if not self._stopping.is_set():
            self._arm()

    def _watch(self) -> None:
        told = float("-inf")  # the measurement that was logged
        while True:
            begun = time.monotonic()
            if self._stopping.wait(PERIOD_S):
                return
            now, due = time.monotonic(), self._due
            if now - due <= self.bound_s or due == told:
                continue
            told = due
            self._log(now, now - due, paused=self._was_paused(now - begun))

    def _was_paused(self, waited_s: float) -> bool:
        """Return whether the thread of the monitor woke as late: then nothing on the loop is to blame."""
        return waited_s - PERIOD_S > self.bound_s

    def _log(self, now: float, late_s: float, *, paused: bool) -> None:
        if now - self._logged_at < QUIET_S:
            self._unlogged += 1
            return
        more = f" ({self._unlogged} more since the last report)" if self._unlogged else ""
        self._logged_at, self._unlogged = now, 0
        if paused:
            logger.info("the process did not run for %.1f s%s", late_s, more)
            return
        frame = sys._current_frames().get(self._watched)
        stack = "".join(traceback.format_stack(frame)[-FRAMES:]) if frame is not None else ""
        logger.warning("the event loop has not run for %.1f s%s; it is in\n%s", late_s, more, stack.rstrip())
