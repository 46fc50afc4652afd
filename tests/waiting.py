"""Waiting for what can be seen, for long where the machine is busy; and a loop's clock that a test puts forward."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 60.0
"""After so long what is waited for will not come."""


async def until(true: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Wait until something holds. Raises ``TimeoutError`` after ``seconds``."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110  what holds is seen by asking alone, often on another thread
            await asyncio.sleep(0.005)


async def eventually(ask: Callable[[], Awaitable[T]], holds: Callable[[T], object]) -> T:
    """Ask until the answer is the one that is waited for, and return it. Raises ``TimeoutError``."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds(found := await ask()):  # noqa: ASYNC110  as above
            await asyncio.sleep(0.005)
    return found


def wait_until(true: Callable[[], object], what: object = "it did not happen", seconds: float = PATIENCE_S) -> None:
    """The same without a loop. Raises ``AssertionError`` with ``what`` after ``seconds``."""
    limit = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < limit, what
        time.sleep(0.01)


def put_forward(seconds: float) -> None:
    """Put the running loop's clock forward as soon as the caller waits: every time limit up to ``seconds`` is over.

    So a limit can be long, which a busy machine does not meet by accident, and yet ends when the test says so.
    """
    running = asyncio.get_running_loop()
    before = running.time

    def jump() -> None:
        running.time = lambda: before() + seconds  # type: ignore[method-assign]

    running.call_soon(jump)
