"""Who has a chat open in this process, so that every tab hears of a new turn at once."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

Heard = Callable[[dict[str, Any]], None]


class Hub:
    """Subscribers by chat. Their callbacks run on the loop on which they subscribed, whoever publishes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: dict[UUID, dict[object, tuple[asyncio.AbstractEventLoop, Heard]]] = {}

    def join(self, context: UUID, heard: Heard) -> object:
        """Hear what is published about a chat; returns the ticket for ``leave``."""
        ticket = object()
        with self._lock:
            self._subscribers.setdefault(context, {})[ticket] = (asyncio.get_running_loop(), heard)
        return ticket

    def leave(self, context: UUID, ticket: object) -> None:
        """Hear no more."""
        with self._lock:
            subscribers = self._subscribers.get(context)
            if subscribers is not None:
                subscribers.pop(ticket, None)
                if not subscribers:
                    del self._subscribers[context]

    def publish(self, context: UUID, message: dict[str, Any]) -> None:
        """Tell everybody who has the chat open."""
        with self._lock:
            subscribers = list(self._subscribers.get(context, {}).values())
        self._tell(subscribers, message)

    def publish_all(self, message: dict[str, Any]) -> None:
        """Tell everybody: the server stops."""
        with self._lock:
            subscribers = [each for group in self._subscribers.values() for each in group.values()]
        self._tell(subscribers, message)

    def count(self) -> int:
        """How many are listening."""
        with self._lock:
            return sum(map(len, self._subscribers.values()))

    @staticmethod
    def _tell(subscribers: list[tuple[asyncio.AbstractEventLoop, Heard]], message: dict[str, Any]) -> None:
        for loop, heard in subscribers:
            with suppress(RuntimeError):  # a closed loop hears nothing
                loop.call_soon_threadsafe(heard, message)
