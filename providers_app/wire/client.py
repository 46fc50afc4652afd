"""The one HTTP client: every request of every provider goes through ``Http``.

One pool of connections per origin (a shared pool would be searched from end to end at each request). Underneath is an
httpx transport, not ``httpx.AsyncClient``: the client's cookie jar would carry one session's cookies into another's.
Redirects are answers like any other and never followed, proxies and ``.netrc`` of the environment are not read.
"""

import asyncio
import copy
import ssl
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import msgspec

from providers_app.errors import BadAnswer, UpstreamError, UpstreamTimeout
from providers_app.types.http import HttpRequest, LocalResponder
from providers_app.wire.answer import HttpResponse, HttpStream
from providers_app.wire.failures import CONNECT_TIMEOUTS, NETWORK_ERRORS, as_provider_error
from providers_app.wire.guard import DEFAULT_PORTS, Guard
from providers_app.wire.mask import Mask
from providers_app.wire.network import GuardedBackend, GuardedTransport, Resolver, Watch, system_resolver

MAX_ORIGINS = 64
MAX_CONNECTIONS = 1000
MAX_IDLE_CONNECTIONS = 20
IDLE_CONNECTION_S = 30.0

Route = Callable[[HttpRequest], Awaitable[HttpRequest]]
"""Where a finished request really goes."""


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds and bytes that hold where a call names none."""

    connect_s: float = 10.0
    idle_s: float = 120.0
    request_s: float = 600.0
    max_body: int = 64 * 1024 * 1024


class Http:
    """Sends ``HttpRequest`` values. It belongs to the loop that it is used on first."""

    def __init__(
        self,
        *,
        guard: Guard,
        limits: HttpLimits = HttpLimits(),
        user_agent: str = "Maestro",
        local: Callable[[str], LocalResponder | None] = lambda scheme: None,
        resolver: Resolver = system_resolver,
        ca_file: str = "",
    ) -> None:
        """``local`` gives the responder of a URL scheme served in this process; ``ca_file`` adds trusted roots."""
        self.limits = limits
        self._backend = GuardedBackend(guard, resolver)
        self._user_agent = user_agent
        self._local = local
        self._ca_file = ca_file
        self._route: Route | None = None
        self._context: ssl.SSLContext | None = None
        self._transports: OrderedDict[tuple[str, str, int], httpx.AsyncBaseTransport] = OrderedDict()
        self._in_use: dict[tuple[str, str, int], int] = {}

    def through(self, route: Route) -> Self:
        """The same client, with the same connections, that sends every request where ``route`` says."""
        view = copy.copy(self)
        view._route = route
        return view

    async def routed(self, request: HttpRequest) -> HttpRequest:
        """The request as it will be sent. Raises as the route does."""
        return request if self._route is None else await self._route(request)

    def complete_headers(self, request: HttpRequest) -> dict[str, str]:
        """The headers that are really sent, in order: the request's own and those that this client adds."""
        given = {name.lower() for name in request.headers}
        added = {"host": _host_header(request.url), "user-agent": self._user_agent, "accept-encoding": "identity"}
        if request.body or request.method not in ("GET", "HEAD", "DELETE"):
            added["content-length"] = str(len(request.body))
        return {**{name: value for name, value in added.items() if name not in given}, **request.headers}

    async def send(
        self,
        request: HttpRequest,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  the deadline is the contract, and it covers the body
        max_body: int | None = None,
    ) -> HttpResponse:
        """The whole answer within ``timeout`` seconds, whatever its status.

        Raises ``AddressRefused``, ``ConnectionFailed``, ``StreamInterrupted``, ``UpstreamTimeout``, and ``BadAnswer``
        for a body larger than ``max_body`` bytes. ``sent`` of such an error says whether any byte may have left.
        """
        watch = Watch()
        try:
            return await self._send(request, timeout, max_body, watch)
        except UpstreamError as error:
            error.sent = watch.sending
            raise

    async def _send(
        self,
        request: HttpRequest,
        timeout: float | None,  # noqa: ASYNC109  as in ``send``
        max_body: int | None,
        watch: Watch,
    ) -> HttpResponse:
        seconds = timeout if timeout is not None else self.limits.request_s
        limit = max_body if max_body is not None else self.limits.max_body
        try:
            async with (
                asyncio.timeout(seconds) as deadline,
                self.stream(request, idle_timeout=seconds, watch=watch) as answer,
            ):
                body = await answer.read(limit + 1)
        except TimeoutError:
            if not deadline.expired():
                raise
            raise UpstreamTimeout(f"{_where(request.url)} did not answer within {seconds:g} s.") from None
        if len(body) > limit:
            raise BadAnswer(f"{_where(request.url)} answered with more than {limit} bytes.", status=answer.status)
        return HttpResponse(status=answer.status, headers=answer.headers, body=body)

    @asynccontextmanager
    async def stream(
        self, request: HttpRequest, *, idle_timeout: float | None = None, watch: Watch | None = None
    ) -> AsyncGenerator[HttpStream, None]:
        """The answer with its body still to come; ``idle_timeout`` is the longest silence, in seconds.

        ``watch`` is told when the request begins to leave.

        Raises ``AddressRefused``, ``ConnectionFailed`` and ``UpstreamTimeout`` before the block is entered.
        """
        request = await self.routed(request)
        idle_s = idle_timeout if idle_timeout is not None else self.limits.idle_s
        responder = self._local(request.url.partition("://")[0].lower())
        if responder is not None:
            if watch is not None:
                watch.sending = True
            async with self._open_local(responder, request, idle_s) as stream:
                yield stream
            return
        key, where = _origin(request.url), _where(request.url)
        transport = self._transport(key)
        self._in_use[key] = self._in_use.get(key, 0) + 1
        try:
            answer = await self._open(transport, request, where, idle_s, watch)
            try:
                headers = {name.lower(): value for name, value in answer.headers.items()}
                yield HttpStream(answer.status_code, headers, answer.aiter_bytes(), where, idle_s, Mask(request))
            finally:
                await answer.aclose()
        finally:
            self._in_use[key] -= 1
            if not self._in_use[key]:
                del self._in_use[key]

    async def aclose(self) -> None:
        """Close every connection."""
        transports, self._transports = list(self._transports.values()), OrderedDict()
        for transport in transports:
            await transport.aclose()

    async def _open(
        self,
        transport: httpx.AsyncBaseTransport,
        request: HttpRequest,
        where: str,
        idle_s: float,
        watch: Watch | None,
    ) -> httpx.Response:
        limits = self.limits
        timeouts = {"connect": limits.connect_s, "pool": limits.connect_s, "write": idle_s, "read": idle_s}
        extensions: dict[str, Any] = {"timeout": timeouts}
        if watch is not None:
            extensions["trace"] = watch
        try:
            outgoing = httpx.Request(
                request.method,
                request.url,
                headers=self.complete_headers(request),
                content=request.body,
                extensions=extensions,
            )
            answer = await transport.handle_async_request(outgoing)
        except (*NETWORK_ERRORS, httpx.InvalidURL, ValueError) as error:
            connecting = isinstance(error, CONNECT_TIMEOUTS)
            seconds = limits.connect_s if connecting else idle_s
            raise as_provider_error(error, where, began=False, idle_s=seconds) from None
        answer.request = outgoing
        return answer

    @asynccontextmanager
    async def _open_local(
        self, responder: LocalResponder, request: HttpRequest, idle_s: float
    ) -> AsyncGenerator[HttpStream, None]:
        # No host answers here, so the name of one would mislead.
        where = f"the {request.url.partition('://')[0].lower()} provider"
        try:
            async with asyncio.timeout(idle_s):
                answer = await responder(request)
        except (ConnectionError, TimeoutError) as error:
            raise as_provider_error(error, where, began=False, idle_s=idle_s) from None
        headers = {name.lower(): value for name, value in answer.headers.items()}
        try:
            yield HttpStream(
                answer.status, headers, _watched(aiter(answer.chunks), idle_s), where, idle_s, Mask(request)
            )
        finally:
            close: Any = getattr(answer.chunks, "aclose", None)
            if close is not None:
                await close()

    def _transport(self, key: tuple[str, str, int]) -> httpx.AsyncBaseTransport:
        transport = self._transports.get(key)
        if transport is None:
            transport = GuardedTransport(
                self._backend,
                self._tls(),
                connections=MAX_CONNECTIONS,
                keepalive=MAX_IDLE_CONNECTIONS,
                idle_s=IDLE_CONNECTION_S,
            )
            self._transports[key] = transport
            self._evict()
        self._transports.move_to_end(key)
        return transport

    def _evict(self) -> None:
        """Let go of the origins that were not used for longest; one with a request under way stays."""
        for key in list(self._transports):
            if len(self._transports) <= MAX_ORIGINS:
                return
            if key not in self._in_use and key != next(reversed(self._transports)):
                stale = self._transports.pop(key)
                closing = asyncio.get_running_loop().create_task(stale.aclose())
                closing.add_done_callback(lambda task: task.cancelled() or task.exception())

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = httpx.create_ssl_context(trust_env=False)
            if self._ca_file:
                self._context.load_verify_locations(self._ca_file)
        return self._context


async def _watched(parts: AsyncIterator[bytes], idle_s: float) -> AsyncIterator[bytes]:
    """A local answer's bytes under the same limit of silence that the network's reads have."""
    while True:
        try:
            async with asyncio.timeout(idle_s):
                data = await anext(parts)
        except StopAsyncIteration:
            return
        yield data


def _origin(url: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(url)
        scheme = parts.scheme.lower()
        port = parts.port or DEFAULT_PORTS[scheme]
    except (ValueError, KeyError) as error:
        raise as_provider_error(
            ValueError("the address is not valid"), "The provider", began=False, idle_s=0
        ) from error
    return scheme, (parts.hostname or "").lower(), port


def _where(url: str) -> str:
    """The host and port of an address: fit for a message, because no path, query or user name is in it."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else (parts.hostname or parts.scheme or "The provider")
    except ValueError:
        return "The provider"


def _host_header(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in (None, DEFAULT_PORTS.get(parts.scheme.lower())) else f"{host}:{parts.port}"
