"""What a vendor server saw, for the assertions of a test."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

KeyState = Literal["right", "wrong", "missing", "unchecked"]


@dataclass
class Entry:
    """One request. Times are seconds of ``time.monotonic()``.

    ``body`` is the parsed JSON (the raw bytes when it is none). ``disconnected_at`` is set when the client left before
    the answer was whole; ``sent_frames`` counts the stream frames that were written until then.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    at: float = field(default_factory=time.monotonic)
    key: KeyState = "unchecked"
    model: str | None = None
    status: int | None = None
    sent_frames: int = 0
    finished_at: float | None = None
    disconnected_at: float | None = None


class Ledger:
    """The entries in order of arrival; read from the test's thread while the server's thread appends."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Entry:
        return self._entries[index]

    def add(self, entry: Entry) -> None:
        self._entries.append(entry)

    def clear(self) -> None:
        self._entries.clear()

    def of(self, path: str) -> list[Entry]:
        """The entries whose path ends so."""
        return [entry for entry in self if entry.path.endswith(path)]

    def of_model(self, model: str | None) -> list[Entry]:
        """The entries that asked this model."""
        return [entry for entry in self if entry.model == model]

    async def until(self, condition: Callable[["Ledger"], bool], seconds: float = 60.0) -> None:
        """Wait until the condition holds. Raises ``AssertionError`` with the entries when it does not in time."""
        limit = time.monotonic() + seconds
        while not condition(self):
            assert time.monotonic() < limit, f"not within {seconds} s; the ledger has {list(self)}"
            await asyncio.sleep(0.01)

    async def disconnect(self, seconds: float = 60.0) -> Entry:
        """The first request that the client closed early, waiting for it."""
        await self.until(lambda ledger: any(entry.disconnected_at for entry in ledger), seconds)
        return next(entry for entry in self if entry.disconnected_at)
