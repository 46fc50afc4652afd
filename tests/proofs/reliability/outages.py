"""Outages of Postgres and Redis under two web processes, a worker and a schedule, of which none is restarted.

Answers run in the first web process; browsers read them in the second, as those of another machine would. All stories
are told of one installation.
"""

import asyncio
import atexit
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import cache
from typing import Any

import httpx
import redis

from tests.proofs.reliability.cluster import Cluster, Connections, Reader, ask, open_cluster, until
from tests.proofs.reliability.story import Row, Story

PER_PROCESS = 30
"""The default of ``MAESTRO_DATABASE_CONNECTIONS``."""
OTHERS = 15
"""Connections of the worker, beside those of the web processes."""
WORDS_PER_S = 20
PATIENCE_S = 90.0
SCHEDULE_S, HEALTH_S = 5.0, 2.0
LINES = 100
"""Most lines that all processes together may log about one outage."""


def _told(tell: Callable[[Cluster, Row, bool], Awaitable[None]]) -> Callable[[bool], Row]:
    """Make a story of a coroutine."""

    def story(full: bool) -> Row:
        row, cluster = Row(), _cluster()

        async def tell_once_it_works() -> None:
            row.expect(await until(lambda: _scheduled(cluster, 0), PATIENCE_S) is not None, "nothing was scheduled")
            await tell(cluster, row, full)

        asyncio.run(tell_once_it_works())
        row.expect(not cluster.ended(), f"processes ended: {', '.join(cluster.ended())}")
        return row

    return story


_open = ExitStack()
atexit.register(_open.close)


@cache
def _cluster() -> Cluster:
    """The installation of all stories: each begins with what the one before it has left."""
    return _open.enter_context(open_cluster())


def close() -> None:
    """Stop the installation; the next story starts another."""
    _open.close()
    _cluster.cache_clear()


async def burst(cluster: Cluster, row: Row, full: bool) -> None:
    """Many requests at one moment, and a page at once after them."""
    count = 150
    with Connections(cluster.postgres.url) as connections:
        clients = [cluster.client(part) for part in cluster.webs]
        begun = time.monotonic()
        answers = await asyncio.gather(
            *(clients[number % 2].get("/chats/") for number in range(count)), return_exceptions=True
        )
        took = time.monotonic() - begun
        after = await clients[0].get("/chats/")
        for client in clients:
            await client.aclose()
    codes = Counter(str(a.status_code) if isinstance(a, httpx.Response) else type(a).__name__ for a in answers)
    row.recovery = f"{codes['200']} of {count} served in {took:.1f} s; at most {connections.most} connections"
    row.expect(codes == {"200": count} and after.status_code == 200, f"the answers were {dict(codes)}")
    row.expect(connections.most <= 2 * PER_PROCESS + OTHERS, "more connections than the processes may have together")


async def killed(cluster: Cluster, row: Row, full: bool) -> None:
    """Every connection is killed, ten times a second."""
    seconds = 60.0 if full else 3.0
    async with _reading(cluster, row, 20 if full else 4, seconds) as readers:
        with Connections(cluster.postgres.url, kill_every_s=0.1) as connections:
            await asyncio.sleep(seconds)
        over = time.monotonic()
        await _ended(readers)
        row.recovery = f"{_whole(readers)}, {time.monotonic() - over:.1f} s later; {connections.killed} were killed"


async def postgres_away(cluster: Cluster, row: Row, full: bool) -> None:
    """Postgres stops as in a crash, and is started again."""
    await _away(cluster, row, 20.0 if full else 3.0, full, cluster.postgres.halt, cluster.postgres.resume)


async def redis_away(cluster: Cluster, row: Row, full: bool) -> None:
    """Redis is killed, and started again empty."""
    await _away(cluster, row, 60.0 if full else 3.0, full, cluster.redis.kill, cluster.redis.start)


async def _away(
    cluster: Cluster, row: Row, seconds: float, full: bool, stop: Callable[[], object], start: Callable[[], object]
) -> None:
    lines = cluster.logged()
    async with _reading(cluster, row, 20 if full else 4, seconds) as readers, _probed(cluster, row, full):
        await asyncio.to_thread(stop)
        pages = await _pages(cluster, seconds)
        await asyncio.to_thread(start)
        wall = time.time()
        found = await asyncio.gather(
            until(lambda: _scheduled(cluster, wall), PATIENCE_S),
            until(lambda: _works(cluster, "/chats/"), PATIENCE_S),
            until(lambda: _works(cluster, "/readyz"), PATIENCE_S),
        )
        await _ended(readers)
    logged = cluster.logged() - lines
    schedule, page, ready = found
    after = [
        f"{name} in {took:.1f} s" for name, took in zip(("schedule", "pages", "/readyz"), found, strict=True) if took
    ]
    refused = ", ".join(f"{count} × {code}" for code, count in sorted(pages.items()))
    row.recovery = f"{', '.join(after)}; {_whole(readers)}; pages meanwhile {refused}; {logged} lines logged"
    row.expect(page is not None and ready is not None, "pages or /readyz did not come back")
    # Nothing is due yet after a short outage, and without Postgres the schedule goes on.
    most = SCHEDULE_S if stop == cluster.redis.kill and full else PATIENCE_S
    row.expect(schedule is not None and schedule < most, f"the schedule went on after {schedule}")
    row.expect(set(pages) <= {"200", "503, Retry-After"}, f"pages answered {dict(pages)}")
    row.expect(logged < LINES, f"{logged} lines were logged")


@asynccontextmanager
async def _reading(cluster: Cluster, row: Row, count: int, seconds: float) -> Any:
    """Readers of answers that last longer than the outage; afterwards each has to be whole."""
    words = int((seconds + 4) * WORDS_PER_S)
    model = f"demo-n{words}-d{1000 // WORDS_PER_S}"
    readers = await asyncio.gather(*(ask(cluster, cluster.webs[0], model) for _ in range(count)))
    tasks = [asyncio.create_task(reader.run()) for reader in readers]
    try:
        await until(lambda: _all_begun(readers), PATIENCE_S)
        yield readers
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for reader in readers:
        row.expect(reader.whole, f"an answer was {reader.state or 'silent'} with {reader.gaps} gaps")


async def _all_begun(readers: list[Reader]) -> bool:
    return all(reader.seen for reader in readers)


async def _ended(readers: list[Reader]) -> None:
    async def all_ended() -> bool:
        return all(reader.state for reader in readers)

    await until(all_ended, PATIENCE_S)


def _whole(readers: list[Reader]) -> str:
    return f"{sum(reader.whole for reader in readers)} of {len(readers)} answers whole"


@asynccontextmanager
async def _probed(cluster: Cluster, row: Row, full: bool) -> Any:
    """Ask for health with a browser's cookies meanwhile: always JSON and, at full size, always in time."""
    over = asyncio.Event()

    async def probe(path: str, expected: set[int]) -> None:
        async with cluster.client(cluster.webs[0]) as client:
            while not over.is_set():
                begun = time.monotonic()
                try:
                    answer = await client.get(path)
                    answer.json()
                    row.expect(answer.status_code in expected, f"{path} answered {answer.status_code}")
                except (httpx.HTTPError, ValueError) as error:
                    row.expect(False, f"{path} gave no JSON ({type(error).__name__})")
                took = time.monotonic() - begun
                row.slowest = max(row.slowest or 0.0, took)
                row.expect(took < HEALTH_S or not full, f"{path} took {took:.1f} s")
                await asyncio.sleep(0.3)

    probes = [asyncio.create_task(probe("/healthz", {200})), asyncio.create_task(probe("/readyz", {200, 503}))]
    yield
    over.set()
    await asyncio.gather(*probes)


async def _pages(cluster: Cluster, seconds: float) -> Counter[str]:
    """Ask for a page for so long: what came."""
    found: Counter[str] = Counter()
    end = time.monotonic() + seconds
    async with cluster.client(cluster.webs[1]) as client:
        while time.monotonic() < end:
            try:
                answer = await client.get("/chats/")
                found[f"{answer.status_code}{', Retry-After' if answer.headers.get('retry-after') else ''}"] += 1
            except httpx.HTTPError as error:
                found[type(error).__name__] += 1
            await asyncio.sleep(0.5)
    return found


async def _works(cluster: Cluster, path: str) -> bool:
    for part in cluster.webs:
        async with cluster.client(part) as client:
            if (await client.get(path)).status_code != 200:
                return False
    return True


async def _scheduled(cluster: Cluster, since: float) -> bool:
    """A task that the schedule sends every ten seconds was run after ``since``."""
    client = redis.Redis.from_url(cluster.redis.url, socket_timeout=1)
    try:
        raw = await asyncio.to_thread(client.get, "maestro:pulse:worker")
    except redis.RedisError:
        return False
    return isinstance(raw, bytes) and float(raw) > since


STORIES = (
    Story("150 requests at once at two web processes", _told(burst)),
    Story("Postgres connections killed under readers in another process", _told(killed)),
    Story("Postgres away during work", _told(postgres_away)),
    Story("Redis away during work", _told(redis_away)),
)
