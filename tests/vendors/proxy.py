"""A strict outgoing proxy on loopback: tunnels by CONNECT (RFC 9110, 9.3.6), and a ledger of what it was asked."""

import asyncio
import base64
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

HEAD_BYTES = 16 * 1024


@dataclass
class Asked:
    """One request to the proxy: its first line, its headers in small letters, and the status of the answer."""

    line: str
    headers: dict[str, str]
    status: int = 0


@dataclass
class StrictProxy:
    """``with StrictProxy({"api.example:443": ("127.0.0.1", port)}) as proxy: ... proxy.url ... proxy.asked``

    ``hosts`` are the targets that it knows and where they lead; no other is connected to. ``user`` is
    ``name:password``, without which it answers 407. ``refuses`` is a status for every request, ``silent``
    never answers.
    """

    hosts: dict[str, tuple[str, int]]
    user: str = ""
    refuses: int = 0
    silent: bool = False
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="strict-proxy", daemon=True)

    @property
    def url(self) -> str:
        """Its address, without a user."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._end is not None
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(20)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._end = asyncio.Event()
        server = await asyncio.start_server(self._one, "127.0.0.1", 0, limit=HEAD_BYTES)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.close()
            return
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-2])
        }
        entry = Asked(head[0], headers)
        self.asked.append(entry)
        if self.silent:
            await reader.read()
            return
        method, target, version = (*head[0].split(" "), "", "")[:3]
        entry.status = self._judged(method, target, version, headers)
        if entry.status != 200:
            challenge = 'Proxy-Authenticate: Basic realm="out"\r\n' if entry.status == 407 else ""
            writer.write(f"HTTP/1.1 {entry.status} No\r\n{challenge}Content-Length: 0\r\n\r\n".encode())
            writer.close()
            return
        host, port = self.hosts[target]
        up_reader, up_writer = await asyncio.open_connection(host, port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pump(reader, up_writer), _pump(up_reader, writer), return_exceptions=True)

    def _judged(self, method: str, target: str, version: str, headers: dict[str, str]) -> int:
        if method != "CONNECT":
            return 405
        host, _, port = target.rpartition(":")
        if version != "HTTP/1.1" or not host or not port.isdigit() or headers.get("host") not in (host, target):
            return 400
        expected = f"Basic {base64.b64encode(self.user.encode()).decode()}" if self.user else None
        if headers.get("proxy-authorization") != expected:
            return 407
        if set(headers) & {"authorization", "x-api-key", "content-length", "transfer-encoding", "cookie"}:
            return 400  # nothing that is meant for the server, and no body
        if self.refuses:
            return self.refuses
        return 200 if target in self.hosts else 403


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(64 * 1024):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
