"""The one HTTP client: every request of every provider goes through ``Http``.

Underneath is ``wire.engine``, an httpx transport. It is imported with the first request, because it is slow to load.
Redirects are answers like any other and never followed, ``.netrc`` of the environment is not read, and a proxy is a
setting (``wire.proxy``).
"""

import asyncio
import copy
import importlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import msgspec

from providers_app.errors import UpstreamError, UpstreamTimeout
from providers_app.types.http import HttpRequest, LocalResponder
from providers_app.wire.answer import ConnectTimeout, Exchange, HttpResponse, HttpStream, Mask, as_provider_error
from providers_app.wire.guard import DEFAULT_PORTS, Guard

if TYPE_CHECKING:
    from providers_app.wire.engine import Engine
    from providers_app.wire.proxy import Proxy

Resolver = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host and port. Raises ``OSError``."""

Route = Callable[[HttpRequest], Awaitable[HttpRequest]]
"""Rewrites a finished request to its real address."""


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
        resolver: Resolver | None = None,
        ca_file: str = "",
        proxy: "Proxy | None" = None,
    ) -> None:
        """``local`` gives the responder of a URL scheme served in this process, ``resolver`` replaces the system's."""
        self.limits = limits
        self._network = (guard, resolver, ca_file, proxy)
        self._engines: list[Engine] = []  # one at most; a list, because views share it
        self._user_agent = user_agent
        self._local = local
        self._route: Route | None = None
        self._check: Callable[[], None] | None = None
        self._heard: Callable[[HttpRequest, HttpResponse], None] = lambda request, answer: None

    def through(self, route: Route) -> Self:
        """Return the same client, with the same connections, that sends every request where ``route`` says."""
        view = copy.copy(self)
        view._route = route
        return view

    def watched(self, check: Callable[[], None], heard: Callable[[HttpRequest, HttpResponse], None]) -> Self:
        """Return the same client, which calls ``check`` on a made connection, as the last step before ``send`` writes.

        A request that it raises for is not sent. ``heard`` is called with each whole answer.
        """
        view = copy.copy(self)
        view._check, view._heard = check, heard
        return view

    async def routed(self, request: HttpRequest) -> HttpRequest:
        """Return the request as it will be sent. Raises as the route does."""
        return request if self._route is None else await self._route(request)

    def complete_headers(self, request: HttpRequest) -> dict[str, str]:
        """Return the headers that are really sent, in order: the request's own and those that this client adds."""
        given = {name.lower() for name in request.headers}
        added = {"host": _host_header(request.url), "user-agent": self._user_agent, "accept-encoding": "identity"}
        if request.body or request.method not in ("GET", "HEAD"):
            added["content-length"] = str(len(request.body))
        return {**{name: value for name, value in added.items() if name not in given}, **request.headers}

    async def send(
        self,
        request: HttpRequest,
        *,
        timeout: float | None = None,  # noqa: ASYNC109  the deadline is the contract, and it covers the body
        max_body: int | None = None,
        fresh: bool = False,
    ) -> HttpResponse:
        """Return the whole answer within ``timeout`` seconds, whatever its status.

        ``fresh`` is for a request whose outcome must be known: it gets a connection of its own, because the server may
        be about to close a kept one.
        Raises ``AddressRefused``, ``ConnectionFailed``, ``StreamInterrupted``, ``UpstreamTimeout``, and
        ``AnswerTooLarge`` for a body larger than ``max_body`` bytes. ``sent`` of such an error says whether any byte
        may have left.
        """
        exchange = Exchange(check=self._check)
        seconds = timeout if timeout is not None else self.limits.request_s
        limit = max_body if max_body is not None else self.limits.max_body
        try:
            async with (
                asyncio.timeout(seconds) as deadline,
                self.stream(request, idle_timeout=seconds, exchange=exchange, fresh=fresh) as answer,
            ):
                body = await answer.read(limit)
        except UpstreamError as error:
            error.sent = exchange.sending
            raise
        except TimeoutError:
            if not deadline.expired():
                raise
            late = UpstreamTimeout(f"{_where(request.url)} did not answer within {seconds:g} s.")
            late.sent = exchange.sending
            raise late from None
        found = HttpResponse(status=answer.status, headers=answer.headers, body=body)
        self._heard(request, found)
        return found

    @asynccontextmanager
    async def stream(
        self,
        request: HttpRequest,
        *,
        idle_timeout: float | None = None,
        first_byte_timeout: float | None = None,
        exchange: Exchange | None = None,
        fresh: bool = False,
    ) -> AsyncGenerator[HttpStream, None]:
        """Open the answer with its body still to come.

        ``idle_timeout`` is the longest silence, in seconds, ``first_byte_timeout`` that before the answer begins where
        it is to be shorter.
        ``exchange`` is told when the request begins to leave; ``fresh`` as in ``send``.
        Raises ``AddressRefused``, ``ConnectionFailed`` and ``UpstreamTimeout`` before the block is entered, with
        ``sent`` as in ``send``.
        """
        request = await self.routed(request)
        exchange = exchange or Exchange()
        idle_s = idle_timeout if idle_timeout is not None else self.limits.idle_s
        first_s = idle_s if first_byte_timeout is None else min(first_byte_timeout, idle_s)
        responder = self._local(request.url.partition("://")[0].lower())
        if responder is not None:
            exchange.sending = True
            async with self._open_local(responder, request, idle_s, first_s) as stream:
                yield stream
            return
        where, connect_s, engine = _where(request.url), self.limits.connect_s, await self._engine()
        try:
            headers = self.complete_headers(request)
            if fresh:
                headers.setdefault("connection", "close")
            told = {"exchange": exchange, "connect_s": connect_s, "idle_s": idle_s, "fresh": fresh}
            async with asyncio.timeout(first_byte_timeout):
                answer = await engine.handle_async_request(engine.prepared(request, headers, **told))
        except (OSError, ValueError) as error:
            seconds = connect_s if isinstance(error, ConnectTimeout) else first_s
            failed = as_provider_error(error, where, began=False, idle_s=seconds)
            if isinstance(failed, UpstreamError):
                failed.sent = exchange.sending
            raise failed from None
        try:
            headers = dict(answer.headers.items())
            yield HttpStream(answer.status_code, headers, engine.body(answer), where, idle_s, Mask(request))
        finally:
            await answer.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        for engine in self._engines:
            await engine.aclose()

    async def _engine(self) -> "Engine":
        if not self._engines:
            module = await asyncio.to_thread(importlib.import_module, "providers_app.wire.engine")
            if not self._engines:  # another request may have been quicker
                self._engines.append(module.Engine(*self._network))
        return self._engines[0]

    @asynccontextmanager
    async def _open_local(
        self, responder: LocalResponder, request: HttpRequest, idle_s: float, first_s: float
    ) -> AsyncGenerator[HttpStream, None]:
        # No host answers here, so the name of one would mislead.
        where = f"the {request.url.partition('://')[0].lower()} provider"
        try:
            async with asyncio.timeout(first_s):
                answer = await responder(request)
        except (ConnectionError, TimeoutError) as error:
            raise as_provider_error(error, where, began=False, idle_s=first_s) from None
        headers = {name.lower(): value for name, value in answer.headers.items()}
        try:
            async with aclosing(_watched(aiter(answer.chunks), idle_s)) as parts:
                yield HttpStream(answer.status, headers, parts, where, idle_s, Mask(request))
        finally:
            close: Any = getattr(answer.chunks, "aclose", None)
            if close is not None:
                await close()


async def _watched(parts: AsyncIterator[bytes], idle_s: float) -> AsyncGenerator[bytes, None]:
    """Yield a local answer's bytes under the same limit of silence that the network's reads have."""
    while True:
        try:
            async with asyncio.timeout(idle_s):
                data = await anext(parts)
        except StopAsyncIteration:
            return
        yield data


@lru_cache(maxsize=256)
def _where(url: str) -> str:
    """Return the host and port of an address, without its path, query and user name: fit for a message."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port}" if parts.port else (parts.hostname or parts.scheme or "The provider")
    except ValueError:
        return "The provider"


@lru_cache(maxsize=256)
def _host_header(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in (None, DEFAULT_PORTS.get(parts.scheme.lower())) else f"{host}:{parts.port}"
