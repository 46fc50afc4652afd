"""A request that stops on its way is cut after half a minute; one that goes on, and a long answer, are not."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from maestro_site.half_sent import LEAST_BYTES, LIMIT_S, TimedProtocol
from tests.waiting import put_forward, until

HEAD = b"POST /x HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n"


class Application:
    """Reads the body and answers with its length once it may."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.read = 0
        self.gone = False

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        length, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                return
            length += len(message["body"])
            self.read, more = length, message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
        await self.may_answer.wait()
        await send({"type": "http.response.body", "body": b"%06d" % length})


@asynccontextmanager
async def client(
    application: Application, connections: set[Any] | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    config = uvicorn.Config(application, http=TimedProtocol, log_config=None, lifespan="off", timeout_keep_alive=3600)
    config.load()
    state = ServerState()
    state.connections = set() if connections is None else connections
    server = await asyncio.get_running_loop().create_server(
        lambda: TimedProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    await until(lambda: state.connections)
    yield reader, writer
    writer.close()
    server.close()


async def pass_time(seconds: float) -> None:
    put_forward(seconds)
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize("sent", [b"", b"P", b"GET / HTTP/1.1\r\nhost: x\r\n", HEAD % 10 + b"12345"], ids=len)
async def test_what_stops_on_its_way_is_cut(sent: bytes) -> None:
    application = Application()
    async with client(application) as (reader, writer):
        writer.write(sent)
        await until(lambda: application.read == 5 or not sent.endswith(b"12345"))
        await pass_time(LIMIT_S - 1)
        assert not reader.at_eof()
        await pass_time(LIMIT_S)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        await until(lambda: application.gone or not sent.endswith(b"12345"))


async def test_a_body_that_comes_slowly_but_comes_is_read_to_its_end() -> None:
    application = Application()
    async with client(application) as (reader, writer):
        writer.write(HEAD % (3 * LEAST_BYTES))
        for part in range(1, 4):
            writer.write(b"x" * LEAST_BYTES)
            await until(lambda part=part: application.read == part * LEAST_BYTES)
            await pass_time(LIMIT_S * 1.5)
        assert (await reader.readuntil(b"%06d" % (3 * LEAST_BYTES))).startswith(b"HTTP/1.1 200 ")


async def test_a_body_that_drips_is_cut() -> None:
    application = Application()
    async with client(application) as (reader, writer):
        writer.write(HEAD % 100)
        for part in range(1, 3):
            writer.write(b"x")
            await until(lambda part=part: application.read == part)
            await pass_time(LIMIT_S * 0.6)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")


async def test_a_long_answer_and_the_pause_after_it_are_not_cut_but_the_next_half_request_is() -> None:
    application = Application()
    application.may_answer.clear()
    connections: set[TimedProtocol] = set()
    async with client(application, connections) as (reader, writer):
        writer.write(HEAD % 0)
        await reader.readuntil(b"\r\n\r\n")
        await pass_time(LIMIT_S * 20)
        application.may_answer.set()
        assert await reader.readexactly(6) == b"000000"
        await pass_time(LIMIT_S * 20)
        writer.write(HEAD % 0)
        assert b"200 OK" in await reader.readuntil(b"000000")
        writer.write(b"GET")
        await until(lambda: any(connection._arrived == 3 for connection in connections))
        assert not reader.at_eof()
        await pass_time(LIMIT_S * 2)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
