"""A server at half of its load for a long time: what it holds must not grow.

Clients ask in chats, over the socket and by server-sent events, read the same answers in another process, ask from a
script, and load pages; each rests for as long as its answer took, so that the machine is about half busy. Every five
seconds the server's memory, tasks, threads, connections and file handles are noted. The slopes are fitted (Theil and
Sen: the median of all slopes between two points) over the run without its first third; what each makes of the whole run
must be within what the figures scatter, or a small number.
"""

import asyncio
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from itertools import combinations
from pathlib import Path

import httpx
import msgspec

from tests.processes import Up
from tests.proofs.chaos.installation import Installation, open_installation
from tests.proofs.chaos.part import Say, Table
from tests.proofs.chaos.reporter import EVERY_S
from tests.proofs.chaos.surfaces import events_stream, script, socket_and_journal
from tests.proofs.chaos.upstream import Upstream
from tests.proofs.reliability.story import family, memory

TITLE = "Half of the load for half an hour"
WARM = 1 / 3
ALLOWED = {"memory, MiB": 12.0, "tasks": 4.0, "threads": 2.0, "connections": 4.0, "file handles": 4.0}
"""The growth over a run that is noise, however little the figures scatter."""
CLIENTS = 2


class Reporting(Up):
    """A server that writes down what it holds."""

    program = ("-m", "tests.proofs.chaos.reporter")


class Slope(msgspec.Struct, frozen=True):
    """A figure over a run: its median, what it grows in an hour and over the run, and how much it scatters."""

    name: str
    median: float
    per_hour: float
    growth: float
    scatter: float

    @property
    def holds(self) -> bool:
        """Whether it does not grow beyond noise."""
        return self.growth <= max(ALLOWED[self.name], self.scatter)


def slope(name: str, points: Sequence[tuple[float, float]]) -> Slope:
    """Return the slope of a figure over seconds."""
    slopes = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 > x1]
    per_s = statistics.median(slopes) if slopes else 0.0
    rest = [y - per_s * x for x, y in points]
    middle = statistics.median(rest)
    scatter = 3 * statistics.median(abs(one - middle) for one in rest)
    seconds = points[-1][0] - points[0][0]
    return Slope(name, statistics.median(y for _, y in points), per_s * 3600, per_s * seconds, scatter)


def _held(server: Up) -> dict[str, float]:
    """Return what the processes of a server hold at the moment."""
    assert server.process is not None
    handles = sockets = 0
    for pid in family(server.process.pid):
        with suppress(OSError):
            for link in Path(f"/proc/{pid}/fd").iterdir():
                handles += 1
                with suppress(OSError):
                    sockets += os.readlink(link).startswith("socket:")
    return {"memory, MiB": memory(server) or 0.0, "connections": sockets, "file handles": handles}


async def _client(work: Callable[[], Awaitable[object]], until: float, counts: list[int]) -> None:
    while time.monotonic() < until:
        began = time.monotonic()
        await work()
        counts[0] += 1
        await asyncio.sleep(max(0.1, time.monotonic() - began))


async def _load(at: Installation, base_url: str, seconds: float) -> tuple[dict[str, list[tuple[float, float]]], int]:
    session, until, counts = await at.session("soak", base_url), time.monotonic() + seconds, [0]

    async def pages() -> None:
        async with at.client(at.web.base) as client:
            for path in ("/chats/", "/sessions/", "/"):
                with suppress(httpx.HTTPError):
                    await client.get(path)

    works: list[Callable[[], Awaitable[object]]] = [pages]
    works += [lambda ask=ask: ask(at, session, "How are you?") for ask in (socket_and_journal, events_stream, script)]
    clients = [asyncio.create_task(_client(work, until, counts)) for work in works for _ in range(CLIENTS)]
    points: dict[str, list[tuple[float, float]]] = {name: [] for name in ALLOWED}
    while time.monotonic() < until:
        await asyncio.sleep(EVERY_S)
        for name, value in (await asyncio.to_thread(_held, at.web)).items():
            points[name].append((time.monotonic(), value))
    await asyncio.gather(*clients)
    return points, counts[0]


def run(minutes: float, say: Say) -> bool:
    """Load a server for so long, and say the slopes; ``True`` when nothing grows."""
    report = Path(f"/tmp/maestro-soak-{os.getpid()}.jsonl")
    with Upstream() as upstream, open_installation(Reporting, SOAK_REPORT=str(report)) as at:
        points, answers = asyncio.run(_load(at, upstream.provider("soak").base_url, minutes * 60))
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    report.unlink()
    for name in ("tasks", "threads"):
        points[name] = [(line["at"], float(line[name])) for line in lines]
    table = Table(say, "figure", "median", "an hour", "over the run", "scatter")
    for name, found in points.items():
        one = slope(name, found[int(len(found) * WARM) :])
        problems = [] if one.holds else [f"it grew by {one.growth:.1f} in {minutes:g} minutes"]
        table.row(
            name,
            f"{one.median:.0f}",
            f"{one.per_hour:+.1f}",
            f"{one.growth:+.1f}",
            f"{one.scatter:.1f}",
            problems=problems,
        )
    whole = table.end()
    say(f"\n{minutes:g} minutes, {answers:,} answers and rounds of pages.")
    return whole
