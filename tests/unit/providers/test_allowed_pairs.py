"""A private ``host:port`` that the owner allowed: asked for where the connection is made, for each request anew."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from providers_app.errors import AddressRefused
from providers_app.types.http import HttpRequest
from providers_app.wire.client import Http, HttpLimits
from providers_app.wire.guard import Guard

Start = Callable[..., Awaitable[str]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


class Owner:
    """The owner's decisions, and how often they were read."""

    def __init__(self, *pairs: str) -> None:
        self.pairs = set(pairs)
        self.asked = 0

    async def __call__(self) -> frozenset[str]:
        self.asked += 1
        await asyncio.sleep(0)
        return frozenset(self.pairs)


def make(owner: Owner, *, allowed: tuple[str, ...] = (), **options: Any) -> Http:
    return Http(guard=Guard(allowed, owner), limits=HttpLimits(connect_s=20, idle_s=20), **options)


def get(url: str) -> HttpRequest:
    return HttpRequest(method="GET", url=url, headers={})


class Server:
    """A server that counts its connections, and keeps each open for the next request."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.connections = 0

    async def port(self) -> int:
        return int((await self.start(self.answer)).rpartition(":")[2])

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.write(OK)
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(OK)


@pytest.fixture
def server(raw_server: Start) -> Server:
    return Server(raw_server)


async def to_loopback(host: str, port: int) -> list[str]:
    return ["127.0.0.1"]


async def refusal(http: Http, url: str) -> AddressRefused:
    with pytest.raises(AddressRefused) as caught:
        await http.send(get(url))
    return caught.value


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "ollama.lan"])
async def test_the_host_and_port_are_reached_and_nothing_else(server: Server, host: str) -> None:
    port = await server.port()
    owner = Owner(f"ollama.lan:{port}" if host == "ollama.lan" else f"127.0.0.1:{port}")
    http = make(owner, resolver=to_loopback)
    assert (await http.send(get(f"http://{host}:{port}/"))).body == b"hi"
    other = "127.0.0.1" if host == "ollama.lan" else "ollama.lan"
    assert (await refusal(http, f"http://{other}:{port}/")).pair == f"{other}:{port}"
    assert (await refusal(http, f"http://{host}:{port + 1}/")).pair.endswith(f":{port + 1}")
    assert server.connections == 1
    await http.aclose()


async def test_a_permission_that_was_taken_back_holds_no_connection_open(server: Server) -> None:
    port = await server.port()
    owner = Owner(f"127.0.0.1:{port}")
    http = make(owner)
    for _ in range(2):
        assert (await http.send(get(f"http://127.0.0.1:{port}/"))).status == 200
    assert (server.connections, owner.asked) == (2, 2)
    owner.pairs.clear()
    await refusal(http, f"http://127.0.0.1:{port}/")
    assert server.connections == 2
    await http.aclose()


async def test_what_the_setting_allows_is_not_asked_for_and_its_connection_is_kept(server: Server) -> None:
    port = await server.port()
    owner = Owner()
    http = make(owner, allowed=("127.0.0.1",))
    for _ in range(2):
        assert (await http.send(get(f"http://127.0.0.1:{port}/"))).status == 200
    assert (server.connections, owner.asked) == (1, 0)
    await http.aclose()


async def test_an_allowed_name_that_turns_to_a_metadata_service_is_refused(server: Server) -> None:
    """Between the refusal and the second look-up, or at any later one."""
    port = await server.port()
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])

    async def rebinding(host: str, port: int) -> list[str]:
        return next(answers)

    http = make(Owner(f"model.lan:{port}"), resolver=rebinding)
    refused = await refusal(http, f"http://model.lan:{port}/")
    assert "metadata" in refused.message and not refused.pair
    assert server.connections == 0
    await http.aclose()


async def test_the_address_that_was_judged_is_connected_to(server: Server) -> None:
    port = await server.port()
    answers = iter([["127.0.0.1"], ["127.0.0.1"], ["127.0.0.9"]])

    async def rebinding(host: str, port: int) -> list[str]:
        return next(answers)

    http = make(Owner(f"model.lan:{port}"), resolver=rebinding)
    assert (await http.send(get(f"http://model.lan:{port}/"))).body == b"hi"
    assert next(answers) == ["127.0.0.9"]  # never looked up: one more would be another address
    await http.aclose()
