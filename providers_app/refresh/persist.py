"""Writes that must not be lost, because what they store was paid for once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from providers_app.errors import NotConfigured

T = TypeVar("T")

SLOWEST_S = 5.0


async def stubbornly(write: Callable[[], Awaitable[T]], *, tries: int, what: str, logger: logging.Logger) -> T:
    """The write, tried so many times again while the database is away, ever more slowly; then its ``NotConfigured``."""
    for number in range(tries):
        try:
            return await write()
        except NotConfigured as error:
            logger.error("%s cannot be stored yet: %s", what, error.code)
            await asyncio.sleep(min(0.1 * 2**number, SLOWEST_S))
    return await write()
