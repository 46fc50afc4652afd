"""Takes the key of a request out of what came back: some servers repeat it in their error messages.

Error texts are also redacted by shape (``error_body.redact``); this one knows the very value, whatever its shape is.
"""

import json
import re
from collections.abc import Mapping

import msgspec

from providers_app.types.events import ErrorInfo
from providers_app.types.http import HttpRequest

SHORTEST = 6
"""A shorter value is no key, and would be found in ordinary words."""
MASKED = "***"
_PLAIN = re.compile(r"[A-Za-z0-9 ._~+=:-]+")
"""Text that JSON does not escape."""


class Mask:
    """The secret values of one request."""

    __slots__ = ("_bytes", "_values")

    def __init__(self, request: HttpRequest) -> None:
        found = set()
        for name, value in request.headers.items():
            if name.lower() in request.secret_headers:
                # "Bearer xyz" is repeated as "xyz" just as well.
                found |= {part for part in (value, value.rpartition(" ")[2]) if len(part) >= SHORTEST}
        # In JSON a key with "/", quotes or backslashes is spelled otherwise, in one of two ways.
        written = {json.dumps(value)[1:-1] for value in found if not _PLAIN.fullmatch(value)}
        found |= written | {value.replace("/", "\\/") for value in written}
        self._values = tuple(sorted(found, key=len, reverse=True))
        self._bytes = tuple(value.encode() for value in self._values)

    def data(self, body: bytes) -> bytes:
        """Return the bytes without the values."""
        for value in self._bytes:
            if value in body:
                body = body.replace(value, MASKED.encode())
        return body

    def text(self, text: str) -> str:
        """Return the text without the values."""
        for value in self._values:
            text = text.replace(value, MASKED)
        return text

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the headers without the values."""
        return {
            name: self.text(value) if any(secret in value for secret in self._values) else value
            for name, value in headers.items()
        }

    def error(self, info: ErrorInfo) -> ErrorInfo:
        """Return the error without the values."""
        texts = {name: getattr(info, name) for name in ("message", "hint", "type", "upstream_code")}
        return msgspec.structs.replace(info, **{name: self.text(text) for name, text in texts.items() if text})
