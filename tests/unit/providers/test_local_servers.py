"""Looking for model servers on this machine: where, how long, and what counts as found."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager

import msgspec
import pytest

from providers_app.sign_in import local
from providers_app.sign_in.local import LocalPlace
from tests.vendors.chat import ChatVendor
from tests.vendors.chat.kinds import KINDS, KindVendor
from tests.vendors.server import VendorServer
from tests.waiting import put_forward

Start = Callable[..., Awaitable[str]]
PORTS = {"ollama": 11434, "lm_studio": 1234, "vllm": 8000, "llama_cpp": 8080}


@contextmanager
def only(monkeypatch: pytest.MonkeyPatch, **addresses: str) -> Iterator[None]:
    """The places are these addresses, by the kind of server."""
    known = {place.choice: place for place in local.places() if place.pair.startswith("127.")}
    found = []
    for kind, base_url in addresses.items():
        pair = base_url.split("/")[2]
        found.append(msgspec.structs.replace(known[kind], base_url=base_url, pair=pair))
    with monkeypatch.context() as patch:
        patch.setattr(local, "places", lambda: tuple(found))
        yield


def test_the_places_are_the_fixed_ports_of_loopback_and_of_the_machine_outside_a_container() -> None:
    expected = {(kind, f"{host}:{port}") for kind, port in PORTS.items() for host in ("127.0.0.1", local.IN_CONTAINERS)}
    assert {(place.choice, place.pair) for place in local.places()} == expected
    for place in local.places():
        assert place.base_url == f"http://{place.pair}/v1" and place.port == PORTS[place.choice]
        assert (place.provider, place.option) == ("remote", "server")


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[VendorServer, VendorServer]]:
    """An Ollama, and a server that wants a key."""
    with (
        VendorServer(KindVendor(KINDS["ollama"]), path="/v1") as ollama,
        VendorServer(ChatVendor(), path="/v1") as closed,
    ):
        yield ollama, closed


@pytest.fixture
def servers(running: tuple[VendorServer, VendorServer]) -> tuple[VendorServer, VendorServer]:
    return running[0].fresh(), running[1].fresh()


@pytest.mark.usefixtures("on_loop")
async def test_what_answers_with_a_list_is_found_with_its_number_of_models(
    monkeypatch: pytest.MonkeyPatch, servers: tuple[VendorServer, VendorServer]
) -> None:
    ollama, closed = servers
    with only(monkeypatch, ollama=ollama.base_url, vllm=closed.base_url, lm_studio="http://127.0.0.1:9/v1"):
        found = {server.place.choice: server for server in await local.find()}
        assert set(found) == {"ollama", "vllm"}
        assert found["ollama"].models and not found["ollama"].needs_key
        assert found["vllm"].needs_key and found["vllm"].models is None
        for server in (ollama, closed):
            seen = list(server.ledger)
            assert [(entry.method, entry.path) for entry in seen] == [("GET", "/v1/models")]
            assert "authorization" not in seen[0].headers


@pytest.fixture
async def answers(raw_server: Start) -> AsyncIterator[Callable[[bytes], Awaitable[str]]]:
    """Starts a server that answers everything with these bytes: its base URL."""

    async def start(data: bytes) -> str:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(data)

        return f"{await raw_server(answer)}/v1"

    yield start


@pytest.mark.usefixtures("on_loop")
async def test_an_empty_list_is_a_server_without_models(
    monkeypatch: pytest.MonkeyPatch, answers: Callable[[bytes], Awaitable[str]]
) -> None:
    with only(monkeypatch, llama_cpp=await answers(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"data":[]}')):
        (found,) = await local.find()
        assert (found.models, found.needs_key) == (0, False)


@pytest.mark.usefixtures("on_loop")
@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/v1/models\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>",
        b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"hello":"world"}',
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n[" + b" " * 2_000_000,
    ],
    ids=["redirect", "404", "page", "other JSON", "no HTTP", "endless"],
)
async def test_anything_else_at_the_port_is_not_found(
    monkeypatch: pytest.MonkeyPatch, answers: Callable[[bytes], Awaitable[str]], data: bytes
) -> None:
    with only(monkeypatch, llama_cpp=await answers(data)):
        assert await local.find() == ()


@pytest.mark.usefixtures("on_loop")
async def test_servers_are_asked_at_once_and_given_up_after_some_seconds(
    monkeypatch: pytest.MonkeyPatch, raw_server: Start
) -> None:
    """Each is connected to before any answers, and by then the seconds are over."""
    connected = 0
    everyone = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected += 1
        if connected == 3:
            put_forward(local.ANSWER_S)
            everyone.set()
        await everyone.wait()
        await asyncio.sleep(0)
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"data":[]}')

    late_ones = [f"{await raw_server(late)}/v1" for _ in range(3)]
    with only(monkeypatch, ollama=late_ones[0], vllm=late_ones[1], lm_studio=late_ones[2]):
        assert await local.find() == ()
    assert everyone.is_set()


@pytest.mark.usefixtures("on_loop")
async def test_a_place_to_skip_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, servers: tuple[VendorServer, VendorServer]
) -> None:
    with only(monkeypatch, vllm=servers[0].base_url):
        assert await local.find(skip={servers[0].base_url.split("/")[2]}) == ()
    assert not list(servers[0].ledger)


@pytest.mark.usefixtures("on_loop")
async def test_the_same_kind_on_loopback_and_outside_a_container_is_shown_once(
    monkeypatch: pytest.MonkeyPatch, servers: tuple[VendorServer, VendorServer]
) -> None:
    url = servers[0].base_url
    first = LocalPlace("remote", "server", "ollama", "Ollama", url, url.split("/")[2])
    other = url.replace("127.0.0.1", "localhost")
    second = msgspec.structs.replace(first, base_url=other, pair=other.split("/")[2])
    monkeypatch.setattr(local, "places", lambda: (first, second))
    assert [one.place for one in await local.find()] == [first]
