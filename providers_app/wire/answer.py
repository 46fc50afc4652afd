"""An answer of the HTTP client: whole, or read as it arrives, with the key of its request masked in errors."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import msgspec

from providers_app.wire.failures import as_provider_error
from providers_app.wire.mask import Mask

DRAIN_BYTES = 256 * 1024


class Exchange(msgspec.Struct):
    """The progress of one request; ``sending`` is true once a byte of it may have left, not while it connects."""

    sending: bool = False
    host: str = ""
    opened: bool = False
    protocol: Any = None
    transport: asyncio.Transport | None = None


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class HttpStream:
    """An answer whose body is read as it arrives. Leaving ``Http.stream`` closes it and the upstream request."""

    def __init__(
        self, status: int, headers: dict[str, str], parts: AsyncIterator[bytes], where: str, idle_s: float, mask: Mask
    ) -> None:
        self.status = status
        self.headers = mask.headers(headers)
        self.mask = mask
        self._parts = parts
        self._where = where
        self._idle_s = idle_s
        self._began = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body, one item per read of the network.

        Raises ``ConnectionFailed`` when the connection broke before the first byte, ``StreamInterrupted`` after it, and
        ``UpstreamTimeout`` after ``idle`` seconds of silence.
        """
        while (data := await self._next()) is not None:
            if data:
                yield data

    async def read(self, limit: int) -> bytes:
        """Read the rest of the body, at most ``limit`` bytes of it, the key masked. Raises as ``chunks``."""
        found = bytearray()
        while len(found) < limit and (data := await self._next()) is not None:
            found += data
        return self.mask.data(bytes(found[:limit]))

    async def drain(self, seconds: float) -> None:
        """Read on to the end of the body, within limits, so that the connection can be used again. Raises nothing."""
        read = 0
        try:
            async with asyncio.timeout(seconds):
                while read < DRAIN_BYTES and (data := await self._next()) is not None:
                    read += len(data)
        except Exception:  # noqa: BLE001  what was wanted of the answer is there already
            return

    async def _next(self) -> bytes | None:
        try:
            data = await anext(self._parts)
        except StopAsyncIteration:
            return None
        except OSError as error:
            raise as_provider_error(error, self._where, began=self._began, idle_s=self._idle_s) from None
        if data:
            self._began = True
        return data
