"""The channel layer, used for one purpose: to tell *other* processes that there is more to read. It may lose messages.

A layer in memory reaches nobody else and is left alone. Redis' layers keep one connection per event loop.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from channels.layers import InMemoryChannelLayer, get_channel_layer

logger = logging.getLogger(__name__)

RETRY_S = 5.0


def remote_layer() -> Any | None:
    """The layer, when it reaches other processes; else ``None``."""
    layer = get_channel_layer()
    return None if layer is None or isinstance(layer, InMemoryChannelLayer) else layer


async def tell(group: str, message: dict[str, Any]) -> None:
    """Send to a group of other processes' listeners; what cannot be sent is dropped, for every listener also polls."""
    layer = remote_layer()
    if layer is None:
        return
    try:
        async with asyncio.timeout(2):
            await layer.group_send(group, message)
    except Exception as error:  # noqa: BLE001 - the drivers' errors have no common base
        logger.debug("the channel layer did not take a message (%s)", error)


class Listener:
    """Hears the messages of one group on the running loop, until ``close``. Without a remote layer it does nothing."""

    def __init__(self, group: str, heard: Callable[[dict[str, Any]], None]) -> None:
        self._group = group
        self._heard = heard
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
                    self._heard(await layer.receive(channel))
            except Exception as error:  # noqa: BLE001 - as above; polling goes on meanwhile
                logger.debug("the channel layer broke off (%s)", error)
                await asyncio.sleep(RETRY_S)
            finally:
                if channel:
                    with suppress(Exception):
                        async with asyncio.timeout(1):
                            await layer.group_discard(self._group, channel)
