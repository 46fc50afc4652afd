"""What is sent over HTTP: the very bytes, once, to judged addresses only, and whether any of it may have left."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from providers_app.errors import AddressRefused, ConnectionFailed, UpstreamError, UpstreamTimeout
from providers_app.types.http import HttpRequest
from providers_app.wire import engine  # noqa: F401  loaded late, it would use up the seconds of the first test
from providers_app.wire.client import Http, HttpLimits
from providers_app.wire.guard import Guard, pair_of
from tests.unit.providers.test_client import OK, reset
from tests.waiting import put_forward

Start = Callable[..., Awaitable[str]]
EMPTY = OK + b"Content-Length: 0\r\n\r\n"
IDLE_S = 20


def make(guard: Guard | None = None, **options: Any) -> Http:
    return Http(
        guard=guard or Guard(["127.0.0.1"]), limits=HttpLimits(connect_s=20, idle_s=IDLE_S, request_s=60), **options
    )


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = make()
    yield client
    await client.aclose()


def post(url: str, body: bytes = b"x=1", **headers: str) -> HttpRequest:
    return HttpRequest(method="POST", url=url, headers=headers, body=body)


async def failure(http: Http, request: HttpRequest, **options: Any) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await http.send(request, **options)
    return caught.value


async def refused(http: Http, url: str) -> str:
    with pytest.raises(AddressRefused) as caught:
        await http.send(post(url))
    return caught.value.message


# Whether anything was sent


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    put_forward(IDLE_S)
    await reader.read()


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer)


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize(
    ("answer", "kind", "why"),
    [
        (hang_up, ConnectionFailed, "closed before"),
        (break_off, ConnectionFailed, "was reset"),
        (silent, UpstreamTimeout, "did not answer"),
    ],
)
async def test_a_request_that_was_read_is_sent_and_never_sent_again(
    raw_server: Start, http: Http, method: str, answer: Any, kind: type[UpstreamError], why: str
) -> None:
    read = 0

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal read
        read += 1
        await answer(reader, writer)

    error = await failure(http, HttpRequest(method=method, url=await raw_server(counting)), timeout=IDLE_S)
    assert (type(error), error.sent, read) == (kind, True, 1)
    assert why in error.message


async def unknown(host: str, port: int) -> list[str]:
    raise socket.gaierror(-2, "Name or service not known")


async def nothing(host: str, port: int) -> list[str]:
    return []


async def endless(host: str, port: int) -> list[str]:
    put_forward(20)
    await asyncio.Event().wait()
    return []


async def private(host: str, port: int) -> list[str]:
    return ["127.0.0.1", "10.0.0.1"]


@pytest.mark.parametrize(
    ("resolver", "kind", "why"),
    [
        (unknown, ConnectionFailed, "the name is not known"),
        (nothing, ConnectionFailed, "the name has no address"),
        (endless, ConnectionFailed, "No connection to name.example within 20 s"),
    ],
)
async def test_a_name_without_a_usable_address_sends_nothing(
    resolver: Any, kind: type[UpstreamError], why: str
) -> None:
    http = make(resolver=resolver)
    error = await failure(http, post("http://name.example/"))
    assert (type(error), error.sent) == (kind, False)
    assert why in error.message
    early = await failure(http, post("http://name.example/"), timeout=5) if resolver is endless else error
    assert early.sent is False
    await http.aclose()


async def test_a_name_with_one_private_address_among_others_is_refused(raw_server: Start) -> None:
    connected: list[bool] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.append(True)

    http = make(resolver=private)
    port = (await raw_server(answer, at_once=True)).rpartition(":")[2]
    assert (await refused(http, f"http://name.example:{port}/")).startswith(f"name.example:{port} is a private address")
    assert connected == []
    await http.aclose()


async def test_a_connection_that_is_not_made_or_not_secured_sends_nothing(
    raw_server: Start, http: Http, unused_tcp_port: int
) -> None:
    refused = await failure(http, post(f"http://127.0.0.1:{unused_tcp_port}/"))
    mute = await raw_server(silent, at_once=True)
    unfinished = await failure(http, post(mute.replace("http:", "https:")))
    ended = await raw_server(hang_up, at_once=True)
    broken = await failure(http, post(ended.replace("http:", "https:")))
    assert [error.sent for error in (refused, unfinished, broken)] == [False] * 3
    assert "refused" in refused.message
    assert "within 20 s" in unfinished.message


async def test_a_body_that_the_server_does_not_take_is_a_timeout(raw_server: Start, http: Http) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        put_forward(IDLE_S)
        await asyncio.Event().wait()

    request = post(await raw_server(answer), bytes(30_000_000))
    with pytest.raises(UpstreamTimeout, match="did not answer"):
        async with asyncio.timeout(60), http.stream(request):
            pass


async def test_a_large_body_arrives_whole(raw_server: Start, http: Http) -> None:
    body = bytes(range(256)) * 20_000
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readexactly(len(body)))
        writer.write(EMPTY)

    await http.send(post(await raw_server(answer), body))
    assert seen == [body]


# The very bytes


async def head_of(http: Http, request: HttpRequest, **options: Any) -> bytes:
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(EMPTY)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await http.send(msgspec.structs.replace(request, url=request.url.replace("PORT", str(port))), **options)
    server.close()
    return heads[0].replace(str(port).encode(), b"PORT")


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "POST", "PUT", "PATCH"])
@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_the_head_is_what_complete_headers_says_and_nothing_else(http: Http, method: str, body: bytes) -> None:
    request = HttpRequest(
        method=method, url="http://user:word@127.0.0.1:PORT/%7e/a%2Fb?q=a%20b&q=+:@!", headers={"X-Key": "1"}, body=body
    )
    lines = (await head_of(http, request)).decode().split("\r\n")
    assert lines[0] == f"{method} /%7e/a%2Fb?q=a%20b&q=+:@! HTTP/1.1"
    said = http.complete_headers(
        HttpRequest(method=method, url="http://127.0.0.1:1/", headers={"X-Key": "1"}, body=body)
    )
    assert lines[1:-2] == [f"{name}: {value}" for name, value in {**said, "host": "127.0.0.1:PORT"}.items()]


async def test_a_fresh_request_says_that_its_connection_ends(http: Http) -> None:
    assert b"\r\nconnection: close\r\n" in await head_of(http, post("http://127.0.0.1:PORT/"), fresh=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-key", "ümlaut"),
        ("x-key", " 1"),
        ("x-key", "1\r\nx-other: 2"),
        ("x key", "1"),
        ("x:key", "1"),
        ("x-key\nx-other", "1"),
        ("", "1"),
        ("Expect", "100-continue"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Length", "2"),
        ("Content-Length", "03"),
    ],
)
async def test_a_header_that_cannot_be_sent_as_it_is_sends_nothing(http: Http, name: str, value: str) -> None:
    await assert_invalid(http, {name: value})


async def assert_invalid(http: Http, headers: dict[str, str]) -> None:
    error = await failure(http, msgspec.structs.replace(post("http://127.0.0.1:9/"), headers=headers))
    assert (type(error), error.sent) == (ConnectionFailed, False)
    assert "a header is not valid" in error.message


async def test_the_length_of_the_body_is_said_once_and_is_true(http: Http) -> None:
    request = msgspec.structs.replace(post("http://127.0.0.1:PORT/"), headers={"Content-Length": "3"})
    assert (await head_of(http, request)).lower().count(b"\r\ncontent-length: 3\r\n") == 1
    await assert_invalid(http, {"Content-Length": "3", "content-length": "3"})


# Addresses


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f.1", "127.1", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"]
)
async def test_an_address_written_out_is_judged_in_every_spelling(raw_server: Start, host: str) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(EMPTY)

    port = (await raw_server(answer)).rpartition(":")[2]
    http = make(Guard())
    assert (await refused(http, f"http://{host}:{port}/")).startswith(
        f"{pair_of(host, int(port))} is a private address"
    )
    await http.aclose()


async def test_another_spelling_of_an_allowed_address_is_reached(raw_server: Start, http: Http) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(EMPTY)

    port = (await raw_server(answer)).rpartition(":")[2]
    assert (await http.send(post(f"http://2130706433:{port}/"))).status == 200
