"""Counting by an endpoint that takes a part of the ordinary body and answers with one number."""

from collections.abc import Callable
from typing import Any

import msgspec

from providers_app.errors import BadAnswer
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest
from providers_app.wire import payload


class JsonCount(msgspec.Struct, frozen=True, kw_only=True):
    """The ``counting`` behaviour of most providers.

    ``fields`` are the fields of the ordinary body that the endpoint knows (empty: all), ``wrap`` puts them into what
    else it wants, ``request`` addresses the body, ``result`` names the number in the answer.
    """

    dialect: Dialect
    request: Callable[[ChatRequest, Credential, bytes], HttpRequest]
    result: str
    fields: frozenset[str] = frozenset()
    wrap: Callable[[ChatRequest, dict[str, Any]], dict[str, Any]] = lambda chat, body: body

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """The counting request without its credential."""
        body: dict[str, Any] = msgspec.json.decode(self.dialect.build_body(chat))
        if self.fields:
            body = {name: value for name, value in body.items() if name in self.fields}
        return self.request(chat, credential, msgspec.json.encode(self.wrap(chat, body)))

    def parse(self, body: bytes) -> int:
        """Raises ``BadAnswer``."""
        try:
            found = payload.decode(body)
        except ValueError:
            found = None
        value = found.get(self.result) if isinstance(found, dict) else None
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise BadAnswer("The provider's count of tokens could not be read.")
        return value
