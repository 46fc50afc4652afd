"""Outcomes of calls on their way to the database: judged in memory, written in batches on a thread of their own.

A success that changes nothing (the session is well, its last use was noted within the minute) is not queued. The first
outcome after a pause is written at once, those within ``PAUSE_S`` of it together. While the database is away at most
``WAITING`` wait; equal outcomes of one session are kept once.
"""

import copy
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from providers_app.errors import ProviderError, UpstreamError
from providers_app.ports import Session
from sessions_app.errors import StoreUnavailable

logger = logging.getLogger("maestro.sessions")

PAUSE_S: Final = 0.25
AWAY_S: Final = 2.0  # seconds between two tries while the database is away
USED_EVERY_S: Final = 60.0
WAITING: Final = 2000
KNOWN: Final = 4096


class Outcome(msgspec.Struct, frozen=True):
    """The result of one use of a session, and its time."""

    session: Session
    error: Exception | None
    at: datetime


Key = tuple[str, int, str]


class OutcomeQueue:
    """Takes outcomes from any thread; ``write`` is called with a batch, in the order of their last occurrence."""

    def __init__(self, write: Callable[[list[Outcome]], None], run: Callable[[Callable[[], None]], object]) -> None:
        """``run`` starts a function on the thread that writes; functions run there one after the other."""
        self._write, self._run = write, run
        self._begin()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._begin)  # the outcomes of the parent are the parent's

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Key, Outcome] = OrderedDict()
        self._recent: OrderedDict[str, tuple[float, bool]] = OrderedDict()  # last noted use, and: did it fail?
        self._scheduled = False
        self._hurry = threading.Event()
        self._next = 0.0

    def add(self, session: Session, error: Exception | None) -> None:
        """Take note of an outcome; never waits."""
        now = time.time()
        used, failed = self._recent.get(session.id, (session.last_used_at or 0.0, False))
        well = error is None and session.status == "active" and not session.troubled and not failed
        if well and now - max(used, session.last_used_at or 0.0) < USED_EVERY_S:
            return
        code = error.code if isinstance(error, ProviderError) else "" if error is None else type(error).__name__
        outcome = Outcome(session, None if error is None else _bare(error), datetime.fromtimestamp(now, UTC))
        with self._lock:
            self._put((session.id, session.generation, code), outcome)
            self._recent[session.id] = (now, error is not None)
            self._recent.move_to_end(session.id)
            if len(self._recent) > KNOWN:
                self._recent.popitem(last=False)
            self._schedule()

    def flush(self, seconds: float = 5.0) -> bool:
        """Wait until what was added before is written, at most so long; return whether it is."""
        done = threading.Event()
        self._hurry.set()
        self._run(done.set)
        return done.wait(seconds) and not self._waiting

    def drain(self) -> None:
        """Write what still waits, on this thread, when the process ends."""
        with self._lock:
            batch, self._waiting = self._waiting, OrderedDict()
        if not batch:
            return
        try:
            self._write(list(batch.values()))
        except Exception as error:  # noqa: BLE001 - the process ends in any case
            logger.error("%d outcomes are lost: the process ends (%s)", len(batch), type(error).__name__)

    def _put(self, key: Key, outcome: Outcome) -> None:
        self._waiting[key] = outcome
        self._waiting.move_to_end(key)
        while len(self._waiting) > WAITING:
            lost, _ = self._waiting.popitem(last=False)
            logger.error("an outcome of session %s is lost: the database is away for too long", lost[0])

    def _schedule(self) -> None:
        if self._scheduled:
            return
        try:
            self._run(self._work)
            self._scheduled = True
        except RuntimeError:  # no thread takes work any more: the interpreter is ending, and ``drain`` follows
            logger.debug("%d outcomes wait for the end of the process", len(self._waiting))

    def _work(self) -> None:
        self._hurry.wait(max(0.0, self._next - time.monotonic()))
        with self._lock:
            self._hurry.clear()
            self._scheduled = False
            batch, self._waiting = self._waiting, OrderedDict()
        self._next = time.monotonic() + PAUSE_S
        try:
            self._write(list(batch.values()))
        except StoreUnavailable as error:
            logger.error("%d outcomes cannot be written yet: %s", len(batch), error.message)
            self._next = time.monotonic() + AWAY_S
            with self._lock:
                later, self._waiting = self._waiting, batch
                for key, outcome in later.items():
                    self._put(key, outcome)
                self._schedule()
        except Exception:
            logger.exception("%d outcomes could not be written", len(batch))


def _bare(error: Exception) -> Exception:
    """Return the error without its traceback, which would keep the request and its credential in memory."""
    bare = copy.copy(error)
    if isinstance(bare, UpstreamError):
        bare.body = b""
    return bare
