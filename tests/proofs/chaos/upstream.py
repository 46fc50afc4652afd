"""Providers that fail on request: OpenAI-compatible servers on raw sockets, each on a port of its own, with a ledger.

A ``Provider`` answers with forty words until ``fail`` gives it a fault, and again after ``heal``. The ledger has every
request and each byte of its answer with the time at which it was written.
"""

import asyncio
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import msgspec

WORDS = 40
BROKEN_AT = 20
"""Words that are sent before the fault, where an answer breaks in its middle."""
WORD_S = 0.004
MODEL = "chaos"
SSE_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


class Asked(msgspec.Struct, kw_only=True):
    """One request. Times are seconds of ``time.monotonic()``; ``sent`` has the time and the size of each write.

    ``left`` is when the client closed the connection, before or after the answer's end; 0: it did not yet.
    """

    at: float
    prompt: str
    sent: list[tuple[float, int]] = []
    text: str = ""
    body: bytes = b""
    healthy: bool = False
    left: float = 0.0

    def text_until(self, moment: float) -> str:
        """Return the text of the whole frames that were written until ``moment``."""
        size = sum(count for at, count in self.sent if at <= moment)
        return text_of(self.body[:size])


class Writing:
    """The answer to one request, as it is written."""

    def __init__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        self.asked, self._writer = asked, writer

    async def raw(self, data: bytes) -> None:
        """Write bytes that are no part of the answer's body."""
        self._writer.write(data)
        await self._writer.drain()

    async def body(self, data: bytes) -> None:
        """Write a piece of the body, and note it. Raises ``OSError`` where the client has left."""
        if self._writer.transport.is_closing():
            raise ConnectionResetError
        self.asked.sent.append((time.monotonic(), len(data)))
        self.asked.body += data
        await self.raw(data)

    def reset(self) -> None:
        """Break the connection with a TCP reset."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Play = Callable[[Writing], Awaitable[None]]
"""Answer one request in the way of a fault."""


def frames(words: int = WORDS) -> list[bytes]:
    """Return the body of a whole answer, frame by frame."""
    head = _frame({"role": "assistant", "content": ""})
    return [head, *(_frame({"content": f"word{n} "}) for n in range(words)), *ENDING]


def _frame(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c1", "model": MODEL, "choices": [choice]}).encode() + b"\n\n"


ENDING = (_frame({}, "stop"), b"data: [DONE]\n\n")


def text_of(body: bytes) -> str:
    """Return the text in the events of a body; of its last one where it is whole but for the line's end."""
    found = []
    for line in body.split(b"\n\n"):
        if line.startswith(b'data: {"id"'):
            with suppress(ValueError):
                found.append(json.loads(line[6:])["choices"][0]["delta"].get("content") or "")
    return "".join(found)


async def whole(writing: Writing) -> None:
    """Answer with forty words."""
    await writing.raw(SSE_HEAD)
    for frame in frames():
        await writing.body(frame)
        await asyncio.sleep(WORD_S)
    writing.asked.healthy = True


class Provider:
    """One server on a port of its own. Its methods are called from any thread."""

    def __init__(self, name: str, upstream: "Upstream") -> None:
        self.name = name
        self.asked: list[Asked] = []
        self.port = 0
        self._upstream = upstream
        self._play: Play = whole
        self._server: asyncio.Server | None = None
        self._watched: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        """The base URL of its session."""
        return f"http://127.0.0.1:{self.port}/v1"

    def fail(self, play: Play | None) -> None:
        """Answer so from now on; ``None``: refuse connections."""
        if play is None:
            self._upstream.run(self._close())
        else:
            self._play = play

    def heal(self) -> float:
        """Answer as one should, and return the time of that."""
        self._play = whole
        self._upstream.run(self.open())
        return time.monotonic()

    def healthy_since(self, moment: float) -> float | None:
        """Return when the first request after ``moment`` came that was answered whole."""
        return next((one.at for one in self.asked if one.healthy and one.at >= moment), None)

    async def open(self) -> None:
        """Listen, on the same port as before."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, backlog=2048)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = await reader.readuntil(b"\r\n\r\n")
            size = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
            body = await reader.readexactly(int(size[1]) if size else 0)
            if b"POST" not in head[:8]:
                await self._listing(writer)
            else:
                prompt = json.loads(body)["messages"][-1]["content"]
                asked = Asked(at=time.monotonic(), prompt=prompt if isinstance(prompt, str) else prompt[0]["text"])
                self.asked.append(asked)
                self._watched.add(watch := asyncio.create_task(_note_left(asked, reader)))
                watch.add_done_callback(self._watched.discard)
                await self._play(Writing(asked, writer))
        writer.close()

    async def _listing(self, writer: asyncio.StreamWriter) -> None:
        data = json.dumps({"object": "list", "data": [{"id": MODEL, "object": "model"}]}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + data)
        await writer.drain()


async def _note_left(asked: Asked, reader: asyncio.StreamReader) -> None:
    with suppress(OSError):
        await reader.read()
    asked.left = time.monotonic()


class Upstream:
    """``with Upstream() as upstream: upstream.provider("refused").base_url``. One thread serves all providers."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="upstream", daemon=True)

    def provider(self, name: str) -> Provider:
        """Return a new provider that listens."""
        made = Provider(name, self)
        self.run(made.open())
        return made

    def run(self, work: Any) -> Any:
        """Run a coroutine on the thread of the providers; returns its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
