"""Requests that are answered in one piece: listing models, testing a key, counting tokens."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from providers_app import conf
from providers_app.errors import BadAnswer
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest
from providers_app.wire import payload
from providers_app.wire.answer import HttpResponse
from providers_app.wire.client import Http

MAX_BODY = 16 * 1024 * 1024
JSON_HEADERS = {"content-type": "application/json", "accept": "application/json"}


async def ask(request: HttpRequest, http: Http, dialect: Dialect) -> HttpResponse:
    """Return a successful answer, given within ``lookup_timeout_s`` and ``MAX_BODY`` bytes.

    Raises the dialect's ``UpstreamError``, and as ``Http.send``.
    """
    answer = await http.send(request, timeout=conf.current().lookup_timeout_s, max_body=MAX_BODY)
    if 300 <= answer.status < 400:
        raise BadAnswer("The address answered with a redirect; redirects are not followed.", status=answer.status)
    if not 200 <= answer.status < 300:
        raise dialect.error(answer.status, answer.headers, answer.body)
    return answer


def json_of(answer: HttpResponse) -> Any:
    """Return the decoded body. Raises ``BadAnswer`` when it is not JSON."""
    try:
        return payload.decode(answer.body)
    except ValueError:
        kind = answer.headers.get("content-type", "no content type").partition(";")[0][:60]
        raise BadAnswer(
            f"The address answered with something that is not JSON ({kind}).", status=answer.status
        ) from None


def items_of(found: Any, *keys: str) -> list[dict[str, Any]]:
    """Return the objects of the list in a decoded body: the body itself, or the first of ``keys`` in it.

    A plain text, as some servers list models, stands for an object with that ``id``; ``null`` is an empty list. Raises
    ``BadAnswer`` when there is no such list.
    """
    items = next((found[key] for key in keys if key in found), found) if isinstance(found, dict) else found
    if not isinstance(items, list | None):
        raise BadAnswer("The address answered, but not with a list of models.")
    found = ({"id": item} if isinstance(item, str) else item for item in items or ())
    return [item for item in found if isinstance(item, dict)]


def number(value: Any) -> int | None:
    """Return ``value`` when it is a positive whole number, else ``None``."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def day(seconds: Any) -> str | None:
    """Return the day (``YYYY-MM-DD``) of a time in POSIX seconds; ``None`` for anything else, milliseconds included."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e11:
        return None
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


class JsonCount(msgspec.Struct, frozen=True, kw_only=True):
    """The ``counting`` behaviour of an endpoint that takes a part of the ordinary body and answers with one number.

    ``fields`` are the fields of the ordinary body that the endpoint knows (empty: all), ``wrap`` puts them into what
    else it wants, ``request`` addresses the body, ``result`` names the number in the answer.
    """

    dialect: Dialect
    request: Callable[[ChatRequest, Credential, bytes], HttpRequest]
    result: str
    fields: frozenset[str] = frozenset()
    wrap: Callable[[ChatRequest, dict[str, Any]], dict[str, Any]] = lambda chat, body: body

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Return the counting request without its credential."""
        body: dict[str, Any] = msgspec.json.decode(self.dialect.build_body(chat))
        if self.fields:
            body = {name: value for name, value in body.items() if name in self.fields}
        return self.request(chat, credential, msgspec.json.encode(self.wrap(chat, body)))

    def parse(self, body: bytes) -> int:
        """Return the number in the answer. Raises ``BadAnswer``."""
        try:
            value = payload.mapping(payload.decode(body)).get(self.result)
        except ValueError:
            value = None
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise BadAnswer("The provider's count of tokens could not be read.")
        return value
