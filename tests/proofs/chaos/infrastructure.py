"""Trouble around the server while answers run: on Postgres and Redis, with two web processes, worker and schedule.

The answers run in the first web process and are read in the second one, of which a page is asked for all the while, and
`/readyz`. Working again counts from the cause's end until the pages and `/readyz` of both answer 200; a new answer is
then whole within five seconds as well; so is the refresh of logins that became due while no worker lived. What is added
to pages is over what is added to `/healthz`, which needs neither server: a busy machine slows all of them.

While Postgres is paused with its connections open, no query ends and none is refused. A page that only reads answers
503 after five seconds; a form or a message waits for its outcome until Postgres goes on, because it may still be
carried out, and a second try would then do it twice.
"""

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Sequence

import httpx
import msgspec

from tests.proofs.chaos.causes import CAUSES, Cause
from tests.proofs.chaos.cuts import SETTINGS
from tests.proofs.chaos.due import DueLogins
from tests.proofs.chaos.faults import RECOVERED_S
from tests.proofs.chaos.part import Part, Say, Table
from tests.proofs.reliability.cluster import Cluster, Reader, ask, open_cluster, until

WORDS_PER_S = 20
ANSWERS = 4
PATIENCE_S = 90.0
SMALL = ("Redis paused",)


class Watched(msgspec.Struct, kw_only=True):
    """The answers to a page and to /readyz: their number by status, and the seconds that each page took.

    ``control`` has those of /healthz, which needs neither: what a busy machine adds to all of them.
    """

    pages: Counter[str] = msgspec.field(default_factory=Counter)
    seconds: list[float] = []
    control: list[float] = []
    broken: set[str] = set()


async def _watched_for(cluster: Cluster, seconds: float) -> Watched:
    found = Watched(seconds=[], control=[], broken=set())
    until_s = time.monotonic() + seconds

    async def asked(path: str, times: list[float], pause_s: float) -> None:
        async with cluster.client(cluster.parts["web 2"]) as client:
            while time.monotonic() < until_s:
                began = time.monotonic()
                try:
                    answer = await client.get(path)
                    code = f"{answer.status_code}{', Retry-After' if 'retry-after' in answer.headers else ''}"
                    if path == "/readyz":
                        found.broken |= set(answer.json()["broken"])
                except (httpx.HTTPError, ValueError) as error:
                    code = type(error).__name__
                times.append(time.monotonic() - began)
                if path == "/chats/":
                    found.pages[code] += 1
                await asyncio.sleep(pause_s)

    await asyncio.gather(
        asked("/chats/", found.seconds, 0.1), asked("/healthz", found.control, 0.1), asked("/readyz", [], 0.5)
    )
    return found


async def _works(cluster: Cluster) -> bool:
    for web in cluster.webs:
        async with cluster.client(web) as client:
            for path in ("/chats/", "/readyz"):
                if (await client.get(path)).status_code != 200:
                    return False
    return True


async def _answers_begin(cluster: Cluster) -> bool:
    reader = await ask(cluster, cluster.parts["web 1"], "demo-n20-d5")
    task = asyncio.create_task(reader.run())
    try:
        async with asyncio.timeout(10):
            await task
    except TimeoutError:
        return False
    return reader.whole


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


async def _cell(cluster: Cluster, logins: DueLogins, cause: Cause, lasts_s: float, table: Table) -> None:
    problems: list[str] = []
    before = await _watched_for(cluster, 2.0)
    words = int((lasts_s + 6) * WORDS_PER_S)
    # One after the other: a new chat without a message is anybody's next new chat.
    readers: list[Reader] = [
        await ask(cluster, cluster.parts["web 1"], f"demo-n{words}-d{1000 // WORDS_PER_S}") for _ in range(ANSWERS)
    ]
    tasks = [asyncio.create_task(reader.run()) for reader in readers]
    await until(lambda: _all(readers, "seen"), PATIENCE_S)
    end = await asyncio.to_thread(cause.begin, cluster)
    for reader in readers:
        reader.part = cluster.parts["web 2"]
    watching = asyncio.create_task(_watched_for(cluster, lasts_s))
    over = asyncio.create_task(asyncio.sleep(lasts_s))
    done = logins.stored
    if cause.due:
        await asyncio.to_thread(logins.store, cluster, cause.due)
    await over
    if logins.refreshed() > done:
        problems.append("a login was refreshed although nobody should have done that")
    await asyncio.to_thread(end)
    ended_at = time.monotonic()
    meanwhile = await watching  # a page may hang until the cause ends
    await until(lambda: _works(cluster), PATIENCE_S, pause=0.05)
    recovered = time.monotonic() - ended_at
    refreshed = await until(lambda: _all_refreshed(logins), PATIENCE_S)
    begins = await until(lambda: _answers_begin(cluster), PATIENCE_S)
    await until(lambda: _all(readers, "state"), PATIENCE_S)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    late_s = max(meanwhile.control)
    slowest = max(meanwhile.seconds)
    added = _p95(meanwhile.seconds) - _p95(before.seconds) - max(0.0, _p95(meanwhile.control) - _p95(before.control))
    if recovered > RECOVERED_S + late_s or begins is None or begins > RECOVERED_S + late_s:
        problems.append(f"it worked again after {recovered:.1f} s, an answer {begins or -1:.1f} s later")
    if refreshed is None or refreshed > RECOVERED_S + late_s:
        problems.append(f"{logins.refreshed() - done} of {cause.due} due logins were refreshed, {refreshed} s later")
    problems += logins.problems()
    if not cause.broken <= meanwhile.broken:
        problems.append(f"/readyz named {', '.join(sorted(meanwhile.broken)) or 'nothing'}")
    if not set(meanwhile.pages) <= cause.pages:
        problems.append(f"pages answered {dict(meanwhile.pages)}")
    if slowest > cause.slowest_s + late_s:
        problems.append(f"a page took {slowest:.1f} s")
    if cause.added_ms is not None and added * 1000 > cause.added_ms:
        problems.append(f"{added * 1000:.0f} ms more at the 95th percentile")
    problems += [
        f"an answer was {reader.state or 'without an end'} with {reader.gaps} gaps"
        for reader in readers
        if reader.state != cause.answers or reader.gaps
    ]
    if cluster.ended():
        problems.append(f"processes ended: {', '.join(cluster.ended())}")
    shown = ", ".join(f"{count} × {code}" for code, count in sorted(meanwhile.pages.items()))
    renewed = f"; {logins.refreshed() - done} of {cause.due} due logins refreshed once" if cause.due else ""
    whole = sum(reader.state == cause.answers and not reader.gaps for reader in readers)
    table.row(
        cause.name,
        f"{lasts_s:g} s",
        ", ".join(sorted(meanwhile.broken & (cause.broken or meanwhile.broken))),
        f"{shown}; slowest {slowest:.2f} s, {added * 1000:+.0f} ms at p95",
        f"{whole} of {ANSWERS} {cause.answers}{renewed}",
        f"{recovered:.1f} s",
        problems=problems,
    )


async def _all_refreshed(logins: DueLogins) -> bool:
    return logins.refreshed() == logins.stored


async def _all(readers: Sequence[Reader], name: str) -> bool:
    return all(getattr(reader, name) for reader in readers)


async def _all_cells(cluster: Cluster, logins: DueLogins, causes: Sequence[Cause], full: bool, table: Table) -> None:
    if await until(lambda: _works(cluster), PATIENCE_S) is None:
        table.problems.append("the installation did not work at first")
    for cause in causes:
        await _cell(cluster, logins, cause, cause.lasts_s if full else cause.short_s, table)


def _play(names: Sequence[str], full: bool, say: Say) -> bool:
    causes = [cause for cause in CAUSES if cause.name in names and (full or cause.name in SMALL)]
    table = Table(say, "cause", "lasts", "/readyz names", "pages meanwhile", "answers", "works again after")
    with DueLogins() as logins, open_cluster(**(SETTINGS | logins.settings)) as cluster:
        asyncio.run(_all_cells(cluster, logins, causes, full, table))
    return table.end()


PART = Part(
    name="infrastructure",
    title="Redis, Postgres and processes",
    about=__doc__,
    cells=tuple(cause.name for cause in CAUSES),
    play=_play,
)
