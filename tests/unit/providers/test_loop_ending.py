"""How a provider loop ends: what runs on it stays on it, and nobody waits for it for ever."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from providers_app import loop


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    loop.detach()
    yield
    loop._at_exit()
    loop.detach()


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "provider-loop"}


async def test_what_a_cancelled_task_starts_at_shutdown_ends_on_the_same_loop() -> None:
    before = threads()
    loop.attach(asyncio.get_running_loop())
    reported: list[asyncio.AbstractEventLoop] = []

    async def report() -> None:
        await asyncio.sleep(0.02)
        reported.append(asyncio.get_running_loop())

    async def work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            loop.spawn(report())

    loop.spawn(work())
    await asyncio.sleep(0)
    await loop.shutdown(60)
    assert reported == [asyncio.get_running_loop()]
    assert threads() <= before, "no other loop was started for it"


async def test_a_task_that_does_not_end_holds_the_shutdown_no_longer_than_the_grace() -> None:
    loop.attach(asyncio.get_running_loop())

    async def stubborn() -> None:
        for _ in range(3):
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                continue

    loop.spawn(stubborn())
    await asyncio.sleep(0)
    began = asyncio.get_running_loop().time()
    await loop.shutdown(0.1)
    assert asyncio.get_running_loop().time() - began < 30


async def test_work_on_a_loop_whose_place_was_taken_keeps_that_loops_values() -> None:
    begun, release = threading.Event(), threading.Event()

    async def made_here() -> asyncio.AbstractEventLoop:
        return loop.local("owner", asyncio.get_running_loop)

    async def work() -> tuple[asyncio.AbstractEventLoop, ...]:
        begun.set()
        await asyncio.to_thread(release.wait, 60)
        assert loop.is_current()
        return asyncio.get_running_loop(), await made_here(), await loop.hand_over(made_here())

    early = asyncio.create_task(loop.hand_over(work()))
    await asyncio.to_thread(begun.wait, 60)
    loop.attach(asyncio.get_running_loop())
    assert await made_here() is asyncio.get_running_loop()
    release.set()
    old, value, handed_over = await early
    assert old is value is handed_over
    assert old is not asyncio.get_running_loop()


async def test_a_caller_on_another_loop_is_released_when_the_thread_loop_is_stopped() -> None:
    begun = threading.Event()

    async def work() -> None:
        begun.set()
        await asyncio.sleep(60)

    waiting = asyncio.create_task(loop.hand_over(work()))
    await asyncio.to_thread(begun.wait, 60)
    await loop.shutdown(0.1)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 60)
    assert not waiting.cancelling()


async def test_a_lasting_task_ends_before_the_loop_does_but_takes_no_longer_than_its_time() -> None:
    loop.attach(asyncio.get_running_loop())
    ended: list[str] = []

    async def work(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        ended.append(name)

    loop.spawn(work("stored", 0.3), lasting_s=60)
    loop.spawn(work("endless", 30), lasting_s=0.5)
    loop.spawn(work("usual", 30))
    await asyncio.sleep(0)
    began = asyncio.get_running_loop().time()
    await loop.shutdown(0.1)
    assert ended == ["stored"]
    assert asyncio.get_running_loop().time() - began < 30


def test_whoever_interrupts_a_call_waits_for_what_must_not_be_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []

    async def lasting() -> None:
        await asyncio.sleep(0.3)
        ended.append("stored")

    async def call() -> None:
        await asyncio.shield(loop.spawn(lasting(), lasting_s=60))

    def interrupted(future: Any, timeout: float | None = None) -> None:
        while not loop._current().lasting:
            time.sleep(0.01)
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr("concurrent.futures.Future.result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.run(call())
    assert ended == ["stored"]
