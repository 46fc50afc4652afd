"""Hold a running answer in the memory of the process that runs it: its newest events, its progress, its readers.

Three numbers tell the progress: ``last`` (arrived), ``accepted`` (in the spool or the journal; only these are shown)
and ``committed`` (in the journal). ``committed`` may be ahead of ``accepted`` only for a moment.
"""

import asyncio
import datetime
import threading
from bisect import bisect_right
from collections.abc import Callable
from contextlib import suppress
from itertools import accumulate
from typing import Any
from uuid import UUID

import msgspec

from providers_app.dispatch.budget import Share, running
from providers_app.errors import ProviderError

TAIL_BYTES = 1024 * 1024
"""Committed events beyond this are dropped from memory; a reader that is further behind reads the journal."""


KEPT_BYTES = 256 * 1024
"""Events and text of an ended answer that stay in memory for a while."""
EVENT_BYTES = 48
"""Memory of an event beyond its bytes."""


def fitting(events: list[bytes], max_bytes: int) -> int:
    """Return how many of ``events`` have at most ``max_bytes`` together; the first one always counts."""
    return max(1, bisect_right(list(accumulate(map(len, events))), max_bytes))


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a stream: its stored state, the ChatResult as a dictionary, and the chunks to write."""

    state: str
    result: dict[str, Any]
    chunks: tuple["AnswerChunk", ...]
    at: datetime.datetime


class AnswerChunk(msgspec.Struct, frozen=True, kw_only=True):
    """One chunk that an answer leaves in its context."""

    kind: str
    content: str
    metadata: dict[str, Any]
    intent: dict[str, Any] = {}


class Waiter:
    """The event that wakes one reader; may be set from any thread."""

    __slots__ = ("_event", "_loop")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def ring(self) -> None:
        if asyncio._get_running_loop() is self._loop:
            self._event.set()
        else:
            with suppress(RuntimeError):  # a closed loop has no reader
                self._loop.call_soon_threadsafe(self._event.set)

    def reset(self) -> None:
        self._event.clear()

    async def wait(self, seconds: float | None = None) -> None:
        """Wait until it is set, or for at most ``seconds``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()


class LiveStream:
    """A running answer. Thread-safe: the runner appends, the journal commits, readers slice."""

    def __init__(self, stream_id: UUID, *, owner_id: Any = None, context_id: UUID | None = None) -> None:
        self.id = stream_id
        self.owner_id = owner_id
        self.context_id = context_id
        self.lock = threading.Lock()
        self.last = 0
        self.spooled = 0
        self.accepted = 0
        self.committed = 0
        self.share = Share()  # of the memory of all running answers
        self.finish: Callable[[], Ending] | None = None  # makes the ending; set after the last event
        self.ending: Ending | None = None  # once it is stored, unless it is large
        self.stored = False  # the ending is in the database
        self.released = False  # the events left the memory, readers go on with the journal
        self.fenced = False  # the stream belongs to another process now: no event is let in
        self.cancel_reason = ""
        self.failure: ProviderError | None = None  # what upstream raised
        self.heartbeat = 0.0  # monotonic time of the last renewal
        self._base = 0  # number of the last event that was dropped from the tail
        self._tail: list[bytes] = []
        self._size = 0
        self._text = 0
        self._waiters: set[Waiter] = set()

    def append(self, events: list[bytes], text: int = 0) -> bool:
        """Add events, numbered on from ``last``; invisible before ``accept``. ``False`` when fenced.

        ``text`` is how many bytes of earlier events are held elsewhere, for the ending.
        """
        with self.lock:
            if self.fenced:
                return False
            self._tail.extend(events)
            self.last += len(events)
            self._size += sum(map(len, events)) + EVENT_BYTES * len(events)
            self._text = text
            self.share.kept = self._size + text
            return True

    def fence(self) -> None:
        """Let no further event in."""
        with self.lock:
            self.fenced = True

    def accept(self, seq: int) -> None:
        """Show the events up to ``seq``, which are safe now."""
        with self.lock:
            if seq <= self.accepted:
                return
            self.accepted = seq
        self.wake()

    def between(self, first: int, last: int) -> list[bytes] | None:
        """Return the encoded events ``first..last``; ``None`` when some of them are no longer in memory."""
        with self.lock:
            if first <= self._base:
                return None
            return self._tail[first - 1 - self._base : last - self._base]

    def visible(self, after: int, limit: int, max_bytes: int) -> list[bytes] | None:
        """Return accepted events after a cursor, at most ``limit`` and about ``max_bytes``; ``None`` as ``between``."""
        with self.lock:
            if after < self._base:
                return None
            start = after - self._base
            events = self._tail[start : min(self.accepted - self._base, start + limit)]
        return events[: fitting(events, max_bytes)]

    def trim(self) -> None:
        """Drop committed events from memory beyond ``TAIL_BYTES``; of an answer that has to pause, all of them."""
        most = 0 if self.share.waits else TAIL_BYTES
        with self.lock:
            if self._size <= most:
                return
            keep_from = min(self.committed, self.accepted) - self._base
            count = 0
            while count < keep_from and self._size > most // 2:
                self._size -= len(self._tail[count]) + EVENT_BYTES
                count += 1
            del self._tail[:count]
            self._base += count
            self.share.kept = self._size + self._text

    def end(self, ending: Ending) -> None:
        """Take the ending as stored. Where it is large, readers get the rest and the ending from the database."""
        self.stored = True
        if self.share.kept > KEPT_BYTES:
            self.release()
            return
        self.ending, self.finish = ending, None
        running.leave(self.share)
        self.wake()

    def release(self) -> None:
        """Drop all events from memory; readers go on with the journal."""
        with self.lock:
            self.released = True
            self._base = self.last
            self._tail = []
            self.finish = self.ending = None
        running.leave(self.share)
        self.wake()

    def join(self, waiter: Waiter) -> None:
        with self.lock:
            self._waiters.add(waiter)

    def leave(self, waiter: Waiter) -> None:
        with self.lock:
            self._waiters.discard(waiter)

    def wake(self) -> None:
        """Wake every reader."""
        with self.lock:
            waiters = tuple(self._waiters)
        for waiter in waiters:
            waiter.ring()
