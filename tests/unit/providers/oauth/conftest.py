"""A token endpoint of bytes on a real socket: it notes each request and answers as the test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import parse_qs

import msgspec
import pytest

from providers_app.behaviours.oauth.endpoint import TokenEndpoint
from providers_app.dispatch.clients import make
from providers_app.registry.settings import ProvidersConfig
from providers_app.wire.client import Http

Behave = Callable[["Seen", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Seen(msgspec.Struct):
    """One request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(self.body.decode(), strict_parsing=True).items()}

    @property
    def json(self) -> dict[str, str]:
        return json.loads(self.body)


class TokenServer:
    """``answers`` are taken one after the other, the last one again and again."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.answers: list[Behave] = []
        self.origin = ""

    @property
    def endpoint(self) -> TokenEndpoint:
        return TokenEndpoint(url=f"{self.origin}/token")

    def answer(self, status: int, body: bytes | dict | list | str = b"", **headers: str) -> None:
        """Answer the next request like this."""
        self.answers.append(reply(status, body, **headers))

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            seen = Seen(head[0], headers, body)
            self.seen.append(seen)
            behave = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            await behave(seen, reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


def reply(status: int, body: bytes | dict | list | str = b"", **headers: str) -> Behave:
    """An answer in one piece; header names are written with underscores."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(data)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]

    async def behave(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)

    return behave


@pytest.fixture
async def server() -> AsyncIterator[TokenServer]:
    made = TokenServer()
    listening = await asyncio.start_server(made.handle, "127.0.0.1", 0)
    made.origin = "http://127.0.0.1:{1}".format(*listening.sockets[0].getsockname())
    yield made
    listening.close()


@pytest.fixture
async def http(loopback: ProvidersConfig) -> AsyncIterator[Http]:
    client = make(loopback)
    yield client
    await client.aclose()
