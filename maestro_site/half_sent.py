"""uvicorn's HTTP protocol, which also cuts requests that are not sent to their end."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LIMIT_S = 30.0
"""Seconds in which a connection sends the whole head of a request."""
LEAST_BYTES = 8 * 1024
"""Bytes of a body that arrive in each further ``LIMIT_S``."""
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class TimedProtocol(HttpToolsProtocol):
    """Without it, a client that stops in the middle of a request keeps its connection for as long as it likes."""

    _alarm: asyncio.TimerHandle | None = None
    _in_body = False
    _arrived = 0

    def connection_made(self, transport: Any) -> None:
        """Begin to count when the connection is made: one on which nothing is sent is cut, too."""
        super().connection_made(transport)
        self._set_alarm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop counting."""
        self._stop_alarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Begin to count with the first byte of a further request on the same connection."""
        if self._alarm is None:
            self._set_alarm()
        self._arrived += len(data)
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Count the body from now on."""
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Stop counting: the answer may take any time."""
        self._stop_alarm()
        super().on_message_complete()

    def _set_alarm(self) -> None:
        self._arrived = 0
        self._alarm = self.loop.call_later(LIMIT_S, self._late)

    def _stop_alarm(self) -> None:
        self._in_body = False
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _late(self) -> None:
        # Reading is paused while the application has not taken what came: then it is not the client that is slow.
        if self._in_body and (self._arrived >= LEAST_BYTES or self.flow.read_paused):
            self._set_alarm()
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(TIMED_OUT)
        self.transport.close()
