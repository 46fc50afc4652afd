"""The provider loop: one event loop per process on which everything of ``providers_app`` lives.

In a web process it is the server's own loop (``attach`` when the lifespan starts, ``shutdown`` when it ends). A
command, a script or a worker that attaches nothing gets a thread with a loop of its own at the first call, until the
process ends.

    on the provider loop          await coro                        no detour
    on another loop               await hand_over(coro)             cancellation goes over, the result comes back
                                  async for x in hand_over_stream   at most ``BUFFER`` items ahead of the reader
    without a loop                run(coro, timeout=...)            raises at once on the provider loop's own thread
    in the background             spawn(coro)                       fresh context, ends in ``shutdown``

``thread`` is the thread that runs it where nothing attaches one, ``bridge`` the crossing from one loop to another.
"""

import asyncio
import atexit
import contextvars
import logging
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import suppress
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

from providers_app import request_id
from providers_app.loop.bridge import StreamBridge, await_elsewhere
from providers_app.loop.thread import RunningLoop, start_thread, stop_thread

logger = logging.getLogger("maestro.loop")

T = TypeVar("T")
P = ParamSpec("P")


class _State:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.running: RunningLoop | None = None
        self.leaving: list[RunningLoop] = []  # what still runs on them stays there until they have ended
        self.last: list[Callable[[], object]] = []


_state = _State()


def attach(loop: asyncio.AbstractEventLoop) -> None:
    """Make ``loop`` the provider loop. A thread loop that was started before finishes its work and ends by itself.

    Raises ``RuntimeError`` when another running loop is attached already: two loops cannot share clients.
    """
    with _state.lock:
        before = _state.running
        if before is not None and before.loop is loop:
            return
        if before is not None and before.thread is None and before.usable() and before.loop.is_running():
            raise RuntimeError("Another provider loop is attached and running; call loop.detach() there first.")
        _state.running = RunningLoop(loop, None)
        if before is None or before.thread is None or not before.usable():
            return
        _state.leaving.append(before)
    asyncio.run_coroutine_threadsafe(_retire(before), before.loop)


def detach() -> None:
    """Forget the provider loop without ending it; the next call starts or attaches another one."""
    with _state.lock:
        _state.running = None


def current() -> asyncio.AbstractEventLoop:
    """Return the provider loop; start the thread loop when there is none."""
    return _current().loop


def is_current() -> bool:
    """Return whether the caller runs on the provider loop. Never starts one."""
    return _here() is not None


def run(coro: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
    """Run ``coro`` on the provider loop from synchronous code and return its result.

    After ``timeout`` seconds it is cancelled. Raises ``TimeoutError``, and ``RuntimeError`` on the loop's own thread.
    """
    if _here() is not None:
        coro.close()
        raise RuntimeError("loop.run() was called on the provider loop itself; await the coroutine instead.")
    future = asyncio.run_coroutine_threadsafe(coro, _current().loop)
    try:
        return future.result(timeout)
    except BaseException as error:
        future.cancel()
        if isinstance(error, KeyboardInterrupt | SystemExit):
            _finish_lasting()
        raise


async def hand_over(coro: Coroutine[Any, Any, T]) -> T:
    """Await ``coro`` on the provider loop, from any loop."""
    if _here() is not None:
        return await coro
    return await await_elsewhere(coro, _current().loop)


async def hand_over_stream(source: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Iterate ``source`` on the provider loop. Leaving or cancelling the iteration closes ``source``, awaited."""
    if _here() is not None:
        try:
            async for item in source:
                yield item
        finally:
            await source.aclose()
        return
    bridge = StreamBridge(source, _current().loop)
    try:
        async for item in bridge:
            yield item
    finally:
        await bridge.close()


def on_provider_loop(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Make a coroutine function run its body on the provider loop, on whichever loop it is awaited."""

    @wraps(function)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        return await hand_over(function(*args, **kwargs))

    return wrapper


def spawn(coro: Coroutine[Any, Any, Any], *, name: str | None = None, lasting_s: float = 0.0) -> asyncio.Task[Any]:
    """Start a detached task on the provider loop, with a fresh context, kept until it ends or ``shutdown`` cancels it.

    Of the caller's context it has the id of the request alone. With ``lasting_s`` the process first waits so many
    seconds for it to end: for what must not be cut off.
    From another thread the task is made there and returned; end it with ``cancel`` (a task is not thread-safe).
    """
    here = _here()
    if here is not None:
        return _start(here, coro, name, lasting_s)
    running = _current()

    async def start() -> asyncio.Task[Any]:
        return _start(running, coro, name, lasting_s)

    return asyncio.run_coroutine_threadsafe(start(), running.loop).result(10)


def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task of any loop from any thread."""
    loop = task.get_loop()
    if asyncio._get_running_loop() is loop:
        task.cancel()
    elif not loop.is_closed():
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(task.cancel)


def local(key: str, make: Callable[[], T], close: Callable[[T], Awaitable[None]] | None = None) -> T:
    """Return the value named ``key`` that lives as long as the provider loop; ``shutdown`` closes it. Call it there."""
    running = _here() or _current()
    if key not in running.values:
        value = running.values[key] = make()
        if close is not None:
            running.closers.append(lambda: close(value))
    return cast(T, running.values[key])


async def shutdown(grace: float = 1.5) -> None:
    """Cancel the detached tasks, wait ``grace`` seconds for them, close clients, and forget the loop."""
    with _state.lock:
        running, _state.running = _state.running, None
        if running is None or not running.usable():
            return
        _state.leaving.append(running)
    try:
        if asyncio.get_running_loop() is running.loop:
            await running.close(grace)
            return
        await await_elsewhere(running.close(grace), running.loop)
        stop_thread(running)
    finally:
        _state.leaving.remove(running)


def _here() -> RunningLoop | None:
    """Return the provider loop that the caller runs on; one that is ending is still that of what runs on it."""
    here, current = asyncio._get_running_loop(), _state.running
    if here is None:
        return None
    if current is not None and current.loop is here:
        return current
    return next((running for running in _state.leaving if running.loop is here), None)


def _current() -> RunningLoop:
    running = _state.running
    if running is not None and running.usable():
        return running
    with _state.lock:
        running = _state.running
        if running is None or not running.usable():
            running = _state.running = start_thread()
        return running


def _start(
    running: RunningLoop, coro: Coroutine[Any, Any, Any], name: str | None, lasting_s: float
) -> asyncio.Task[Any]:
    context = contextvars.Context()
    if said := request_id.current.get():
        context.run(request_id.current.set, said)
    task = running.loop.create_task(coro, name=name, context=context)
    running.tasks.add(task)
    if lasting_s > 0:
        running.lasting[task] = lasting_s

    def ended(task: asyncio.Task[Any]) -> None:
        running.tasks.discard(task)
        running.lasting.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("detached task %s failed", task.get_name(), exc_info=error)

    task.add_done_callback(ended)
    return task


def _finish_lasting() -> None:
    """Before an interrupted process ends; its stores cannot be written any more once the interpreter is leaving."""
    running = _state.running
    if running is not None and running.thread is not None and running.usable() and running.lasting:
        asyncio.run_coroutine_threadsafe(running.finish_lasting(), running.loop).result()


async def _retire(running: RunningLoop) -> None:
    """End a thread loop whose place was taken, once nothing runs on it any more (or after a minute)."""
    me = asyncio.current_task()
    others = {task for task in asyncio.all_tasks(running.loop) if task is not me}
    if others:
        await asyncio.wait(others, timeout=60)
    await running.close(1.0)
    _state.leaving.remove(running)
    running.loop.call_soon(running.loop.stop)


def at_end(function: Callable[[], object]) -> None:
    """Call a function on the main thread when the process ends, after the thread that runs the provider loop."""
    _state.last.append(function)


def _at_exit() -> None:
    running = _state.running
    if running is not None and running.thread is not None and running.usable():
        _state.running = None
        _state.leaving.append(running)
        with suppress(Exception):
            asyncio.run_coroutine_threadsafe(running.close(1.0), running.loop).result(3)
        stop_thread(running)
    for function in _state.last:
        function()


atexit.register(_at_exit)
