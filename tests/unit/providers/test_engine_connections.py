"""Connections: kept while they are good, never shared with an answer that goes on, closed at once when left."""

import asyncio
import gc
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import aiohttp
import pytest

from providers_app.errors import ConnectionFailed
from providers_app.wire import engine
from providers_app.wire.answer import Exchange
from providers_app.wire.client import Http
from tests.unit.providers.test_client import OK, get, reset
from tests.unit.providers.test_engine import EMPTY, Start, failure, make, post
from tests.waiting import put_forward, until


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = make()
    yield client
    await client.aclose()


class Threaded:
    """A server outside the loop, so that it acts while the loop does not run. It answers one request per line of
    ``script``: the bytes to say, and ``None`` to close."""

    def __init__(self, *script: bytes | None) -> None:
        self.script = list(script)
        self.accepted = 0
        self.step = threading.Event()
        self.stepped = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:{1}/".format(*self.listener.getsockname())
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._answer, args=(connection, self.accepted == 1), daemon=True).start()

    def _asked(self, connection: socket.socket) -> bytes:
        try:
            return connection.recv(65536)
        except ConnectionResetError:
            return b""

    def _answer(self, connection: socket.socket, first: bool) -> None:
        with connection:
            while self._asked(connection):
                connection.sendall(OK + b"Content-Length: 2\r\n\r\n" + (b"ok" if first else b"2!"))
                if first:
                    self.step.wait()
                    for said in self.script:
                        if said is not None:
                            connection.sendall(said)
                    if None in self.script:
                        connection.shutdown(socket.SHUT_RDWR)
                    self.stepped.set()


@pytest.mark.parametrize("script", [(None,), (b"HTTP/1.1 408 Late\r\nContent-Length: 0\r\n\r\n",), (b"noise",)])
@pytest.mark.parametrize("noticed", [False, True])
async def test_a_kept_connection_that_the_server_ended_or_wrote_to_is_not_used(
    http: Http, script: tuple[bytes | None, ...], noticed: bool
) -> None:
    server = Threaded(*script)
    with closing(server.listener):
        assert (await http.send(post(server.url))).body == b"ok"
        server.step.set()
        server.stepped.wait()  # the loop stands still meanwhile
        if noticed:
            await asyncio.sleep(0.05)
        assert (await http.send(post(server.url))).body == b"2!"
        assert server.accepted == 2


async def serve_many(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(EMPTY)
    while True:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(EMPTY)


async def test_a_fresh_request_has_a_connection_of_its_own(raw_server: Start, http: Http) -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await serve_many(reader, writer)

    url = await raw_server(answer)
    for fresh in (False, True, True, False):
        await http.send(get(url), fresh=fresh)
    assert connections == 3


async def test_a_connection_that_is_not_used_for_long_is_closed(
    raw_server: Start, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "IDLE_CONNECTION_S", 0.05)
    gone = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(EMPTY)
        await reader.read()
        gone.set()

    await http.send(get(await raw_server(answer)))
    async with asyncio.timeout(60):
        await gone.wait()


async def test_kept_connections_that_break_are_not_logged_as_errors(raw_server: Start) -> None:
    logged: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: logged.append(context["message"]))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(EMPTY)
        await writer.drain()
        await asyncio.sleep(0.05)
        reset(writer)

    http, url = make(), await raw_server(answer)
    for _ in range(3):
        exchange = Exchange()
        async with http.stream(get(url), exchange=exchange):
            pass
        await until(lambda exchange=exchange: is_gone(exchange))  # type: ignore[misc]
    await http.aclose()
    del http, exchange
    gc.collect()
    assert logged == []


async def test_a_connection_that_is_not_free_in_time_sends_nothing(
    raw_server: Start, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_CONNECTIONS", 1)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 9\r\n\r\nhalf")
        await reader.read()

    url = await raw_server(answer)
    async with http.stream(get(url), idle_timeout=60):
        asyncio.get_running_loop().call_later(0.05, put_forward, 20)
        error = await failure(http, get(url))
    assert (type(error), error.sent) == (ConnectionFailed, False)
    assert "No connection" in error.message


async def test_a_connection_that_is_lost_before_it_is_used_sends_nothing(
    raw_server: Start, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = aiohttp.TCPConnector.connect

    async def connect_and_lose(*arguments: Any) -> Any:
        connection: Any = await connect(*arguments)
        connection.transport.abort()
        await asyncio.sleep(0)
        assert connection.protocol.closed is None
        return connection

    monkeypatch.setattr(aiohttp.TCPConnector, "connect", connect_and_lose)
    error = await failure(http, post(await raw_server(serve_many)))
    assert (type(error), error.sent) == (ConnectionFailed, False)


async def test_a_request_that_is_cancelled_is_seen_to_end_by_the_server(raw_server: Start, http: Http) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        gone.set()

    task = asyncio.create_task(http.send(post(await raw_server(answer))))
    await asked.wait()
    task.cancel()
    async with asyncio.timeout(60):
        await gone.wait()


def is_gone(exchange: Exchange) -> bool:
    if exchange.transport is None:
        return False
    open_socket = exchange.transport.get_extra_info("socket")
    return open_socket is None or open_socket.fileno() == -1


async def test_a_cancelled_body_that_the_server_does_not_take_keeps_no_connection(
    raw_server: Start, http: Http
) -> None:
    exchange, ended = Exchange(), asyncio.Event()
    held: list[Any] = []  # nothing else refers to a connection that is not read from

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)
        await ended.wait()

    async def ask(url: str) -> None:
        async with http.stream(post(url, bytes(30_000_000)), exchange=exchange, idle_timeout=60):
            pass

    task = asyncio.create_task(ask(await raw_server(answer)))
    await until(lambda: exchange.transport is not None and exchange.transport.get_write_buffer_size() > 0)
    await asyncio.sleep(0.3)  # by then the network takes no more
    task.cancel()
    await until(lambda: is_gone(exchange))
    ended.set()
