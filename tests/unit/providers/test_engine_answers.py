"""What arrives over HTTP: bodies of every form come whole, at once and in bounded memory, and never end by mistake."""

import asyncio
import gc
import gzip
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import pytest

from providers_app.errors import ConnectionFailed, ProviderError, StreamInterrupted
from providers_app.wire.answer import Exchange
from providers_app.wire.client import Http, HttpLimits
from providers_app.wire.guard import Guard
from tests.unit.providers.test_client import OK, Local, get, reset
from tests.waiting import until

Start = Callable[..., Awaitable[str]]
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n"


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = Http(guard=Guard(["127.0.0.1"]), limits=HttpLimits(connect_s=20, idle_s=20))
    yield client
    await client.aclose()


def saying(*parts: bytes, then: str = "close") -> Any:
    """An answer in these writes; ``then`` the server will ``close`` or ``reset`` the connection or ``keep`` it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.02)
        if then == "reset":
            reset(writer)
        elif then == "keep":
            await reader.read()

    return answer


async def collect(http: Http, url: str) -> tuple[bytes, ProviderError | None]:
    """What came of the body, and the error that ended it."""
    found = b""
    try:
        async with http.stream(get(url)) as stream:
            async for data in stream.chunks():
                found += data
    except ProviderError as error:
        return found, error
    return found, None


@pytest.mark.parametrize(
    "parts",
    [
        (CHUNKED + b"Trailer: X-Sum\r\n\r\n3\r\none\r\n", b"3;ext=1\r\ntwo\r\n0\r\nX-Sum: 1\r\n\r\n"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", OK + b"\r\nonetwo"),
        (b"HTTP/1.0 200 OK\r\n\r\n", b"one", b"two"),
        (OK + b"Content-Length: 6\r\n\r\none", b"two"),
    ],
)
async def test_every_form_of_a_body_comes_whole(raw_server: Start, http: Http, parts: tuple[bytes, ...]) -> None:
    assert await collect(http, await raw_server(saying(*parts))) == (b"onetwo", None)


@pytest.mark.parametrize(
    ("parts", "then"),
    [
        ((OK + b"Content-Length: 10\r\n\r\nhalf",), "close"),
        ((CHUNKED + b"\r\n4\r\nhalf\r\n",), "close"),
        ((CHUNKED + b"\r\n9\r\nhalf",), "close"),
        ((CHUNKED + b"\r\n4\r\nhalf\r\n", b"zz\r\nno chunk\r\n"), "keep"),
        ((OK + b"\r\nhalf",), "reset"),
        ((OK + b"Content-Length: 10\r\n\r\nhalf",), "reset"),
    ],
)
@pytest.mark.parametrize("late", [False, True])
async def test_a_body_that_is_cut_short_is_given_and_then_an_interruption(
    raw_server: Start, http: Http, parts: tuple[bytes, ...], then: str, late: bool
) -> None:
    exchange = Exchange()
    url = await raw_server(saying(*parts, then=then))
    found = b""
    async with http.stream(get(url), exchange=exchange) as stream:
        if late:  # the end is known before anybody reads what came before it
            await until(lambda: exchange.transport is None or exchange.transport.is_closing())
        with pytest.raises(StreamInterrupted, match="was reset" if then == "reset" else "did not speak HTTP"):
            async for data in stream.chunks():
                found += data
    assert found == b"half"


@pytest.mark.parametrize(
    "head",
    [
        OK + b"X-Long: " + b"x" * 200_000 + b"\r\nContent-Length: 0\r\n\r\n",
        OK + b"".join(b"X-%d: 1\r\n" % number for number in range(2000)) + b"Content-Length: 0\r\n\r\n",
        OK + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabc",
        OK + b"Content-Length: three\r\n\r\nabc",
        CHUNKED + b"\r\nzz\r\nabc\r\n",
        b"HTTP/1.1 200\x00 OK\r\n\r\n",
        b"HTTP/2 200 OK\r\nbroken\r\n\r\n",
    ],
)
async def test_a_head_that_cannot_be_used_is_a_failed_connection(raw_server: Start, http: Http, head: bytes) -> None:
    with pytest.raises(ConnectionFailed, match="did not speak HTTP"):
        await http.send(get(await raw_server(saying(head, then="keep"))))


async def test_a_long_header_is_read(raw_server: Start, http: Http) -> None:
    answer = saying(OK + b"X-Long: " + b"x" * 60_000 + b"\r\nX-Two: a\r\nx-two: b\r\nContent-Length: 0\r\n\r\n")
    found = await http.send(get(await raw_server(answer)))
    assert (len(found.headers["x-long"]), found.headers["x-two"]) == (60_000, "a, b")


async def test_a_server_is_held_back_while_nobody_reads(raw_server: Start, http: Http) -> None:
    exchange = Exchange()
    body = bytes(8_000_000)
    async with http.stream(
        get(await raw_server(saying(OK + b"Content-Length: 8000000\r\n\r\n" + body))), exchange=exchange
    ) as stream:
        await until(lambda: exchange.transport is not None and not exchange.transport.is_reading())
        assert sum([len(data) async for data in stream.chunks()]) == len(body)


async def count(http: Http, raw_server: Start, first: Callable[[Any], Awaitable[None]]) -> int:
    """Over how many connections two answers come when the first is left as ``first`` does."""
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            writer.write(CHUNKED + b"\r\n3\r\none\r\n")
            await asyncio.sleep(0.05)
            writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")

    url = await raw_server(answer)
    async with http.stream(get(url)) as stream:
        await anext(stream.chunks())
        await first(stream)
    assert await collect(http, url) == (b"onetwo", None)
    return connections


async def test_draining_keeps_the_connection_and_leaving_early_does_not(raw_server: Start, http: Http) -> None:
    async def leave(stream: Any) -> None:
        pass

    assert await count(http, raw_server, lambda stream: stream.drain(5)) == 1
    assert await count(http, raw_server, leave) == 2


async def test_draining_never_raises_what_a_responder_does() -> None:
    local = Local(b"one", RuntimeError("a fault of its own"))
    async with local_client(local).stream(get("local://answer")) as stream, aclosing(stream.chunks()) as parts:
        assert await anext(parts) == b"one"
        await stream.drain(5)
    assert local.closed


async def test_draining_can_be_cancelled() -> None:
    async with local_client(Local(60.0)).stream(get("local://answer")) as stream:
        task = asyncio.create_task(stream.drain(60))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def local_client(local: Local) -> Http:
    return Http(guard=Guard(), local=lambda scheme: local)


@contextmanager
def abandoned() -> Iterator[list[Any]]:
    """Collect the asynchronous generators that nothing refers to any more and that were not closed.

    Used inside a test, because the loop sets the hooks anew for each coroutine that it is run for.
    """
    found: list[Any] = []
    before = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(finalizer=found.append)
    try:
        yield found
    finally:
        sys.set_asyncgen_hooks(*before)


async def leave_early(http: Http, url: str) -> None:
    async with http.stream(get(url)) as stream, aclosing(stream.chunks()) as parts:
        await anext(parts)


async def test_an_answer_that_is_left_early_leaves_nothing_open(raw_server: Start, http: Http) -> None:
    zipped, local = gzip.compress(bytes(200_000)), Local(b"one", b"two")
    head = OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(zipped)
    with abandoned() as found:
        await leave_early(http, await raw_server(saying(head + zipped)))
        await leave_early(local_client(local), "local://answer")
        gc.collect()
    assert (local.closed, found) == (True, [])
