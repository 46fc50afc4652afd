"""Making of connections: names are resolved off the loop, every address is judged, a judged one is connected to.

The TLS name stays the host, because only the TCP connection goes to the address.
"""

import asyncio
import select
import socket
import ssl
from contextvars import ContextVar
from typing import Any, cast

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult

from providers_app.errors import AddressRefused
from providers_app.wire.answer import Exchange, UnknownName
from providers_app.wire.client import Resolver
from providers_app.wire.guard import Guard

exchange: ContextVar[Exchange] = ContextVar("exchange")
"""The exchange that the running task makes a connection for."""


async def system_resolver(host: str, port: int) -> list[str]:
    """Return the addresses of ``host`` in the operating system's order. Raises ``OSError``."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return a context with the bundled roots and those of ``ca_file``. Call it in a thread. Raises ``OSError``."""
    context = httpx.create_ssl_context(trust_env=False)
    context.set_alpn_protocols(["http/1.1"])
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


class GuardedConnector(aiohttp.TCPConnector):
    """Keeps connections per origin and opens them to judged addresses only.

    Addresses are judged where the socket is made; those of a name together before, as one that is refused refuses it.
    """

    def __init__(self, guard: Guard, resolver: Resolver, **options: Any) -> None:
        self._guard = guard
        super().__init__(
            resolver=_GuardedResolver(guard, resolver), use_dns_cache=False, socket_factory=self._socket, **options
        )

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Any],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  aiohttp's signature
    ) -> Any:
        """Return a connection that the server has not closed; from here on the request counts as sent."""
        current = exchange.get()
        while True:
            current.opened = False
            try:
                connection = await super().connect(req, traces, timeout)
            except AddressRefused as refused:
                if current.allowed_pair or not await self._guard.permits(refused):
                    raise
                current.allowed_pair = refused.pair
                continue
            if current.opened or _is_quiet(connection):
                break
            stale = connection.transport
            connection.close()
            if stale is not None:
                stale.abort()
        current.protocol, current.transport = connection.protocol, connection.transport
        if current.opened:
            if (lost := current.protocol.closed) is None:  # the server closed it already
                connection.close()
                raise aiohttp.ServerDisconnectedError
            lost.add_done_callback(asyncio.Future.exception)  # an error that is never retrieved is logged
            if current.allowed_pair:
                current.protocol.force_close()  # the next request asks anew whether it is still allowed
        if current.check is not None:
            try:
                current.check()
            except BaseException:
                connection.close()
                raise
        current.sending = True
        return connection

    def _socket(self, info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        current = exchange.get()
        current.opened = True
        self._guard.judge(current.host, address[1], [address[0]], current.allowed_pair)
        return socket.socket(family, kind, protocol)


class _GuardedResolver(AbstractResolver):
    """Asks the given resolver and judges all that it found."""

    def __init__(self, guard: Guard, resolver: Resolver) -> None:
        self._guard = guard
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            found = await self._resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise UnknownName("the name is not known") from error
        addresses = self._guard.judge(host, port, found, exchange.get().allowed_pair)
        if not addresses:
            raise UnknownName("the name has no address")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in addresses
        ]

    async def close(self) -> None:
        """Close; nothing is held."""


def _is_quiet(connection: Any) -> bool:
    """Say whether the server neither closed nor wrote to a kept connection.

    Asks the socket too: an end that came while the loop was busy is not in the transport yet.
    """
    protocol, transport = connection.protocol, connection.transport
    if transport is None or protocol.should_close:
        return False
    poll = select.poll()
    poll.register(cast(int, transport.get_extra_info("socket").fileno()), select.POLLIN)
    return not poll.poll(0)
