"""``short_transactions``: a test fails when a transaction lasts over 200 ms. Register it with ``pytest_plugins``.

Under SQLite's IMMEDIATE every ``atomic()`` is the one writer, so a long one stops everybody; a database server is given
two seconds. Time spent waiting to get in does not count: the clock starts when the outermost block has begun. Nor does
time in which the thread was ready to run and other programs had the processors. Transactions of the test framework
itself are not seen, because they began before the fixture.
"""

import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
from django.db import transaction
from django.db.transaction import Atomic

LIMIT_S = 0.2
SERVER_LIMIT_S = 2.0
"""A database server competes with the tests for the processors, and what it waits for them is not seen from here."""


class LongTransaction(AssertionError):
    """An ``atomic()`` block lasted too long; the message says where it began and how long it took."""


def _waited_s() -> float:
    """Seconds for which this thread was ready to run and no processor was free; 0 where the system does not say."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError, ValueError):
        return 0.0


class _Watch:
    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self.found: list[str] = []
        self._local = threading.local()

    def entered(self, connection: Any) -> None:
        if getattr(self._local, "begun", None) is None and len(connection.atomic_blocks) == 1:
            self._local.begun = time.monotonic() - _waited_s()
            self._local.where = "".join(traceback.format_stack(limit=8)[:-2])

    def left(self, connection: Any) -> None:
        begun = getattr(self._local, "begun", None)
        if begun is None or connection.in_atomic_block:
            return
        self._local.begun = None
        lasted = time.monotonic() - _waited_s() - begun
        if lasted > (self.limit_s if connection.vendor == "sqlite" else SERVER_LIMIT_S):
            self.found.append(f"{lasted * 1000:.0f} ms, begun at\n{self._local.where}")


@pytest.fixture
def short_transactions(monkeypatch: pytest.MonkeyPatch) -> Iterator[_Watch]:
    """Watches every transaction on every thread while the test runs."""
    watch = _Watch(LIMIT_S)
    enter, leave = Atomic.__enter__, Atomic.__exit__

    def entering(self: Atomic) -> None:
        enter(self)
        watch.entered(transaction.get_connection(self.using))

    def leaving(
        self: Atomic, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            leave(self, kind, error, trace)
        finally:
            watch.left(transaction.get_connection(self.using))

    monkeypatch.setattr(Atomic, "__enter__", entering)
    monkeypatch.setattr(Atomic, "__exit__", leaving)
    yield watch
    if watch.found:
        raise LongTransaction(
            f"a transaction may last {watch.limit_s * 1000:.0f} ms; these did not:\n" + watch.found[0]
        )
