"""How a provider loop ends: what runs on it stays on it, and nobody waits for it for ever."""

import asyncio
import threading
from collections.abc import Iterator

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
    await loop.shutdown(1)
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
    assert asyncio.get_running_loop().time() - began < 1


async def test_work_on_a_loop_whose_place_was_taken_keeps_that_loops_values() -> None:
    begun, release = threading.Event(), threading.Event()

    async def made_here() -> asyncio.AbstractEventLoop:
        return loop.local("owner", asyncio.get_running_loop)

    async def work() -> tuple[asyncio.AbstractEventLoop, ...]:
        begun.set()
        await asyncio.to_thread(release.wait, 5)
        assert loop.is_current()
        return asyncio.get_running_loop(), await made_here(), await loop.hand_over(made_here())

    early = asyncio.create_task(loop.hand_over(work()))
    await asyncio.to_thread(begun.wait, 5)
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
    await asyncio.to_thread(begun.wait, 5)
    await loop.shutdown(0.1)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 5)
    assert not waiting.cancelling()
