"""Trouble around the server, as data: what is done to Redis, Postgres and the processes, and what is declared."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import redis

from maestro_site import pulse
from tests.proofs.reliability.cluster import CELERY, WORKER, Cluster
from tests.servers import wait_for_port

SLOW_STOPPED_S, SLOW_RUNNING_S = 0.15, 0.05


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """One cause with its declared behaviour.

    ``begin`` brings it about and returns what ends it. ``broken`` are the parts that /readyz names meanwhile, ``pages``
    the answers to a page, ``slowest_s`` the longest that one may take. ``added_ms`` is the most that it adds to the
    95th percentile of pages that do not need what is away. ``answers`` is how the answers that run end. ``due`` logins
    become due for a refresh meanwhile, which nobody does before the cause's end.
    """

    name: str
    begin: Callable[[Cluster], Callable[[], None]]
    lasts_s: float
    short_s: float = 2.0
    broken: frozenset[str] = frozenset()
    pages: frozenset[str] = frozenset({"200"})
    slowest_s: float = 2.0
    added_ms: float | None = None
    answers: str = "complete"
    due: int = 0


def _stopped(pids: Callable[[Cluster], list[int]]) -> Callable[[Cluster], Callable[[], None]]:
    """Return a cause that stops processes (SIGSTOP) until it is over."""

    def begin(cluster: Cluster) -> Callable[[], None]:
        found = pids(cluster)
        for pid in found:
            os.kill(pid, signal.SIGSTOP)

        def end() -> None:
            for pid in found:
                os.kill(pid, signal.SIGCONT)

        return end

    return begin


def _redis_slow(cluster: Cluster) -> Callable[[], None]:
    """Stop Redis for most of the time, again and again, so that each of its answers is late."""
    over, pid = threading.Event(), cluster.redis.pid

    def run() -> None:
        while not over.is_set():
            os.kill(pid, signal.SIGSTOP)
            over.wait(SLOW_STOPPED_S)
            os.kill(pid, signal.SIGCONT)
            over.wait(SLOW_RUNNING_S)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def end() -> None:
        over.set()
        thread.join(10)

    return end


def _redis_away_at_start(cluster: Cluster) -> Callable[[], None]:
    """Start a web process while Redis is away; it takes the place of the second one."""
    cluster.redis.kill()
    old = cluster.parts["web 2"]
    old.process.kill()
    old.process.wait(60)
    new = cluster.start_web("web 2")
    wait_for_port(new.port, new.process)
    return lambda: (cluster.redis.start(), None)[1]


def _redis_killed(cluster: Cluster) -> Callable[[], None]:
    cluster.redis.kill()
    return lambda: (cluster.redis.start(), None)[1]


def _postgres_killed(cluster: Cluster) -> Callable[[], None]:
    cluster.postgres.halt()
    return lambda: (cluster.postgres.resume(), None)[1]


def _postgres_pids(cluster: Cluster) -> list[int]:
    pid = cluster.postgres.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def _web_ended(number: signal.Signals) -> Callable[[Cluster], Callable[[], None]]:
    def begin(cluster: Cluster) -> Callable[[], None]:
        web = cluster.parts["web 1"]
        web.process.send_signal(number)
        web.process.wait(60)

        def end() -> None:
            new = cluster.start_web("web 1")
            wait_for_port(new.port, new.process)

        return end

    return begin


def _worker_killed(cluster: Cluster) -> Callable[[], None]:
    worker = cluster.parts["worker"]
    worker.process.kill()
    worker.process.wait(60)

    def end() -> None:
        began, new = time.time(), cluster.start("worker", WORKER)
        with redis.Redis.from_url(cluster.redis.url) as client:
            while new.process.poll() is None and float(client.get("maestro:pulse:worker") or 0) < began:  # type: ignore[arg-type]
                time.sleep(0.05)

    return end


def _second_beat(cluster: Cluster) -> Callable[[], None]:
    schedule = str(cluster.data / "second-schedule")
    second = cluster.start("second beat", [*CELERY, "beat", "--schedule", schedule])

    def end() -> None:
        second.process.send_signal(signal.SIGTERM)
        try:
            second.process.wait(30)
        except subprocess.TimeoutExpired:
            second.process.kill()
        del cluster.parts["second beat"]

    return end


AWAY = frozenset({"200", "503, Retry-After"})
CAUSES = (
    # Its pages are those of a process that has just started, so that nothing can be said of what is added to them.
    Cause(name="Redis down at start", begin=_redis_away_at_start, lasts_s=5.0, broken=frozenset({"broker"})),
    Cause(name="Redis killed", begin=_redis_killed, lasts_s=60.0, broken=frozenset({"broker"}), added_ms=50.0),
    Cause(
        name="Redis paused",
        begin=_stopped(lambda cluster: [cluster.redis.pid]),
        lasts_s=10.0,
        broken=frozenset({"broker"}),
        added_ms=50.0,
    ),
    Cause(name="Redis slow", begin=_redis_slow, lasts_s=10.0, added_ms=50.0),
    Cause(
        name="Postgres killed",
        begin=_postgres_killed,
        lasts_s=10.0,
        broken=frozenset({"database"}),
        pages=AWAY,
        slowest_s=12.0,
    ),
    Cause(
        name="Postgres paused",
        begin=_stopped(_postgres_pids),
        lasts_s=10.0,
        broken=frozenset({"database"}),
        pages=AWAY,
        # A query that was sent is waited for until another one shows that Postgres is stopped, and not slow.
        slowest_s=6.0,
    ),
    Cause(name="web process SIGKILL", begin=_web_ended(signal.SIGKILL), lasts_s=2.0, answers="interrupted"),
    Cause(name="web process SIGTERM", begin=_web_ended(signal.SIGTERM), lasts_s=2.0, answers="interrupted"),
    Cause(
        name="worker SIGKILL",
        begin=_worker_killed,
        lasts_s=pulse.STALE_S + 10.0,
        broken=frozenset({"worker"}),
        added_ms=50.0,
        due=4,
    ),
    Cause(name="beat twice", begin=_second_beat, lasts_s=15.0, short_s=12.0),
)
