"""An answer of the HTTP client: whole, or read as it arrives, with the key of its request masked.

Also the typed error that stands for what the network raised; its reason never quotes an address or a header.
"""

import asyncio
import errno
import json
import os
import re
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from providers_app.errors import (
    AnswerTooLarge,
    BadAnswer,
    ConnectionFailed,
    FirstByteTimeout,
    IdleTimeout,
    ProviderError,
    StreamInterrupted,
)
from providers_app.text import quoted
from providers_app.types.http import HttpRequest
from providers_app.wire.proxy import ProxyFailed

DRAIN_BYTES = 256 * 1024
UNKNOWN_ISSUER = frozenset({18, 19, 20, 21})
"""OpenSSL's codes for a certificate that is signed by itself, or by an authority that is not known."""
CA_HINT = "If a private certificate authority signed it, name its PEM file in MAESTRO_PROVIDERS__CA_FILE and restart."
NAME_HINT = "Check that the address has the name that the server's certificate is for, and that it is still valid."
PROXY_HINT = "Check MAESTRO_PROVIDERS__PROXY (or HTTPS_PROXY), and what the proxy allows."


class ConnectTimeout(TimeoutError):
    """No connection was made in time."""


class UnknownName(OSError):
    """A host name has no address; the text says why."""


class Broken(OSError):
    """The connection was closed before the answer was complete, or the server does not speak HTTP."""


class Undecodable(OSError):
    """The compression of a body could not be undone; its argument is the name of one that is not known."""


_REASONS: dict[type[Exception], str] = {
    Broken: "the connection was closed before the answer was complete, or did not speak HTTP",
    ConnectionResetError: "the connection was reset",
    ConnectionRefusedError: "the connection was refused",
    ValueError: "the address or a header is not valid",
}


def as_provider_error(error: Exception, where: str, *, began: bool, idle_s: float) -> ProviderError:
    """``where`` is host and port, or "the ... provider"; ``began``: had bytes arrived?, ``idle_s`` the silence in s."""
    if isinstance(error, ProviderError):
        return error
    at_the_start = f"The {where.removeprefix('the ')}" if where.startswith("the ") else where
    if isinstance(error, ConnectTimeout):
        return ConnectionFailed(f"No connection to {where} within {idle_s:g} s.")
    if isinstance(error, TimeoutError):
        how = "went silent in the middle of the answer, for" if began else "did not answer within"
        return (IdleTimeout if began else FirstByteTimeout)(f"{at_the_start} {how} {idle_s:g} s.")
    if isinstance(error, ProxyFailed):
        return ConnectionFailed(f"{at_the_start} could not be reached: {error}.", hint=PROXY_HINT)
    if isinstance(error, Undecodable) and error.args:
        coding = quoted(error.args[0])
        return BadAnswer(
            f"{at_the_start} compressed its answer with {coding}, which was not asked for and cannot be read.",
            hint="Switch the compression of answers off at the server or proxy behind the base URL.",
        )
    if isinstance(error, Undecodable):
        return BadAnswer(f"{at_the_start} sent a body whose compression could not be undone.")
    if began:
        return StreamInterrupted(f"The connection to {where} broke off in the middle of the answer: {reason(error)}.")
    return ConnectionFailed(f"{at_the_start} could not be reached: {reason(error)}.", hint=_tls_hint(error))


def _tls_hint(error: BaseException) -> str:
    """Return what to do about a certificate that was not accepted, else an empty text."""
    seen = next((found for found in _chain(error) if isinstance(found, ssl.SSLCertVerificationError)), None)
    return "" if seen is None else CA_HINT if seen.verify_code in UNKNOWN_ISSUER else NAME_HINT


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and what caused it, a few steps far."""
    seen: BaseException | None = error
    for _ in range(6):
        if seen is not None:
            yield seen
            seen = seen.__cause__ or seen.__context__


def reason(error: BaseException) -> str:
    """Say in a few words why a connection failed, from the chain of causes."""
    for seen in _chain(error):
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its TLS certificate was not accepted ({seen.verify_message})"
        if isinstance(seen, ssl.SSLError):
            return "the TLS handshake failed"
        if isinstance(seen, OSError) and seen.errno is not None:
            return _os_reason(seen.errno)
    if isinstance(error, UnknownName):
        return str(error)
    return next((words for kind, words in _REASONS.items() if isinstance(error, kind)), "the connection failed")


def _os_reason(number: int) -> str:
    if number in (errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED):
        return _REASONS[ConnectionResetError]
    if number < 0 or number > 200:
        return "the name is not known"
    return _REASONS[ConnectionRefusedError] if number == errno.ECONNREFUSED else os.strerror(number).lower()


SHORTEST = 6
"""A shorter value is no key, and would be found in ordinary words."""
SHORTEST_BARE = 16
"""Characters of the shortest value that counts without what stands in front of it."""
MASKED = "***"
_MARK = re.compile(r"^(?:[A-Za-z0-9]{1,8}[-_]){1,4}")
_PLAIN = re.compile(r"[A-Za-z0-9 ._~+=:-]+")
"""Text that JSON does not escape."""


class Mask:
    """The secret values of one request, in every form in which a server may repeat them."""

    __slots__ = ("_bytes", "values")

    def __init__(self, request: HttpRequest) -> None:
        found = set()
        for name, value in request.headers.items():
            if name.lower() in request.secret_headers:
                # "Bearer xyz" is repeated as "xyz" just as well.
                found |= {part for part in (value, value.rpartition(" ")[2]) if len(part) >= SHORTEST}
        # Without the vendor's mark in front, such as "sk-ant-api03-", it is a secret still.
        found |= {bare for value in found if len(bare := _MARK.sub("", value)) >= SHORTEST_BARE}
        found |= {quote(value, safe="") for value in found}
        # In JSON a key with "/", quotes or backslashes is spelled otherwise, in one of two ways.
        written = {json.dumps(value)[1:-1] for value in found if not _PLAIN.fullmatch(value)}
        found |= written | {value.replace("/", "\\/") for value in written}
        self.values = tuple(sorted(found, key=len, reverse=True))
        self._bytes = tuple(value.encode() for value in self.values)

    def cut(self, text: str) -> tuple[str, str]:
        """Return the text without the values, and apart from it an end that may be the beginning of one.

        That end may hold a shorter value whole: what is never continued is to be given to ``text``.
        """
        while True:
            kept = len(text)
            for value in self.values:
                start = text.find(value[0], max(0, len(text) - len(value) + 1))
                while -1 < start < kept:
                    if value.startswith(text[start:]):
                        kept = start
                    start = text.find(value[0], start + 1)
            for value in self.values:
                if -1 < (start := text.find(value)) < kept:
                    text = text[:start] + MASKED + text[start + len(value) :]
                    break
            else:
                return text[:kept], text[kept:]

    def data(self, body: bytes) -> bytes:
        """Return the bytes without the values."""
        for value in self._bytes:
            if value in body:
                body = body.replace(value, MASKED.encode())
        return body

    def text(self, text: str) -> str:
        """Return the text without the values."""
        for value in self.values:
            text = text.replace(value, MASKED)
        return text

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers without the values."""
        return {name: self.text(value) for name, value in headers.items()}


class Exchange(msgspec.Struct):
    """The progress of one request; ``sending`` is true once a byte of it may have left, not while it connects.

    ``check`` is called between the two, and may raise. ``allowed_pair`` is the private ``host:port`` that the owner
    allowed, where it goes to one.
    """

    sending: bool = False
    check: Callable[[], None] | None = None
    host: str = ""
    allowed_pair: str = ""
    opened: bool = False
    protocol: Any = None
    transport: asyncio.Transport | None = None


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


class HttpStream:
    """An answer whose body is read as it arrives. Leaving ``Http.stream`` closes it and the upstream request."""

    def __init__(
        self, status: int, headers: dict[str, str], parts: AsyncIterator[bytes], where: str, idle_s: float, mask: Mask
    ) -> None:
        self.status = status
        self.headers = mask.headers(headers)
        self.mask = mask
        self._parts = parts
        self._where = where
        self._idle_s = idle_s
        self._began = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the body, one item per read of the network.

        Raises ``ConnectionFailed`` when the connection broke before the first byte, ``StreamInterrupted`` after it, and
        ``UpstreamTimeout`` after ``idle`` seconds of silence.
        """
        while (data := await self._next()) is not None:
            if data:
                yield data

    async def read(
        self, limit: int, *, cut: bool = False, each: Callable[[int], Awaitable[None]] | None = None
    ) -> bytes:
        """Read the rest of the body, the key masked. Raises as ``chunks``, and ``AnswerTooLarge`` beyond ``limit``.

        ``cut`` leaves out what is beyond ``limit`` bytes instead. ``each`` is awaited before further bytes are read,
        with the number of those that are there.
        """
        found: list[bytes] = []
        size = 0
        while size < limit + (not cut) and (data := await self._next()) is not None:
            found.append(data)
            size += len(data)
            if each is not None:
                await each(size)
        if size > limit and not cut:
            raise AnswerTooLarge(f"{self._where} answered with more than {limit} bytes.", status=self.status)
        return self.mask.data(b"".join(found)[:limit])

    async def drain(self, seconds: float) -> None:
        """Read on to the end of the body, within limits, so that the connection can be used again. Raises nothing."""
        read = 0
        try:
            async with asyncio.timeout(seconds):
                while read < DRAIN_BYTES and (data := await self._next()) is not None:
                    read += len(data)
        except Exception:  # noqa: BLE001  what was wanted of the answer is there already
            return

    async def _next(self) -> bytes | None:
        try:
            data = await anext(self._parts)
        except StopAsyncIteration:
            return None
        except OSError as error:
            raise as_provider_error(error, self._where, began=self._began, idle_s=self._idle_s) from None
        if data:
            self._began = True
        return data
