"""A loop in use as provider loop: what lives on it, the thread that serves it where it has one, and how both end."""

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

logger = logging.getLogger("maestro.loop")


class RunningLoop:
    """A loop in use, with what must end together with it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, thread: threading.Thread | None) -> None:
        self.loop = loop
        self.thread = thread
        self.tasks: set[asyncio.Task[Any]] = set()
        self.lasting: dict[asyncio.Task[Any], float] = {}
        self.values: dict[str, Any] = {}
        self.closers: list[Callable[[], Awaitable[None]]] = []

    def usable(self) -> bool:
        return not self.loop.is_closed() and (self.thread is None or self.thread.is_alive())

    async def close(self, grace: float) -> None:
        """Cancel the detached tasks, give them ``grace`` seconds, then close what was opened on the loop.

        What they start while they clean up has the same time; lasting tasks are cancelled when theirs is over.
        """
        me = asyncio.current_task()
        for task in self.tasks - self.lasting.keys() - {me}:
            task.cancel()
        await self.finish_lasting()
        deadline = self.loop.time() + grace
        for task in self.lasting:
            task.cancel()
        while (tasks := self.tasks - {me}) and (left := deadline - self.loop.time()) > 0:
            await asyncio.wait(tasks, timeout=left)
        for task in self.tasks - {me}:
            task.cancel()
        closers, self.closers = self.closers, []
        self.values.clear()
        for closer in reversed(closers):
            try:
                async with asyncio.timeout(grace):
                    await closer()
            except Exception:
                logger.exception("closing a part of the provider loop failed")

    async def finish_lasting(self) -> None:
        """Wait for the tasks that must not be cut off, each for at most the seconds that it was given."""
        ends = {task: self.loop.time() + seconds for task, seconds in self.lasting.items()}
        while waiting := {task: end for task, end in ends.items() if not task.done() and end > self.loop.time()}:
            await asyncio.wait(waiting, timeout=min(waiting.values()) - self.loop.time())


def start_thread() -> RunningLoop:
    """Start a new loop on a new daemon thread."""
    loop = asyncio.new_event_loop()

    def serve() -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            loop.run_until_complete(_end_rest())
        finally:
            loop.close()

    thread = threading.Thread(target=serve, name="provider-loop", daemon=True)
    running = RunningLoop(loop, thread)
    thread.start()
    return running


def stop_thread(running: RunningLoop) -> None:
    """End the loop's thread, if it has one, and wait for it."""
    if running.thread is not None and running.thread.is_alive():
        running.loop.call_soon_threadsafe(running.loop.stop)
        running.thread.join(5)


async def _end_rest() -> None:
    """Cancel the tasks left on a loop that was stopped, so that no caller waits for them for ever."""
    await asyncio.sleep(0)  # what was handed over just before the stop begins only now
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    if rest:
        await asyncio.wait(rest, timeout=2)
    await asyncio.get_running_loop().shutdown_asyncgens()
