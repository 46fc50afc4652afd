"""Connections: kept while they are good, never shared with an answer that goes on, closed at once when left."""

import asyncio
import datetime
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from providers_app.errors import ConnectionFailed
from providers_app.wire import engine
from providers_app.wire.client import Http
from providers_app.wire.guard import Guard
from tests.unit.providers.test_client import OK, get
from tests.unit.providers.test_engine import EMPTY, Start, failure, make, post


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
    async with asyncio.timeout(5):
        await gone.wait()


async def test_a_connection_that_is_not_free_in_time_sends_nothing(
    raw_server: Start, http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MAX_CONNECTIONS", 1)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 9\r\n\r\nhalf")
        await reader.read()

    url = await raw_server(answer)
    async with http.stream(get(url), idle_timeout=5):
        error = await failure(http, get(url))
    assert (type(error), error.sent) == (ConnectionFailed, False)
    assert "No connection" in error.message


@pytest.mark.parametrize("size", [0, 30_000_000])
async def test_a_request_that_is_cancelled_closes_its_connection_at_once(
    raw_server: Start, http: Http, size: int
) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        if size:
            await asyncio.sleep(0.1)  # what was sent by then is more than the network holds
        try:
            await reader.read()
        finally:
            gone.set()

    task = asyncio.create_task(http.send(post(await raw_server(answer), bytes(size))))
    await asked.wait()
    task.cancel()
    async with asyncio.timeout(2):
        await gone.wait()


# TLS


@pytest.fixture
def tls(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A server's context for ``name.example``, and the file of the root that signed it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "name.example")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("name.example"), x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    root = tmp_path / "root.pem"
    root.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    secret = tmp_path / "key.pem"
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(root, secret)
    return context, str(root)


@pytest.fixture
async def secured(tls: tuple[ssl.SSLContext, str]) -> AsyncIterator[tuple[int, list[Any]]]:
    """The port of a TLS server, and the names that it was asked for."""
    names: list[Any] = []
    tls[0].sni_callback = lambda connection, name, context: names.append(name)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await serve_many(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls[0])
    yield server.sockets[0].getsockname()[1], names
    server.close()


async def loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


async def test_the_tls_name_is_the_host_although_an_address_is_connected_to(
    tls: tuple[ssl.SSLContext, str], secured: tuple[int, list[Any]]
) -> None:
    http = make(Guard(["name.example"]), resolver=loopback, ca_file=tls[1])
    for _ in range(2):
        assert (await http.send(get(f"https://name.example:{secured[0]}/"))).status == 200
    assert secured[1] == ["name.example"]
    await http.aclose()


async def test_a_certificate_of_another_name_or_of_nobody_sends_nothing(
    tls: tuple[ssl.SSLContext, str], secured: tuple[int, list[Any]]
) -> None:
    for ca_file in ("", tls[1]):
        http = make(Guard(["other.example"]), resolver=loopback, ca_file=ca_file)
        error = await failure(http, post(f"https://other.example:{secured[0]}/"))
        assert (type(error), error.sent) == (ConnectionFailed, False)
        assert "its TLS certificate was not accepted" in error.message
        await http.aclose()


async def test_the_tls_context_is_made_once_and_not_on_the_loop(
    tls: tuple[ssl.SSLContext, str], secured: tuple[int, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bool] = []

    def context(ca_file: str) -> ssl.SSLContext:
        made.append(threading.current_thread() is threading.main_thread())
        return tls_context(ca_file)

    tls_context = engine.tls_context
    monkeypatch.setattr(engine, "tls_context", context)
    http = make(Guard(["name.example"]), resolver=loopback, ca_file=tls[1])

    async def same(request: Any) -> Any:
        return request

    view = http.through(same)
    url = f"https://name.example:{secured[0]}/"
    await asyncio.gather(*(client.send(get(url), fresh=fresh) for client in (http, view) for fresh in (True, False)))
    assert made == [False]
    await http.aclose()
