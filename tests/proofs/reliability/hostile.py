"""A provider that never ends its answers: an OpenAI-compatible server whose model names say what it sends."""

import asyncio
import gzip
import json
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Self

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n%s\r\n"
GZIP = b"Content-Encoding: gzip\r\n"
START = '{"id":"1","model":"m","choices":[{"index":0,"delta":'
INFLATED = 10 * 1024**3
PACKED = 16 * 1024 * 1024


def _piece(delta: str) -> bytes:
    return f"data: {START}{delta}}}]}}\n\n".encode()


def _text(text: str) -> bytes:
    return _piece(json.dumps({"content": text}))


def _inflating() -> Iterator[bytes]:
    """Members of gzip (RFC 1952, section 2.2) that are 10 GB of text together."""
    piece = _text("x" * 4000)
    member = gzip.compress(piece * (PACKED // len(piece)), 9, mtime=0)
    return (member for _ in range(INFLATED // PACKED))


def _endless(data: bytes) -> Iterator[bytes]:
    return iter(lambda: data, None)


def _line() -> Iterator[bytes]:
    yield f'data: {START}{{"content":"'.encode()
    yield from _endless(b"x" * 65536)


def _calls() -> Iterator[bytes]:
    for number in range(10_000_000):
        call = {"index": number, "id": f"c{number}", "function": {"name": "f", "arguments": "{}"}}
        yield _piece(json.dumps({"tool_calls": [call]}))


def _short() -> Iterator[bytes]:
    yield _text("Good day")
    yield f'data: {START}{{}},"finish_reason":"stop"}}]}}\n\ndata: [DONE]\n\n'.encode()


ANSWERS = {
    "endless-text": lambda: _endless(_text("word " * 200)),
    "endless-events": lambda: _endless(_text("a ") * 200),
    "endless-reasoning": lambda: _endless(_piece(json.dumps({"reasoning_content": "hm " * 300}))),
    "endless-line": _line,
    "endless-calls": _calls,
    "endless-arguments": lambda: _endless(
        _piece('{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"' + "1" * 1000 + '"}}]}')
    ),
    "inflating": _inflating,
    "short": _short,
}
"""By the name of the model, what its answer consists of."""


class HostileServer:
    """``with HostileServer() as server: ... server.base_url``. It reads as fast as it is allowed to send."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hostile", daemon=True)
        self.base_url = ""

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.base_url = "http://{}:{}/v1".format(*server.sockets[0].getsockname()[:2])
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            size = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(size[1]) if size else 0)
            model = str(json.loads(body or b"{}").get("model", "short"))
            writer.write(HEAD % (GZIP if model == "inflating" else b""))
            for piece in ANSWERS[model]():
                writer.write(piece)
                await writer.drain()
        writer.close()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
