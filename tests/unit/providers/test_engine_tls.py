"""TLS: the name that is asked for, whose certificates are believed, and that nothing of it holds up the loop."""

import asyncio
import datetime
import ssl
import threading
from collections.abc import AsyncIterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from providers_app.errors import ConnectionFailed
from providers_app.wire import engine
from providers_app.wire.answer import Exchange
from providers_app.wire.guard import Guard
from tests.unit.providers.test_client import OK, get
from tests.unit.providers.test_engine import failure, make, post
from tests.unit.providers.test_engine_answers import until
from tests.unit.providers.test_engine_connections import is_gone, serve_many


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
    ended = asyncio.Event()
    tls[0].sni_callback = lambda connection, name, context: names.append(name)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"/mute " in head:
            writer.write(OK + b"Content-Length: 9\r\n\r\nhalf")
            writer.transport.pause_reading()  # type: ignore[attr-defined]
            await ended.wait()
        await serve_many(reader, writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls[0])
    yield server.sockets[0].getsockname()[1], names
    ended.set()
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


async def test_leaving_does_not_wait_for_a_server_to_end_the_encryption(
    tls: tuple[ssl.SSLContext, str], secured: tuple[int, list[Any]]
) -> None:
    http, exchange = make(Guard(["name.example"]), resolver=loopback, ca_file=tls[1]), Exchange()
    async with http.stream(get(f"https://name.example:{secured[0]}/mute"), exchange=exchange):
        pass
    await until(lambda: is_gone(exchange))
    await http.aclose()


async def test_a_certificate_of_another_name_or_of_nobody_sends_nothing(
    tls: tuple[ssl.SSLContext, str], secured: tuple[int, list[Any]]
) -> None:
    for ca_file in ("", tls[1]):
        http = make(Guard(["other.example"]), resolver=loopback, ca_file=ca_file)
        error = await failure(http, post(f"https://other.example:{secured[0]}/"))
        assert (type(error), error.sent) == (ConnectionFailed, False)
        assert "its TLS certificate was not accepted" in error.message
        assert ("MAESTRO_PROVIDERS__CA_FILE" in error.hint) is (not ca_file), "a private authority, then another name"
        assert not ca_file or "the name that the server's certificate is for" in error.hint
        await http.aclose()


async def test_a_file_of_roots_that_is_missing_is_looked_for_again(
    tls: tuple[ssl.SSLContext, str], secured: tuple[int, list[Any]], tmp_path: Path
) -> None:
    late = tmp_path / "late.pem"
    http = make(Guard(["name.example"]), resolver=loopback, ca_file=str(late))
    url = f"https://name.example:{secured[0]}/"
    error = await failure(http, post(url))
    assert (type(error), error.sent) == (ConnectionFailed, False)
    late.symlink_to(tls[1])
    assert (await http.send(post(url))).status == 200
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
