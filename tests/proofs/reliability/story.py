"""A story of the reliability proof, its row of the table, and the measuring of a server while it is told."""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import msgspec

from tests.processes import Up, manage, prepared

COLUMNS = ("what happens", "MiB before", "most on top", "slowest /healthz", "recovery", "holds")
HEALTH_S, RSS_S = 0.25, 0.05
MIB = 1024 * 1024


class Row(msgspec.Struct, kw_only=True):
    """What was measured: MiB before the story and at most on top, the slowest ``/healthz`` in s; ``None``: not."""

    before: float | None = None
    most: float | None = None
    slowest: float | None = None
    recovery: str = ""
    problems: list[str] = msgspec.field(default_factory=list)

    def expect(self, fact: bool, otherwise: str) -> None:
        """Note a problem unless ``fact`` is true."""
        if not fact:
            self.problems.append(otherwise)

    def line(self, name: str) -> str:
        """Return the row as Markdown."""
        memory = ["" if value is None else f"{value:.0f}" for value in (self.before, self.most)]
        slowest = "" if self.slowest is None else f"{self.slowest:.2f} s"
        return f"| {' | '.join([name, *memory, slowest, self.recovery, 'no' if self.problems else 'yes'])} |"


class Story(msgspec.Struct, frozen=True):
    """A story: its name in the table, and how it is told, at full or at small size."""

    name: str
    tell: Callable[[bool], Row]


def data_folder(data: Path) -> Path:
    """Make ``data`` a data folder with a migrated database and nobody in it."""
    if "TEST_SHARED" in os.environ:  # within a run of tests, which has such a database already
        return prepared(data)
    data.mkdir(mode=0o700)
    done = manage(data, "migrate", "-v", "0")
    if done.returncode:
        raise RuntimeError(done.stderr)
    return data


class Watched:
    """Measure a server inside the block: the memory of its processes together, and how fast it answers."""

    def __init__(self, server: Up, row: Row) -> None:
        self._server, self._row = server, row
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._memory, self._health)]

    def __enter__(self) -> Self:
        self._row.before = memory(self._server)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _memory(self) -> None:
        while not self._over.wait(RSS_S):
            found = memory(self._server)
            if found is not None and self._row.before is not None:
                self._row.most = max(self._row.most or 0.0, found - self._row.before)

    def _health(self) -> None:
        with httpx.Client(base_url=self._server.base, trust_env=False, timeout=60) as client:
            while not self._over.wait(HEALTH_S):
                begun = time.monotonic()
                with suppress(httpx.HTTPError):
                    client.get("/healthz")
                self._row.slowest = max(self._row.slowest or 0.0, time.monotonic() - begun)


def memory(server: Up) -> float | None:
    """Return the resident MiB of a server's processes together; ``None`` where the system does not tell."""
    assert server.process is not None
    pages = 0
    for pid in family(server.process.pid):
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            continue
    return pages * 4096 / MIB if pages else None


def family(pid: int) -> list[int]:
    """Return the ids of a process and of all below it."""
    found = [pid]
    for number in found:
        for children in Path(f"/proc/{number}/task").glob("*/children"):
            with suppress(OSError):
                found += map(int, children.read_text().split())
    return found
