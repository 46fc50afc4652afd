"""``manage.py up --processes`` while Redis is not there yet, and after it went: nothing ends, everything goes on."""

import threading
import time
from pathlib import Path
from typing import Any

import httpx

from tests.processes import Up
from tests.servers import Redis


def until_ready(server: Up, *, broken: set[str]) -> dict[str, Any]:
    """The answer of ``/readyz`` once it names these parts as broken."""
    while True:
        try:
            answer = httpx.get(f"{server.base}/readyz", trust_env=False, timeout=60).json()
        except httpx.HTTPError:
            answer = None
        if answer is not None and set(answer["broken"]) == broken:
            return answer  # type: ignore[no-any-return]
        time.sleep(0.1)


def children(server: Up) -> list[str]:
    assert server.process is not None
    pid = server.process.pid
    return sorted(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def test_redis_may_be_away_at_the_start_and_later(data: Path) -> None:
    redis = Redis()
    server = Up(data, "--processes", REDIS_URL=redis.url)
    starting = threading.Thread(target=server.start)
    starting.start()
    try:
        until_ready(server, broken={"broker", "worker", "beat"})
        first = children(server)
        assert len(first) == 3
        redis.start()
        until_ready(server, broken=set())
        starting.join(60)
        assert server.link
        redis.kill()
        until_ready(server, broken={"broker", "worker", "beat"})
        redis.start()
        until_ready(server, broken=set())
        assert children(server) == first, "no process was started anew"
        assert server.stop()[0] == 0
    finally:
        server.kill()
        starting.join(60)
        redis.stop()
