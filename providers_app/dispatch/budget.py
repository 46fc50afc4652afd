"""The memory of all running answers of a process: what each holds, and a pause for those that hold much.

Three eighths of ``max_running_bytes`` are for answers that hold no more than an equal share of them: they are never
paused, so that a few large answers hold up no ordinary one. While all together hold more than that, those above their
share are read one after the other, the oldest first. One that had to wait for ``idle_timeout_s`` is ended. The last
quarter is for what an ending takes while it is written.
"""

import asyncio
import ctypes
import sys
import threading
from contextvars import ContextVar

import msgspec

from providers_app import conf
from providers_app.errors import AnswerTooLarge

PAUSE_S = 0.05


class Share(msgspec.Struct, eq=False):
    """The bytes that one answer holds: ``wire`` in its reader, ``kept`` with the one who runs it (set by any thread).

    ``counted`` is what of it the budget knows of; ``waits``: it had to pause the last time. ``asked``: the provider has
    a request for it that was not refused, so that one that is given up before its answer may have cost something.
    """

    wire: int = 0
    kept: int = 0
    counted: int = 0
    waits: bool = False
    asked: bool = False


share_of_runner: ContextVar[Share | None] = ContextVar("share_of_runner", default=None)
"""The share of a task that runs an answer and keeps its events; the task takes it out of the budget."""


class Budget:
    """The shares of one process, oldest first. Every method may be called from any thread."""

    def __init__(self) -> None:
        self.shares: dict[Share, None] = {}
        self._total = 0
        self._lock = threading.Lock()

    def full(self, share: Share) -> bool:
        """Count what the answer holds now, and say whether it has to wait before it is read on."""
        room = conf.current().max_running_bytes * 3 // 8
        with self._lock:
            self.shares.setdefault(share)
            size = share.wire + share.kept
            self._total += size - share.counted
            share.counted = size
            fair = room // len(self.shares)
            share.waits = self._total > room and size > fair
            return share.waits and share is not next(one for one in self.shares if one.counted > fair)

    async def pause(self, share: Share) -> None:
        """Wait until the answer may be read on. Raise ``AnswerTooLarge`` after ``idle_timeout_s``."""
        settings, loop = conf.current(), asyncio.get_running_loop()
        until = loop.time() + settings.idle_timeout_s
        while self.full(share):
            if loop.time() > until:
                raise AnswerTooLarge(
                    "Other running answers use the memory that there is for them, and this one took too much of it.",
                    hint="Retry when they have ended. An administrator can raise max_running_bytes.",
                )
            await asyncio.sleep(PAUSE_S)

    def leave(self, share: Share) -> None:
        """Forget an answer of which nothing is held any more."""
        with self._lock:
            if self.shares.pop(share, self) is None:
                self._total -= share.counted


running = Budget()


def give_back() -> None:
    """Give freed memory back to the system, where the C library (glibc) can be told to: by itself it keeps most."""
    trim = getattr(_libc, "malloc_trim", None)
    if trim is not None:
        trim(0)


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
