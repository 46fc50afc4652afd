"""Tell open connections that there is news: in this process through ``Hub``, in others through the channel layer.

The layer may lose messages, so each listener also polls. A layer in memory reaches no other process and is left
alone; those of Redis keep one connection per event loop.
"""

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

from channels.layers import InMemoryChannelLayer, get_channel_layer

from context_app.errors import TooManyConnections

logger = logging.getLogger(__name__)

RETRY_S = 5.0
"""Seconds for which a layer that failed is left alone."""
SEND_S = 2.0

OnMessage = Callable[[dict[str, Any]], None]


class Hub:
    """The subscribers of each chat in this process. Each callback runs on the loop on which it was subscribed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: dict[object, tuple[UUID, asyncio.AbstractEventLoop, OnMessage]] = {}
        self._people: dict[object, Any] = {}

    def subscribe(self, context: UUID, on_message: OnMessage, person: Any = None, most: int | None = None) -> object:
        """Subscribe to a chat on the running loop; returns the ticket for ``unsubscribe``.

        Raises ``TooManyConnections`` where ``person`` has ``most`` subscriptions already.
        """
        ticket = object()
        with self._lock:
            if most is not None and sum(one == person for one in self._people.values()) >= most:
                raise TooManyConnections(f"You have reached the limit of open chats ({most}).")
            self._subscribers[ticket] = (context, asyncio.get_running_loop(), on_message)
            self._people[ticket] = person
        return ticket

    def unsubscribe(self, ticket: object) -> None:
        """End a subscription."""
        with self._lock:
            self._subscribers.pop(ticket, None)
            self._people.pop(ticket, None)

    def publish(self, message: dict[str, Any], context: UUID | None = None) -> None:
        """Send a message to the subscribers of a chat, or of every chat. May be called from any thread."""
        with self._lock:
            subscribers = list(self._subscribers.values())
        for subscribed, loop, on_message in subscribers:
            if context in (None, subscribed):
                with suppress(RuntimeError):  # the loop is closed
                    loop.call_soon_threadsafe(on_message, message)

    def count(self) -> int:
        """Return the number of subscribers."""
        return len(self._subscribers)


def remote_layer() -> Any | None:
    """Return the channel layer if it reaches other processes, else ``None``."""
    layer = get_channel_layer()
    return None if layer is None or isinstance(layer, InMemoryChannelLayer) else layer


class _Outage:
    """Until when (``time.monotonic``) nothing is sent, so that no reader waits for a layer that is away."""

    until = 0.0


async def send(group: str, message: dict[str, Any]) -> None:
    """Send a message to a group of listeners in other processes; drop it when the layer does not take it."""
    layer = remote_layer()
    if layer is None or time.monotonic() < _Outage.until:
        return
    try:
        async with asyncio.timeout(SEND_S):
            await layer.group_send(group, message)
    except Exception as error:  # noqa: BLE001 - the drivers' errors have no common base
        _Outage.until = time.monotonic() + RETRY_S
        logger.debug("the channel layer did not take a message (%s)", error)


class Listener:
    """Receive the messages of one group on the running loop, until ``close``; none without a remote layer."""

    def __init__(self, group: str, on_message: OnMessage) -> None:
        self._group = group
        self._on_message = on_message
        self._task: asyncio.Task[None] | None = None
        if remote_layer() is not None:
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._listen(), name=f"listen {group}", context=contextvars.Context())

    async def close(self) -> None:
        """Leave the group."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _listen(self) -> None:
        while (layer := remote_layer()) is not None:
            channel = ""
            try:
                channel = await layer.new_channel()
                await layer.group_add(self._group, channel)
                while True:
                    self._on_message(await layer.receive(channel))
            except Exception as error:  # noqa: BLE001 - as above; polling goes on meanwhile
                logger.debug("the channel layer broke off (%s)", error)
                await asyncio.sleep(RETRY_S)
            finally:
                if channel:
                    with suppress(Exception):
                        async with asyncio.timeout(1):
                            await layer.group_discard(self._group, channel)
