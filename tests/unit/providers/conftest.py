"""Fixtures: the test's loop as provider loop, loopback allowed, stores in memory, and small servers of bytes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from providers_app import conf, loop, ports
from providers_app.registry.settings import ProvidersConfig, build_model
from tests.unit.providers.memory_store import MemoryAliases, MemoryContexts, MemorySessions

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
async def on_loop() -> AsyncIterator[asyncio.AbstractEventLoop]:
    """The running test's loop is the provider loop."""
    loop.detach()
    running = asyncio.get_running_loop()
    loop.attach(running)
    yield running
    await loop.shutdown(0.5)


@pytest.fixture
def loopback() -> Iterator[ProvidersConfig]:
    """Addresses of this machine may be reached; what never comes is waited for until ``put_forward(20)``."""
    settings = build_model()(
        allowed_private_hosts=("127.0.0.1",),
        connect_timeout_s=20,
        idle_timeout_s=20,
        lookup_timeout_s=60,
        max_retries=0,
    )
    with conf.use(settings):
        yield settings


@pytest.fixture
def sessions() -> Iterator[MemorySessions]:
    store = MemorySessions()
    with ports.use(sessions=store):
        yield store


@pytest.fixture
def aliases(sessions: MemorySessions) -> Iterator[MemoryAliases]:
    store = MemoryAliases(sessions)
    with ports.use(aliases=store):
        yield store


@pytest.fixture
def contexts() -> Iterator[MemoryContexts]:
    store = MemoryContexts()
    with ports.use(contexts=store):
        yield store


@pytest.fixture
async def raw_server() -> AsyncIterator[Callable[..., Awaitable[str]]]:
    """Starts servers that answer a connection with whatever bytes the test writes; gives their addresses."""
    servers: list[asyncio.Server] = []

    async def start(answer: Answer, *, at_once: bool = False) -> str:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                if not at_once:
                    await reader.readuntil(b"\r\n\r\n")
                await answer(reader, writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        servers.append(server)
        return "http://127.0.0.1:{1}".format(*server.sockets[0].getsockname())

    yield start
    for server in servers:
        server.close()
