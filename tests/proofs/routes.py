"""Two routes, one of which fails: no error reaches a client.

An alias has two sessions. Before each request the first one's circuit is closed by hand, so that it is really asked,
and it fails before its first output in one way; the second one answers. A cell is such a way, and counts the errors
that reached the client, how often the failing route was asked, and how often the answer names it with its reason.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec

from providers_app import conf, errors, loop, ports, provider
from providers_app.dispatch import lanes
from providers_app.registry.settings import build_model
from providers_app.types.credentials import Credential
from providers_app.types.events import StreamEnd, StreamStart
from providers_app.types.session_limits import SessionLimits
from tests.unit.providers.memory_store import MemoryAliases, MemorySessions

TITLE = "Two routes, one of which fails"
SILENT_S = 0.1
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def stream(*events: str) -> bytes:
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    return (head + "".join(f"data: {event}\n\n" for event in events)).encode()


def refused(status: int, *headers: str) -> bytes:
    head = "\r\n".join([f"HTTP/1.1 {status} No", "Content-Type: application/json", "Connection: close", *headers])
    return f'{head}\r\n\r\n{{"error":{{"message":"no {status}"}}}}'.encode()


BEGUN = '{"id":"1","model":"m","choices":[{"index":0,"delta":{"role":"assistant"}}]}'
ANSWER = stream(
    '{"id":"1","model":"m","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}',
    '{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}',
    "[DONE]",
)
SENT: dict[str, bytes | None] = {
    **{f"status {status}": refused(status) for status in (401, 402, 403, 404, 408, 409, 413, 429, 500, 502, 503, 529)},
    "429, Retry-After in seconds": refused(429, "Retry-After: 30"),
    "429, Retry-After as a date": refused(429, "Retry-After: Wed, 21 Oct 2099 07:28:00 GMT"),
    "429, retry-after-ms": refused(429, "retry-after-ms: 20000"),
    "refused inside a 200": stream(BEGUN, '{"error":{"message":"overloaded","code":503}}'),
    "cut after the handshake": stream(BEGUN),
    "HTML": b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html></html>",
    "wrong content type": b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nConnection: close\r\n\r\n\x89PNG",
    "no HTTP": b"SSH-2.0-OpenSSH\r\n",
    "reset before the headers": b"",
    "empty answer": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\n\r\n",
    "silence": None,
}
HERE = ("connection refused", "address refused", "credential cannot be opened", "session disabled", "queue full")
CELLS = (*SENT, *HERE, "circuit open")


class Sessions(MemorySessions):
    """Sessions of which one may not open."""

    closed = ""

    async def lookup(self, *args: Any, **options: Any) -> tuple[ports.Session, Credential]:
        found = await super().lookup(*args, **options)
        if found[0].name == self.closed:
            raise errors.NotConfigured("The key ring does not open the credential.")
        return found


class Cell:
    """One way to fail, and what came of the requests."""

    def __init__(self, name: str, requests: int) -> None:
        self.name, self.requests = name, requests
        self.asked = self.told = 0
        self.failed: list[str] = []

    async def play(self) -> None:
        """Ask the alias so many times."""
        store = Sessions()
        aliases = MemoryAliases(store)
        bad, good = (
            await asyncio.start_server(self._fail, "127.0.0.1", 0),
            await asyncio.start_server(answer, "127.0.0.1", 0),
        )
        allowed = "127.0.0.1"
        settings = build_model()(allowed_private_hosts=(allowed,), max_retries=0, request_timeout_s=30)
        try:
            with ports.use(sessions=store, aliases=aliases), conf.use(settings):
                urls = [address(server) for server in (bad, good)]
                if self.name == "connection refused":
                    bad.close()
                    await bad.wait_closed()
                for name, url in zip(("bad", "good"), urls, strict=True):
                    await provider.create_session(
                        "remote", "api_key", name=name, api_key="sk-local-1234567890", base_url=url
                    )
                self._prepare(store, aliases)
                for _ in range(self.requests):
                    self._again()
                    await self._ask()
        finally:
            for server in (bad, good):
                server.close()

    def _prepare(self, store: Sessions, aliases: MemoryAliases) -> None:
        aliases.add("both", ("bad", "m"), ("good", "m"), sticky=False)
        key, (session, credential) = next(iter(store.rows.items()))
        if self.name == "session disabled":
            session = msgspec.structs.replace(session, status="disabled")
        if self.name == "silence":  # its own deadline, which leaves the other route all the time that it needs
            session = msgspec.structs.replace(session, limits=SessionLimits(timeout_s=SILENT_S))
        if self.name == "address refused":
            credential = msgspec.structs.replace(credential, base_url="http://10.0.0.1:9")
        store.rows[key] = session, credential
        store.closed = "bad" if self.name == "credential cannot be opened" else ""

    def _again(self) -> None:
        """Let the failing route be asked as if nothing had happened before."""
        every, now = lanes.current(), asyncio.get_running_loop().time()
        for key, breaker in every.breakers.items():
            breaker.close()
            if key[1] == "s1" and self.name == "circuit open":
                breaker._open(now, "it failed", 60.0)
        for key, door in every.doors.items():
            door.lane.requests._paused_until = 0.0
            if key[1] == "s1" and self.name == "queue full":
                door.lane.slots.slots = door.lane.queue.max_size = 0
        for route in every._routes.values():
            route.pace.__init__()  # type: ignore[misc]

    async def _ask(self) -> None:
        try:
            given = provider.stream_chat("alias", "both", "Hello", timeout=60)
            events = [event async for event in given]
        except errors.ProviderError as error:
            self.failed.append(error.code)
            return
        if not isinstance(events[-1], StreamEnd):
            self.failed.append("broke off")
        routing = next(event.routing for event in events if isinstance(event, StreamStart))
        self.told += routing is not None and [one.session for one in routing.left] == ["bad"]

    async def _fail(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            body = SENT.get(self.name, b"")
            if body is None:
                await reader.read()
            else:
                writer.write(body)
                await writer.drain()
        writer.close()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request."""
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        await writer.drain()
    writer.close()


def address(server: asyncio.Server) -> str:
    return "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())


def run(requests: int, say: Callable[[str], None], cells: tuple[str, ...] = CELLS) -> bool:
    """Play each cell with so many requests; return whether no error reached the client."""
    say("| the first route | requests | asked | named with its reason | errors |")
    say("|---|---:|---:|---:|---:|")
    whole = True
    for name in cells:
        cell = Cell(name, requests)
        asyncio.run(_played(cell))
        whole = whole and not cell.failed and (cell.told == requests or name == "queue full")
        reasons = " ".join(sorted(set(cell.failed)))
        say(f"| {name} | {requests} | {cell.asked} | {cell.told} | {len(cell.failed)} {reasons} |")
    return whole


async def _played(cell: Cell) -> None:
    loop.detach()
    loop.attach(asyncio.get_running_loop())
    try:
        await cell.play()
    finally:
        await loop.shutdown(0.5)
