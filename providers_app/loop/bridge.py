"""Crossing from one event loop to another: a coroutine, or a stream of items with back-pressure."""

import asyncio
import inspect
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any, Generic, TypeVar

T = TypeVar("T")

BUFFER = 64
"""Items that a source may be ahead of a reader on another loop."""


async def await_elsewhere(coro: Coroutine[Any, Any, T], target: asyncio.AbstractEventLoop) -> T:
    """Run ``coro`` as a task of ``target`` and wait for it here; a cancelled caller waits until it has cleaned up."""
    here = asyncio.get_running_loop()
    ended: asyncio.Future[None] = here.create_future()
    started: list[asyncio.Task[T]] = []

    def settle() -> None:
        if not ended.done():
            ended.set_result(None)

    def finished(_: asyncio.Task[T]) -> None:
        with suppress(RuntimeError):  # the caller's loop may be closed by now; then nothing waits there
            here.call_soon_threadsafe(settle)

    def begin() -> None:
        task = target.create_task(coro)
        started.append(task)
        task.add_done_callback(finished)

    try:
        target.call_soon_threadsafe(begin)
    except RuntimeError:
        coro.close()
        raise
    try:
        await asyncio.shield(ended)
    except asyncio.CancelledError:
        with suppress(RuntimeError):
            target.call_soon_threadsafe(lambda: started[0].cancel())
        await _wait_out(ended)
        if started and started[0].done() and not started[0].cancelled():
            started[0].exception()  # retrieved: the caller is being cancelled and cannot have it
        raise
    return started[0].result()


async def _wait_out(ended: asyncio.Future[None]) -> None:
    """Wait up to 5 seconds for the other side to clean up, through further cancellations."""
    deadline = asyncio.get_running_loop().time() + 5
    while not ended.done() and (left := deadline - asyncio.get_running_loop().time()) > 0:
        with suppress(asyncio.CancelledError):
            await asyncio.wait({ended}, timeout=left)


class StreamBridge(Generic[T]):
    """Iterates an async generator in one task of another loop; at most ``BUFFER`` items wait for the reader."""

    def __init__(self, source: AsyncGenerator[T, None], target: asyncio.AbstractEventLoop) -> None:
        self._source = source
        self._target = target
        self._here = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._items: deque[T] = deque()
        self._ended = False
        self._error: BaseException | None = None
        self._arrived = asyncio.Event()  # waited for on the reader's loop only
        self._room = asyncio.Event()  # waited for on the target loop only
        self._pump: asyncio.Task[None] | None = None
        self._abandoning: asyncio.Task[None] | None = None  # kept, because a loop holds its tasks weakly
        self._closed = False
        target.call_soon_threadsafe(self._begin)

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        while True:
            with self._lock:
                if self._items:
                    item = self._items.popleft()
                    if len(self._items) == BUFFER // 2:
                        self._wake(self._target, self._room)
                    return item
                if self._ended:
                    break
                self._arrived.clear()
            await self._arrived.wait()
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def close(self) -> None:
        """Cancel the source where it runs, and wait until it has let go of what it held."""
        with self._lock:
            ended = self._ended
            self._closed = True
        if ended:
            return
        with suppress(RuntimeError):
            self._target.call_soon_threadsafe(self._stop)
        if (task := asyncio.current_task()) is not None and not inspect.iscoroutine(task.get_coro()):
            # It closes a generator that was left (``break``, ``sys.exit``): the process may end without waiting for it.
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        deadline = self._here.time() + 5
        while not self._ended and (left := deadline - self._here.time()) > 0:
            self._arrived.clear()
            if self._ended:
                return
            with suppress(asyncio.CancelledError, TimeoutError):
                async with asyncio.timeout(left):
                    await self._arrived.wait()

    def _begin(self) -> None:
        if self._closed:
            self._abandoning = self._target.create_task(self._abandon())
        else:
            self._pump = self._target.create_task(self._run())

    def _stop(self) -> None:
        if self._pump is not None:
            self._pump.cancel()

    async def _abandon(self) -> None:
        await self._source.aclose()
        self._finish(None)

    async def _run(self) -> None:
        error: BaseException | None = None
        try:
            async for item in self._source:
                with self._lock:
                    self._items.append(item)
                    first, full = len(self._items) == 1, len(self._items) >= BUFFER
                    if full:
                        self._room.clear()
                if first:
                    self._wake(self._here, self._arrived)
                if full:
                    await self._room.wait()
        except asyncio.CancelledError:
            error = None if self._closed else asyncio.CancelledError("the provider loop is shutting down")
        except BaseException as caught:  # noqa: BLE001  whatever the source raised belongs to the reader
            error = caught
        finally:
            with suppress(Exception):
                await self._source.aclose()
            self._finish(error)

    def _finish(self, error: BaseException | None) -> None:
        with self._lock:
            self._error = error
            self._ended = True
        self._wake(self._here, self._arrived)

    @staticmethod
    def _wake(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> None:
        with suppress(RuntimeError):  # a closed loop has no reader
            loop.call_soon_threadsafe(event.set)
