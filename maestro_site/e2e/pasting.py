"""Reads what a person pastes into the terminal, without blocking the event loop."""

import asyncio
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

MAX_ANSWER_CHARS = 16_384


class Lines:
    """Lines of standard input, read by a thread of its own, since reading cannot be cancelled.

    ``next`` can be awaited on any loop; it returns an empty string once the input has ended.
    """

    def __init__(self) -> None:
        self._input = sys.stdin

    async def next(self) -> str:
        """Return the next line that is not blank."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[str] = loop.create_future()

        def give(line: str) -> None:
            if not found.done():
                found.set_result(line)

        def read() -> None:
            line = self._line()
            # The loop may be closed already.
            if not loop.is_closed():
                loop.call_soon_threadsafe(give, line)

        threading.Thread(target=read, name="pasted-answer", daemon=True).start()
        return await found

    def _line(self) -> str:
        try:
            while line := self._input.readline(MAX_ANSWER_CHARS + 2):
                if line.strip():
                    return line.strip()
        except (OSError, ValueError, AttributeError):  # closed, not text, or there is no standard input
            pass
        return ""


@contextmanager
def quiet_terminal() -> Iterator[None]:
    """Turn off the echo of typed characters inside the block, and restore the terminal however the block ends."""
    refusals: tuple[type[Exception], ...] = (ImportError, OSError, ValueError, AttributeError)
    try:
        import termios  # not on every system

        refusals = (*refusals, termios.error)
        before = termios.tcgetattr(number := sys.stdin.fileno())
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
