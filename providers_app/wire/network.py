"""Where connections are made: names are resolved off the loop, each address is judged, a judged one is connected to.

The TLS name stays the host, because only the TCP connection goes to the address.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, cast

import httpcore
import httpx

from providers_app.wire.guard import Guard

Resolver = Callable[[str, int], Awaitable[list[str]]]


async def system_resolver(host: str, port: int) -> list[str]:
    """The addresses of ``host`` as the operating system gives them, in its order. Raises ``OSError``."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Watch:
    """Notes whether any byte of a request may have left; httpcore calls it as its ``trace`` extension.

    A connection that is made, secured or waited for sends nothing of the request. A request that a served-out
    connection did not take goes to another one, so once ``True`` it stays.
    """

    __slots__ = ("sending",)

    def __init__(self) -> None:
        self.sending = False

    async def __call__(self, event: str, info: dict[str, Any]) -> None:
        if event.endswith(".send_request_headers.started"):
            self.sending = True


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections to judged addresses only."""

    def __init__(self, guard: Guard, resolver: Resolver = system_resolver) -> None:
        self._guard = guard
        self._resolver = resolver
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises ``AddressRefused``, and httpcore's ``ConnectError`` and ``ConnectTimeout``."""
        now = asyncio.get_running_loop().time
        deadline = now() + (timeout if timeout is not None else 30.0)
        try:
            async with asyncio.timeout_at(deadline):
                found = await self._resolver(host, port)
        except TimeoutError:
            raise httpcore.ConnectTimeout("looking up the name took too long") from None
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name is not known") from error
        addresses = self._guard.judge(host, port, found)
        if not addresses:
            raise httpcore.ConnectError("the name has no address")
        for number, address in enumerate(addresses):
            last = number == len(addresses) - 1
            left = deadline - now()
            # An unreachable first address (often IPv6) must leave time for the others.
            share = left if last else max(left / (len(addresses) - number), min(left, 2.0))
            try:
                return await self._inner.connect_tcp(
                    address, port, timeout=max(share, 0.001), local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if last:
                    raise
        raise AssertionError("unreachable")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise httpcore.ConnectError("unix sockets are not reached from here")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class GuardedTransport(httpx.AsyncBaseTransport):
    """httpx's client over a connection pool whose network is guarded; errors stay httpcore's."""

    def __init__(
        self, backend: GuardedBackend, context: ssl.SSLContext, *, connections: int, keepalive: int, idle_s: float
    ) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=connections,
            max_keepalive_connections=keepalive,
            keepalive_expiry=idle_s,
            network_backend=backend,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(
                    scheme=request.url.raw_scheme,
                    host=request.url.raw_host,
                    port=request.url.port,
                    target=request.url.raw_path,
                ),
                headers=request.headers.raw,
                content=cast(AsyncIterable[bytes], request.stream),
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(cast(AsyncIterable[bytes], answer.stream), answer.aclose),
            extensions=answer.extensions,
        )

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, parts: AsyncIterable[bytes], close: Callable[[], Awaitable[None]]) -> None:
        self._parts = parts
        self._close = close

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._parts:
            yield part

    async def aclose(self) -> None:
        await self._close()
