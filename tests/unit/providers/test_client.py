import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from socket import SO_LINGER, SOL_SOCKET
from typing import Any

import pytest

from providers_app.errors import (
    AddressRefused,
    BadAnswer,
    ConnectionFailed,
    ProviderError,
    StreamInterrupted,
    UpstreamTimeout,
)
from providers_app.types.http import HttpRequest, LocalAnswer
from providers_app.wire.client import Http, HttpLimits
from providers_app.wire.guard import Guard
from tests.waiting import put_forward

Start = Callable[..., Awaitable[str]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


def make(**options: Any) -> Http:
    options.setdefault("guard", Guard(["127.0.0.1"]))
    return Http(
        limits=HttpLimits(connect_s=20, idle_s=20, request_s=20, max_body=1000), user_agent="Maestro/1", **options
    )


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    client = make()
    yield client
    await client.aclose()


def get(url: str, **headers: str) -> HttpRequest:
    return HttpRequest(method="GET", url=url, headers=headers)


def reset(writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_a_whole_answer_with_lower_case_headers_whatever_its_status(raw_server: Start, http: Http) -> None:
    async def answer(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 418 No\r\nX-Kind: Tea\r\nContent-Length: 3\r\n\r\nhot")

    found = await http.send(get(await raw_server(answer)))
    assert (found.status, found.headers["x-kind"], found.body) == (418, "Tea", b"hot")


async def test_the_bytes_and_headers_sent_are_the_request_and_what_complete_headers_says(
    raw_server: Start, http: Http
) -> None:
    seen: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readexactly(7))
        writer.write(OK + b"Content-Length: 0\r\n\r\n")

    url = await raw_server(answer)
    request = HttpRequest(method="POST", url=url + "/x?y=1", headers={"x-key": "1"}, body=b'{"a":1}')
    assert (await http.send(request)).status == 200
    assert seen == [b'{"a":1}']
    headers = http.complete_headers(request)
    assert headers == {
        "host": url.removeprefix("http://"),
        "user-agent": "Maestro/1",
        "accept-encoding": "identity",
        "content-length": "7",
        "x-key": "1",
    }


async def test_a_redirect_is_an_answer_and_never_followed(raw_server: Start, http: Http) -> None:
    asked = 0

    async def answer(reader: Any, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")

    assert (await http.send(get(await raw_server(answer)))).status == 302
    assert asked == 1


async def test_cookies_of_one_answer_are_not_sent_with_the_next_request(raw_server: Start) -> None:
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            writer.write(OK + b"Set-Cookie: who=first; Path=/\r\nContent-Length: 0\r\n\r\n")
            heads.append(await reader.readuntil(b"\r\n\r\n"))

    async def resolver(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    http = make(resolver=resolver)
    url = (await raw_server(answer)).replace("127.0.0.1", "name.example")  # few jars keep cookies of addresses
    await http.send(get(url))
    await http.send(get(url))
    assert heads and b"cookie" not in heads[0].lower()
    await http.aclose()


async def test_a_body_over_the_limit_is_refused(raw_server: Start, http: Http) -> None:
    async def answer(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 5000\r\n\r\n" + b"x" * 5000)

    with pytest.raises(BadAnswer, match="more than 1000 bytes"):
        await http.send(get(await raw_server(answer)))


async def test_the_deadline_covers_a_body_that_trickles(raw_server: Start, http: Http) -> None:
    async def answer(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 500\r\n\r\n")
        for number in range(500):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)
            if number == 3:
                put_forward(10)

    with pytest.raises(UpstreamTimeout, match="within 10 s"):
        await http.send(get(await raw_server(answer)), timeout=10)


async def test_a_stream_gives_what_arrives_when_it_arrives(raw_server: Start, http: Http) -> None:
    more = asyncio.Event()

    async def answer(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await more.wait()
        writer.write(b"3\r\ntwo\r\n0\r\n\r\n")

    async with http.stream(get(await raw_server(answer))) as stream:
        assert stream.status == 200
        chunks = stream.chunks()
        assert await anext(chunks) == b"one"
        more.set()
        assert [chunk async for chunk in chunks] == [b"two"]


async def test_silence_before_and_in_the_middle_of_an_answer_is_a_timeout(raw_server: Start, http: Http) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        put_forward(20)
        await reader.read()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 10\r\n\r\nhalf")
        await reader.read()

    with pytest.raises(UpstreamTimeout, match="did not answer"):
        async with http.stream(get(await raw_server(silent))):
            pass
    with pytest.raises(UpstreamTimeout, match="in the middle"):
        async with http.stream(get(await raw_server(half))) as stream:
            async for _ in stream.chunks():
                put_forward(20)


async def test_a_reset_in_the_middle_is_an_interruption_and_before_the_body_a_failed_connection(
    raw_server: Start, http: Http
) -> None:
    read_half = asyncio.Event()

    async def middle(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 10\r\n\r\nhalf")
        await read_half.wait()
        reset(writer)

    async def before(reader: Any, writer: asyncio.StreamWriter) -> None:
        reset(writer)

    async def closed(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 10\r\n\r\n")

    async with http.stream(get(await raw_server(middle))) as stream:
        chunks = stream.chunks()
        assert await anext(chunks) == b"half"
        read_half.set()
        with pytest.raises(StreamInterrupted):
            await anext(chunks)
    with pytest.raises(ConnectionFailed):
        await http.send(get(await raw_server(before)))
    with pytest.raises(ConnectionFailed):
        await http.send(get(await raw_server(closed)))


async def test_what_does_not_speak_http_and_a_closed_port_are_failed_connections(
    raw_server: Start, http: Http, unused_tcp_port: int
) -> None:
    async def noise(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00\x01 SSH-2.0\r\n\r\n")

    with pytest.raises(ConnectionFailed):
        await http.send(get(await raw_server(noise)))
    with pytest.raises(ConnectionFailed, match="refused"):
        await http.send(get(f"http://127.0.0.1:{unused_tcp_port}/secret-path?key=secret-key"))
    url = await raw_server(noise, at_once=True)
    with pytest.raises(ConnectionFailed, match="TLS"):
        await http.send(get(url.replace("http:", "https:")))


async def test_errors_name_the_host_and_neither_path_nor_headers(http: Http, unused_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}/secret-path?key=secret-key"
    with pytest.raises(ProviderError) as caught:
        await http.send(get(url, authorization="Bearer secret-token"))
    assert "127.0.0.1" in caught.value.message
    assert "secret" not in str(caught.value) + caught.value.hint
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("url", ["http://host:99999/", "nothing", "ftp://host/", "http://[::1/"])
async def test_an_address_that_is_none_is_a_failed_connection(http: Http, url: str) -> None:
    with pytest.raises(ConnectionFailed):
        await http.send(get(url))


async def test_a_header_that_no_request_can_carry_is_a_failed_connection(http: Http, raw_server: Start) -> None:
    async def answer(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 0\r\n\r\n")

    with pytest.raises(ConnectionFailed):
        await http.send(get(await raw_server(answer), **{"x-key": "line\r\nbreak"}))


async def leaves(http: Http, url: str, how: str) -> None:
    async with http.stream(get(url)) as stream:
        async for _ in stream.chunks():
            if how == "leave":
                return
            await asyncio.sleep(30)


@pytest.mark.parametrize("how", ["leave", "cancel"])
async def test_leaving_or_cancelling_closes_the_upstream_connection(raw_server: Start, http: Http, how: str) -> None:
    asked, gone = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        asked.set()
        await reader.read()
        gone.set()

    task = asyncio.create_task(leaves(http, await raw_server(answer), how))
    await asked.wait()
    if how == "cancel":
        await asyncio.sleep(0.05)
        task.cancel()
    await asyncio.wait({task})
    async with asyncio.timeout(60):
        await gone.wait()


async def test_a_connection_is_used_again_after_a_whole_answer(raw_server: Start, http: Http) -> None:
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(2):
            writer.write(OK + b"Content-Length: 1\r\n\r\nx")
            await reader.readuntil(b"\r\n\r\n")

    url = await raw_server(answer)
    for _ in range(2):
        async with http.stream(get(url)) as stream:
            assert [chunk async for chunk in stream.chunks()] == [b"x"]
    assert connections == 1


async def test_a_name_that_resolves_to_a_private_address_is_refused_where_the_connection_is_made(
    raw_server: Start,
) -> None:
    asked: list[str] = []

    async def answer(reader: Any, writer: asyncio.StreamWriter) -> None:
        asked.append("connected")

    port = int((await raw_server(answer)).rpartition(":")[2])

    async def resolver(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    http = make(guard=Guard(), resolver=resolver)
    with pytest.raises(AddressRefused):
        await http.send(get(f"http://innocent.example:{port}/"))
    assert asked == []
    allowed = make(guard=Guard([f"innocent.example:{port}"]), resolver=resolver)
    with pytest.raises(ConnectionFailed):  # it connects; the server closes without an answer
        await allowed.send(get(f"http://innocent.example:{port}/"))
    assert asked == ["connected"]
    await http.aclose()
    await allowed.aclose()


async def test_the_judged_address_is_connected_to_even_if_the_name_changes_its_mind(raw_server: Start) -> None:
    async def answer(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 2\r\n\r\nhi")

    port = int((await raw_server(answer)).rpartition(":")[2])
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])

    async def resolver(host: str, port: int) -> list[str]:
        return next(answers)

    http = make(guard=Guard(["127.0.0.1"]), resolver=resolver)
    assert (await http.send(get(f"http://rebinding.example:{port}/"))).body == b"hi"
    assert next(answers) == ["169.254.169.254"]  # one look-up per connection
    await http.aclose()


async def test_an_unknown_name_is_a_failed_connection() -> None:
    async def resolver(host: str, port: int) -> list[str]:
        raise OSError(-2, "Name or service not known")

    http = make(resolver=resolver)
    with pytest.raises(ConnectionFailed, match="the name is not known"):
        await http.send(get("http://nowhere.example/"))


async def test_the_second_address_is_tried_when_the_first_refuses(raw_server: Start) -> None:
    async def answer(reader: Any, writer: asyncio.StreamWriter) -> None:
        writer.write(OK + b"Content-Length: 0\r\n\r\n")

    port = int((await raw_server(answer)).rpartition(":")[2])

    async def resolver(host: str, port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    http = make(guard=Guard(["127.0.0.0/8"]), resolver=resolver)
    assert (await http.send(get(f"http://two.example:{port}/"))).status == 200
    await http.aclose()


class Local:
    """A responder that fails in a chosen way."""

    def __init__(self, *steps: Any) -> None:
        self.steps = steps
        self.closed = False

    async def __call__(self, request: HttpRequest) -> LocalAnswer:
        if self.steps and isinstance(self.steps[0], Exception):
            raise self.steps[0]
        return LocalAnswer(status=200, headers={"Content-Type": "x"}, chunks=self.chunks())

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            for step in self.steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    put_forward(20)
                    await asyncio.sleep(step)
                else:
                    yield step
        finally:
            self.closed = True


async def read(local: Local) -> list[bytes]:
    http = make(local=lambda scheme: local if scheme == "local" else None)
    async with http.stream(get("local://answer")) as stream:
        assert stream.headers == {"content-type": "x"}
        return [chunk async for chunk in stream.chunks()]


async def test_a_local_responder_answers_its_scheme() -> None:
    local = Local(b"one", b"", b"two")
    assert await read(local) == [b"one", b"two"]
    assert local.closed


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ((ConnectionError("no"),), ConnectionFailed),
        ((TimeoutError(),), UpstreamTimeout),
        ((b"one", ConnectionResetError("no")), StreamInterrupted),
        ((b"one", TimeoutError()), UpstreamTimeout),
        ((b"one", 60.0), UpstreamTimeout),
    ],
)
async def test_failures_of_a_local_responder_are_those_of_a_network(
    steps: tuple[Any, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await read(Local(*steps))
