"""Two processes' views of one Redis: limits together, one probe, circuits of the other; and a Redis that is away."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import pytest

from providers_app import loop
from providers_app.dispatch import shared
from providers_app.dispatch.shared import Circuit, Limits, Shared
from tests import servers
from tests.waiting import PATIENCE_S, eventually, until

ACCOUNT, CIRCUIT = "openai/s-1", "openai/s-1/m"
MINUTE = Limits(60.0, None)


@pytest.fixture
def server() -> Iterator[servers.Redis]:
    """A Redis of this test alone, which it may stop."""
    one = servers.Redis()
    one.start()
    yield one
    one.stop()


class Process:
    """What one process knows."""

    def __init__(self, url: str) -> None:
        self.open: Mapping[str, Circuit] = {}
        self.looks = 0
        self.shared: Shared = shared.connect(url, changed=self.look)

    def look(self, found: Mapping[str, Circuit]) -> None:
        self.open = found
        self.looks += 1


@asynccontextmanager
async def two(
    url: str, monkeypatch: pytest.MonkeyPatch, socket_s: float = 20.0
) -> AsyncIterator[tuple[Process, Process]]:
    monkeypatch.setattr(shared, "WATCH_S", 0.02)
    monkeypatch.setattr(shared, "SOCKET_S", socket_s)  # a busy machine is not a Redis that is away
    loop.attach(asyncio.get_running_loop())
    try:
        both = Process(url), Process(url)
        await until(lambda: both[0].looks and both[1].looks)
        yield both
    finally:
        await loop.shutdown()
        loop.detach()


async def test_two_processes_take_no_more_together_than_the_limit(
    server: servers.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two(server.url, monkeypatch) as (first, second):
        waits = await asyncio.gather(
            *(one.shared.reserve(ACCOUNT, MINUTE, 0, 0.0) for _ in range(50) for one in (first, second))
        )
        assert sum(wait == 0 for wait in waits) in (60, 61), "and one more after each second"
        assert all(0 < wait <= 1 for wait in waits if wait), "what was not taken is told when to come back"
        later = sorted([await one.shared.reserve(ACCOUNT, MINUTE, 0, 10.0) for one in (first, second, first)])
        assert later[2] - later[0] == pytest.approx(2, abs=0.2), "who waits gets a second of its own each"


async def test_what_was_not_used_is_there_for_the_other(server: servers.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = Limits(None, 1000.0)
    async with two(server.url, monkeypatch) as (first, second):
        assert await first.shared.reserve(ACCOUNT, limits, 1000, 0) == 0
        assert await second.shared.reserve(ACCOUNT, limits, 500, 0) > 20
        first.shared.give(ACCOUNT, limits, tokens=600)
        await eventually(lambda: second.shared.reserve(ACCOUNT, limits, 500, 0), lambda wait: wait == 0)


async def test_a_pause_and_what_is_left_hold_for_the_other(
    server: servers.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two(server.url, monkeypatch) as (first, second):
        first.shared.learn(ACCOUNT, MINUTE, 0, None)
        await eventually(lambda: second.shared.reserve(ACCOUNT, MINUTE, 0, 0), lambda wait: 0 < wait <= 1)
        first.shared.pause(ACCOUNT, MINUTE, 30)
        await eventually(lambda: second.shared.reserve(ACCOUNT, MINUTE, 0, 0), lambda wait: 25 < wait <= 30)


async def test_an_open_circuit_is_seen_elsewhere_and_probed_by_one(
    server: servers.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with two(server.url, monkeypatch) as (first, second):
        first.shared.opened(CIRCUIT, Circuit(0.3, 1.0, "5 of 5 requests failed"))
        await until(lambda: second.open.get(CIRCUIT))
        found = second.open[CIRCUIT]
        assert 0 < found.left_s <= 0.3 and (found.wait_s, found.why) == (1.0, "5 of 5 requests failed")
        assert not await second.shared.may_probe(CIRCUIT), "not before its time"
        await eventually(lambda: second.shared.may_probe(CIRCUIT), bool)
        assert not await first.shared.may_probe(CIRCUIT), "one probes"
        second.shared.closed(CIRCUIT)
        await until(lambda: CIRCUIT not in first.open)
        assert await first.shared.may_probe(CIRCUIT)


async def test_nothing_waits_for_a_redis_that_does_not_answer(
    server: servers.Redis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with two(server.url, monkeypatch, 0.25) as (first, _):
        await eventually(lambda: first.shared.reserve(ACCOUNT, Limits(1.0, None), 0, 0), lambda wait: wait > 30)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(PATIENCE_S / 4):
                assert await first.shared.reserve(ACCOUNT, Limits(1.0, None), 0, 0) == 0, "it counts for itself"
            await until(lambda: first.shared.away)
            looks = first.looks
            assert await first.shared.may_probe(CIRCUIT)
            first.shared.pause(ACCOUNT, MINUTE, 5)
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await until(lambda: not first.shared.away and first.looks > looks)
        assert await first.shared.reserve(ACCOUNT, Limits(1.0, None), 0, 0) > 30, "the other's count is there again"
    told = [record.getMessage() for record in caplog.records if "Redis" in record.getMessage()]
    assert len([line for line in told if "is away" in line]) >= 1 and any("is back" in line for line in told)


async def test_a_redis_that_was_never_there_is_found_later(
    server: servers.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asyncio.to_thread(server.stop)
    monkeypatch.setattr(shared, "WATCH_S", 0.02)
    loop.attach(asyncio.get_running_loop())
    try:
        process = Process(server.url)
        await until(lambda: process.shared.away)
        assert await process.shared.reserve(ACCOUNT, MINUTE, 0, 0) == 0
        await asyncio.to_thread(server.start)
        await until(lambda: not process.shared.away and process.looks)
    finally:
        await loop.shutdown()
        loop.detach()


async def test_who_is_cancelled_while_redis_answers_has_taken_nothing(
    server: servers.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = Limits(1.0, None)
    async with two(server.url, monkeypatch) as (first, second):
        assert await first.shared.reserve("another", limits, 0, 0) == 0, "Redis has the script"
        os.kill(server.pid, signal.SIGSTOP)
        try:
            asking = asyncio.create_task(first.shared.reserve(ACCOUNT, limits, 0, 0))
            await asyncio.sleep(0.05)  # the command is on its way
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
        finally:
            os.kill(server.pid, signal.SIGCONT)
        await eventually(lambda: second.shared.reserve(ACCOUNT, limits, 0, 0), lambda wait: wait == 0)
