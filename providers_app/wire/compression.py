"""The compression of a body, undone in bounded steps: a few bytes can neither fill the memory nor hold up the loop."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import Any

from providers_app.wire.answer import Broken, Undecodable

PIECE = 64 * 1024
"""Bytes of the longest item."""
GAIN = 8
OVERHEAD = 64 * 1024
"""A body may take ``OVERHEAD`` bytes and ``GAIN`` times what comes out of it.

Compressed data that goes on for ever without giving a byte would pass every limit that counts those.
"""


class Decompressed:
    """The body as it was before a server applied one coding, ``gzip`` or ``deflate`` (RFC 9110, section 8.4.1).

    Give it items of a few KiB. Raises ``Undecodable`` for any other coding, for lists of codings and for bytes that are
    not of the coding, ``Broken`` for a body that ends early.
    """

    def __init__(self, parts: AsyncIterator[bytes], coding: str) -> None:
        self._parts = parts
        self._coding = coding
        self._inflater: Any = None
        self._rest = b""
        self._more = False
        self._allowed = OVERHEAD

    def __aiter__(self) -> "Decompressed":
        return self

    async def __anext__(self) -> bytes:
        while True:
            if not self._more:
                try:
                    self._rest = await anext(self._parts)
                except StopAsyncIteration:
                    if self._inflater is None or self._inflater.eof:
                        raise
                    raise Broken from None
                self._more = True  # also for one who is cancelled now and reads on
                self._allowed -= len(self._rest)
            await asyncio.sleep(0)  # many pieces may come of bytes that are here already
            if piece := self._inflate():
                return piece

    def _inflate(self) -> bytes:
        if self._inflater is None or self._inflater.eof:  # gzip may have several members (RFC 1952, section 2.2)
            self._inflater = zlib.decompressobj(self._window_bits())
        try:
            piece: bytes = self._inflater.decompress(self._rest, PIECE)
        except zlib.error as error:
            raise Undecodable from error
        self._rest = self._inflater.unconsumed_tail or self._inflater.unused_data
        self._more = bool(self._rest) or (len(piece) == PIECE and not self._inflater.eof)
        self._allowed += GAIN * len(piece)
        if self._allowed < 0:
            raise Undecodable
        return piece

    def _window_bits(self) -> int:
        """Return zlib's ``wbits``; the first byte tells a ``deflate`` without a header. Raises ``Undecodable``."""
        if self._coding in ("gzip", "x-gzip"):
            return 16 + zlib.MAX_WBITS
        if self._coding == "deflate":
            return zlib.MAX_WBITS if self._rest[0] & 15 == zlib.DEFLATED else -zlib.MAX_WBITS
        raise Undecodable(self._coding)
