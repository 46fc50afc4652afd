"""An HTTP request as data, so that building one is pure and previewing it is exact."""

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from providers_app.types.advice import Advice


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request; ``body`` is sent as these very bytes; ``secret_headers`` (lower case) is what a preview redacts."""

    method: str
    url: str
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""
    secret_headers: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        """For logs, debuggers and error pages: without secrets, and without the conversation in the body."""
        headers = redacted(self.headers, self.secret_headers)
        return f"HttpRequest({self.method} {self.url}, headers={headers}, body of {len(self.body)} bytes)"

    def with_headers(self, headers: dict[str, str], *, secret: bool = False) -> "HttpRequest":
        """Return a copy with more headers; ``secret`` marks them for redaction."""
        names = frozenset(name.lower() for name in headers) if secret else frozenset()
        merged = {**self.headers, **headers}
        return msgspec.structs.replace(self, headers=merged, secret_headers=self.secret_headers | names)


class PreparedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it would be sent: its very bytes, secret headers redacted; ``advice`` says what was changed."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    advice: tuple[Advice, ...] = ()


def redacted(headers: dict[str, str], secret: frozenset[str]) -> dict[str, str]:
    """Return the headers with the values of ``secret`` names (lower case) replaced by ``***``."""
    return {name: "***" if name.lower() in secret else value for name, value in headers.items()}


class LocalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is made in this process instead of coming over a network."""

    status: int
    headers: dict[str, str]
    chunks: AsyncIterator[bytes]


class LocalResponder(Protocol):
    """The responder ``LOCAL`` of a provider without a network, in its module ``local``, for its scheme (``demo://``).

    It raises ``ConnectionError`` or ``TimeoutError`` where a network would have failed, before or between chunks.
    """

    async def __call__(self, request: HttpRequest) -> LocalAnswer: ...
