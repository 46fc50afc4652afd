"""The HTTP engine: aiohttp behind httpx's types. Nothing else of the product knows either of the two.

What aiohttp would do by itself is off: it keeps no cookies, follows no redirect, adds no header, repeats no request,
undoes no compression, and reads no proxy or ``.netrc`` of the environment (a proxy is a setting: ``wire.proxy``). A
connection belongs to one exchange until its answer was read to the end; leaving earlier closes it at once.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any, cast

import aiohttp
import httpx
from aiohttp.abc import AbstractStreamWriter
from yarl import URL

from providers_app.types.http import HttpRequest
from providers_app.wire.answer import Broken, ConnectTimeout, Exchange, reason
from providers_app.wire.client import Resolver
from providers_app.wire.compression import Decompressed
from providers_app.wire.guard import DEFAULT_PORTS, Guard, literal_address
from providers_app.wire.network import GuardedConnector, exchange, system_resolver, tls_context
from providers_app.wire.proxy import Proxy, ProxyFailed

MAX_CONNECTIONS = 1000
IDLE_CONNECTION_S = 30.0
READ_BUFFER = 64 * 1024
"""Bytes that are read ahead of the reader; the server is held back at twice as many."""
MAX_HEADER = 64 * 1024
MAX_HEADERS = 256
WRITE_BYTES = 32 * 1024
"""At most so many bytes are given to the network at once; aiohttp waits for it beyond 64 KiB."""
READ_BYTES = 16 * 1024
"""Bytes that are taken at once: without holding up the loop, whatever they are (1.2 ms to inflate them, at worst)."""
_HEADER = re.compile(r"(?!(?i:expect|transfer-encoding)\n)[!#$%&'*+\-.^_`|~0-9A-Za-z]+\n(?:[!-~](?:[ \t!-~]*[!-~])?)?")
"""Name and value, a line each (RFC 9110, section 5), without the bytes beyond ASCII. With ``Expect`` a body would wait
for ever, with ``Transfer-Encoding`` server and client would find different ends of it."""
_ADDED_BY_AIOHTTP = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


class Engine(httpx.AsyncBaseTransport):
    """Sends prepared requests. It belongs to the loop that it is used on first.

    A request's extensions are ``exchange``, ``connect_s``, ``idle_s`` and ``fresh`` (a connection of its own, closed
    after the answer). Errors are ``AddressRefused``, ``ValueError`` for what no request can carry, and ``OSError``.
    """

    def __init__(self, guard: Guard, resolver: Resolver | None, ca_file: str, proxy: Proxy | None = None) -> None:
        self._guard = guard
        self._proxy = proxy
        self._resolver = resolver or system_resolver
        self._ca_file = ca_file
        self._context: asyncio.Future[ssl.SSLContext] | None = None
        self._sessions: dict[tuple[bool, bool], aiohttp.ClientSession] = {}

    @staticmethod
    def prepared(request: HttpRequest, headers: dict[str, str], **extensions: Any) -> httpx.Request:
        """Return the request with exactly these headers. Raises ``ValueError`` for what no request can carry."""
        if any(not _HEADER.fullmatch(f"{name}\n{value}") for name, value in headers.items()):
            raise ValueError("a header is not valid")
        lengths = [value for name, value in headers.items() if name.lower() == "content-length"]
        if lengths and lengths != [str(len(request.body))]:
            raise ValueError("the length is not that of the body")
        body = httpx.ByteStream(request.body)  # given as ``content``, httpx would add headers for it
        return httpx.Request(request.method, _parsed(request.url), headers=headers, stream=body, extensions=extensions)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        current: Exchange = request.extensions["exchange"]
        fresh: bool = request.extensions["fresh"]
        idle_s: float = request.extensions["idle_s"]
        body = request.read()
        url = _target(request.url.raw_scheme, request.url.netloc, request.url.raw_path)
        headers = [(name.decode("ascii"), value.decode("ascii")) for name, value in request.headers.raw]
        context = await self._tls() if url.scheme == "https" else True
        current.host = request.url.raw_host.decode("ascii")
        proxy, through = self._proxy, cast(dict[str, Any], {})
        if proxy is not None and url.scheme == "https" and proxy.covers(current.host, url.port or 443, self._guard):
            current.host, through = proxy.host, {"proxy": proxy.url, "proxy_headers": proxy.headers()}
        token = exchange.set(current)
        try:
            answer = await self._session(fresh, bool(through)).request(
                request.method,
                url,
                headers=headers,
                data=_Body(body, idle_s) if body else None,
                allow_redirects=False,
                timeout=_timeout(request.extensions["connect_s"], idle_s),
                ssl=context,
                **through,
            )
        except BaseException as error:
            if current.transport is not None:
                current.transport.abort()
            if isinstance(error, Exception):
                raise _plain(error) from error.__cause__
            raise
        finally:
            exchange.reset(token)
        return httpx.Response(
            answer.status, headers=answer.raw_headers, stream=_Answer(answer, current), request=request
        )

    def body(self, answer: httpx.Response) -> AsyncIterator[bytes]:
        """Return the body as it was before a server compressed it. Raises ``OSError``."""
        stream = cast(_Answer, answer.stream)
        return Decompressed(stream, stream.coding) if stream.coding else stream

    async def aclose(self) -> None:
        """Close every connection. The next request opens new ones."""
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()

    def _session(self, fresh: bool, proxied: bool) -> aiohttp.ClientSession:
        found = self._sessions.get((fresh, proxied))
        if found is None:
            kept: dict[str, Any] = {"force_close": True} if fresh else {"keepalive_timeout": IDLE_CONNECTION_S}
            guard = self._proxy.guard if self._proxy is not None and proxied else self._guard
            found = self._sessions[fresh, proxied] = aiohttp.ClientSession(
                connector=GuardedConnector(guard, self._resolver, limit=0, limit_per_host=MAX_CONNECTIONS, **kept),
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_ADDED_BY_AIOHTTP,
                auto_decompress=False,
                trust_env=False,
                read_bufsize=READ_BUFFER,
                max_line_size=MAX_HEADER,
                max_field_size=MAX_HEADER,
                max_headers=MAX_HEADERS,
                middlewares=(_once,),
            )
        return found

    async def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = asyncio.get_running_loop().run_in_executor(None, tls_context, self._ca_file)
        try:
            return await asyncio.shield(self._context)
        except OSError:
            self._context = None  # the file may be there next time
            raise


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a request: it would, for most methods, although the server may have read it."""
    try:
        return await send(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Failed(error) from error


class _Failed(Exception):
    """Carries an error that aiohttp would answer by sending the request again."""


class _Body(aiohttp.Payload):
    """The bytes of a request, written piece by piece; each must be taken within ``idle_s`` seconds."""

    def __init__(self, data: bytes, idle_s: float) -> None:
        super().__init__(data)
        self._size = len(data)
        self._idle_s = idle_s

    async def write(self, writer: AbstractStreamWriter) -> None:
        if len(self._value) <= WRITE_BYTES:
            await writer.write(self._value)  # so little is never waited for
            return
        rest = memoryview(self._value)
        while rest:
            async with asyncio.timeout(self._idle_s):
                await writer.write(rest[:WRITE_BYTES])
            rest = rest[WRITE_BYTES:]

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return cast(bytes, self._value).decode(encoding, errors)


class _Answer(httpx.AsyncByteStream):
    """The body of an answer in small pieces; what arrived comes before the error that ended it.

    ``coding`` is empty for a body that is not compressed.
    """

    def __init__(self, answer: aiohttp.ClientResponse, current: Exchange) -> None:
        self._answer = answer
        self._transport = current.transport
        self._content = answer.content
        coding = ",".join(answer.headers.getall("Content-Encoding", ())).strip().lower()
        self.coding = "" if coding == "identity" else coding
        self._full = False
        self._protocol = current.protocol
        self._lost: asyncio.Future[None] | None = self._protocol.closed
        if self._lost is not None:
            self._lost.add_done_callback(self._wake)
        self._until_close = self._content is not aiohttp.EMPTY_PAYLOAD and not (
            "Content-Length" in answer.headers or "Transfer-Encoding" in answer.headers
        )
        self._error: Exception | None = None

    def __aiter__(self) -> "_Answer":
        return self

    async def __anext__(self) -> bytes:
        if self._error is None:
            if self._full:
                await asyncio.sleep(0)  # the next piece is here already, and others have waited for this one
            try:
                data = await self._content.read(READ_BYTES)
            except (aiohttp.ClientError, OSError, RuntimeError) as error:
                self._error = self._reset() or _plain(error)
                self._content.set_exception(cast(Any, None))  # it would hide what arrived before it
            else:
                if data:
                    self._full = len(data) == READ_BYTES
                    return data
                self._error = self._reset() if self._until_close else None
                if self._error is None:
                    self._leave()
                    raise StopAsyncIteration
        data = self._content.read_nowait(READ_BYTES)
        if data:
            return data
        raise self._error

    async def aclose(self) -> None:
        """Close the connection at once, unless the answer came to its end."""
        self._leave()
        if not self._answer.closed:
            self._answer.close()
            if self._transport is not None:
                self._transport.abort()

    def _leave(self) -> None:
        if self._lost is not None:
            self._lost.remove_done_callback(self._wake)

    def _wake(self, lost: asyncio.Future[None]) -> None:
        """End the wait for more. aiohttp does not where it closed the connection because of what the server sent."""
        if not self._content.is_eof() and self._content.exception() is None:
            self._content.set_exception(aiohttp.ClientPayloadError())

    def _reset(self) -> Exception | None:
        """Return the error that a connection was lost with; aiohttp takes it for the end of a body without a length."""
        error = self._protocol.exception()
        return error if isinstance(error, OSError) and not isinstance(error, TimeoutError) else None


@lru_cache(maxsize=64)
def _timeout(connect_s: float, idle_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect_s, sock_read=idle_s)


@lru_cache(maxsize=256)
def _parsed(url: str) -> httpx.URL:
    """Raises ``ValueError`` for what is no address of a web server."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError("the address is not valid") from error
    if parsed.scheme not in DEFAULT_PORTS or not parsed.host:
        raise ValueError("the address is not valid")
    return parsed


@lru_cache(maxsize=256)
def _target(scheme: bytes, netloc: bytes, path: bytes) -> URL:
    """Return the address with its very bytes."""
    host, colon, port = netloc.decode("ascii").partition(":")
    if host[0].isdigit() and (literal := literal_address(host)) is not None:
        host = str(literal)  # a resolver knows more spellings of an address than aiohttp does
    return URL(f"{scheme.decode()}://{host}{colon}{port}{path.decode('ascii')}", encoded=True)


def _plain(error: Exception) -> Exception:
    """Return the same error without aiohttp: an ``OSError`` for what the network did, anything else as it is."""
    if isinstance(error, _Failed):
        error = error.args[0]
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ConnectTimeout()
    if isinstance(error, aiohttp.ClientHttpProxyError):
        why = " (it asks for a user name and a password)" if error.status == 407 else ""
        return ProxyFailed(f"the outgoing proxy answered {error.status}{why}")
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return ProxyFailed(f"the outgoing proxy could not be reached ({reason(error.os_error)})")
    if isinstance(error, aiohttp.ClientConnectorError):
        return ConnectTimeout() if isinstance(error.os_error, TimeoutError) else error.os_error
    if isinstance(error, aiohttp.ClientConnectionResetError):
        return ConnectionResetError()
    if isinstance(error, aiohttp.ClientError) and not isinstance(error, OSError | ValueError):
        return Broken()
    # asyncio and aiohttp say so of a transport that is gone already.
    return Broken() if type(error) is RuntimeError else error
