import asyncio
import contextvars
import threading
from collections.abc import AsyncGenerator, Iterator

import pytest

from providers_app import loop
from providers_app.loop.bridge import BUFFER
from tests.waiting import until


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    loop.detach()
    yield
    running = loop._state.running
    if running is not None and running.thread is not None:
        loop._at_exit()
    loop.detach()


async def where() -> str:
    return threading.current_thread().name


def test_without_a_loop_one_thread_serves_all_calls() -> None:
    assert loop.run(where()) == "provider-loop"
    first = loop.current()
    assert loop.run(where()) == "provider-loop"
    assert loop.current() is first


def test_run_passes_results_errors_and_timeouts() -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        loop.run(fail())
    with pytest.raises(TimeoutError):
        loop.run(asyncio.sleep(30), timeout=0.05)


async def test_run_on_the_provider_loop_itself_raises_at_once() -> None:
    loop.attach(asyncio.get_running_loop())
    with pytest.raises(RuntimeError, match="await the coroutine"):
        loop.run(where())


async def test_a_coroutine_of_a_foreign_loop_runs_on_the_provider_loop_with_the_callers_context() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("from the caller")

    async def look() -> tuple[str, str]:
        return await where(), variable.get()

    assert await loop.hand_over(look()) == ("provider-loop", "from the caller")


async def test_on_the_provider_loop_nothing_is_handed_over() -> None:
    loop.attach(asyncio.get_running_loop())
    assert await loop.hand_over(where()) == threading.current_thread().name


async def test_cancelling_the_caller_cancels_the_work_and_waits_for_its_clean_up() -> None:
    started, cleaned = threading.Event(), threading.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.01)
            cleaned.set()

    task = asyncio.create_task(loop.hand_over(work()))
    await asyncio.to_thread(started.wait, 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned.is_set()


async def test_a_failing_coroutine_raises_in_the_foreign_loop() -> None:
    async def fail() -> None:
        raise ValueError("there")

    with pytest.raises(ValueError, match="there"):
        await loop.hand_over(fail())


class Source:
    """A generator that counts what it gave and notes its end."""

    def __init__(self, items: int, error: Exception | None = None) -> None:
        self.items = items
        self.error = error
        self.given = 0
        self.closed = threading.Event()

    async def __call__(self) -> AsyncGenerator[int, None]:
        try:
            for number in range(self.items):
                self.given = number + 1
                yield number
                if number % 10 == 0:
                    await asyncio.sleep(0)
            if self.error:
                raise self.error
        finally:
            await asyncio.sleep(0)
            self.closed.set()


async def test_a_stream_arrives_whole_and_in_order_on_a_foreign_loop() -> None:
    source = Source(1000)
    assert [item async for item in loop.hand_over_stream(source())] == list(range(1000))
    assert source.closed.is_set()


async def test_a_slow_reader_holds_the_source_back() -> None:
    source = Source(10_000)
    stream = loop.hand_over_stream(source())
    assert await anext(stream) == 0
    await asyncio.sleep(0.1)
    assert source.given <= BUFFER + 2
    await stream.aclose()
    assert source.closed.is_set()


async def test_an_error_of_the_source_reaches_the_reader_after_its_items() -> None:
    found = []
    with pytest.raises(ConnectionError):
        async for item in loop.hand_over_stream(Source(5, ConnectionError("gone"))()):
            found.append(item)  # noqa: PERF401  the items before the error are the point
    assert found == [0, 1, 2, 3, 4]


async def test_cancelling_the_reader_closes_the_source() -> None:
    source = Source(1_000_000)

    async def read() -> None:
        async for _ in loop.hand_over_stream(source()):
            await asyncio.sleep(0)

    task = asyncio.create_task(read())
    while source.given < 10:  # noqa: ASYNC110  counted on another thread
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(source.closed.wait, 60)


async def test_shutdown_ends_detached_tasks_and_closes_what_lives_on_the_loop() -> None:
    loop.attach(asyncio.get_running_loop())
    closed: list[str] = []

    async def close(value: str) -> None:
        closed.append(value)

    assert loop.local("thing", lambda: "made", close) == "made"
    assert loop.local("thing", lambda: "made again", close) == "made"
    task = loop.spawn(asyncio.sleep(30), name="waits")
    await asyncio.sleep(0)
    await loop.shutdown(0.5)
    assert task.cancelled()
    assert closed == ["made"]
    assert not loop.is_current()


async def test_a_detached_task_has_a_fresh_context_and_can_be_cancelled_from_another_thread() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable2", default="fresh")
    variable.set("the request's")
    seen: list[str] = []
    ended = threading.Event()

    async def work() -> None:
        seen.append(variable.get())
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()

    task = loop.spawn(work())
    while not seen:  # noqa: ASYNC110  filled on another thread
        await asyncio.sleep(0.005)
    loop.cancel(task)
    assert await asyncio.to_thread(ended.wait, 60)
    assert seen == ["fresh"]


async def test_a_failing_detached_task_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    loop.attach(asyncio.get_running_loop())

    async def fail() -> None:
        raise ValueError("detached")

    loop.spawn(fail(), name="failing")
    await until(lambda: "detached task failing failed" in caplog.text)


async def test_a_web_loop_takes_over_from_the_thread_loop_which_finishes_its_work() -> None:
    begun, release = threading.Event(), threading.Event()

    async def work() -> str:
        begun.set()
        await asyncio.to_thread(release.wait, 60)
        return "finished"

    early = asyncio.create_task(loop.hand_over(work()))
    await asyncio.to_thread(begun.wait, 60)
    old = loop._state.running
    assert old is not None and old.thread is not None
    loop.attach(asyncio.get_running_loop())
    assert loop.is_current()
    release.set()
    assert await early == "finished"
    await asyncio.to_thread(old.thread.join, 5)
    assert not old.thread.is_alive()


async def test_a_second_running_loop_cannot_be_attached() -> None:
    loop.run(where())
    thread_loop = loop.current()
    loop.detach()
    loop.attach(asyncio.get_running_loop())
    with pytest.raises(RuntimeError, match="Another provider loop"):
        loop.attach(thread_loop)
    thread_loop.call_soon_threadsafe(thread_loop.stop)
