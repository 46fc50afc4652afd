"""Reads what a person pastes into the terminal, without blocking the event loop."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TextIO

MAX_ANSWER_CHARS = 16_384


async def next_line(source: TextIO) -> str:
    """Return the next line of ``source`` that is not blank, stripped; empty once the input has ended.

    A thread of its own reads it, since reading cannot be cancelled.
    """
    loop = asyncio.get_running_loop()
    found: asyncio.Future[str] = loop.create_future()

    def give(line: str) -> None:
        if not found.done():
            found.set_result(line)

    def read() -> None:
        line = ""
        with suppress(OSError, ValueError, AttributeError):  # closed, not text, or there is no standard input
            lines = iter(partial(source.readline, MAX_ANSWER_CHARS + 2), "")
            line = next((line for line in map(str.strip, lines) if line), "")
        # The loop may be closed already.
        if not loop.is_closed():
            loop.call_soon_threadsafe(give, line)

    threading.Thread(target=read, name="pasted-answer", daemon=True).start()
    return await found


@contextmanager
def quiet_terminal() -> Iterator[None]:
    """Turn off the echo of typed characters inside the block, and restore the terminal however the block ends."""
    refusals: tuple[type[Exception], ...] = (ImportError, OSError, ValueError, AttributeError)
    try:
        import termios  # not on every system

        refusals = (*refusals, termios.error)
        number = sys.stdin.fileno()
        before = termios.tcgetattr(number)
    except refusals:  # no terminal
        yield
        return
    changed = [*before]
    changed[3] &= ~termios.ECHO
    termios.tcsetattr(number, termios.TCSADRAIN, changed)
    try:
        yield
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
