"""Small requests that are answered in one piece: listing models, testing a key."""

from typing import Any

from providers_app import conf
from providers_app.errors import BadAnswer
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest
from providers_app.wire import payload
from providers_app.wire.answer import HttpResponse
from providers_app.wire.client import Http

JSON_HEADERS = {"content-type": "application/json", "accept": "application/json"}


async def ask(request: HttpRequest, http: Http, dialect: Dialect) -> HttpResponse:
    """The answer of a request that succeeds, within the look-up deadline. Raises the dialect's ``UpstreamError``."""
    answer = await http.send(request, timeout=conf.current().lookup_timeout_s)
    if 300 <= answer.status < 400:
        raise BadAnswer("The address answered with a redirect; redirects are not followed.", status=answer.status)
    if not 200 <= answer.status < 300:
        raise dialect.error(answer.status, answer.headers, answer.body)
    return answer


def json_of(answer: HttpResponse) -> Any:
    """The decoded body. Raises ``BadAnswer`` when it is not JSON."""
    try:
        return payload.decode(answer.body)
    except ValueError:
        kind = answer.headers.get("content-type", "no content type").partition(";")[0][:60]
        raise BadAnswer(
            f"The address answered with something that is not JSON ({kind}).", status=answer.status
        ) from None


def items_of(found: Any, *keys: str) -> list[dict[str, Any]]:
    """The list of objects in a decoded body: the body itself, or the first of ``keys`` in it (``null`` is empty).

    Raises ``BadAnswer`` when there is no such list.
    """
    items = found
    if isinstance(found, dict):
        key = next((key for key in keys if key in found), None)
        if key is None:
            raise BadAnswer("The address answered, but not with a list of models.")
        items = found[key]
    if items is None:
        return []
    if not isinstance(items, list):
        raise BadAnswer("The address answered, but not with a list of models.")
    return [item for item in items if isinstance(item, dict)]


def number(value: Any) -> int | None:
    """``value`` when it is a positive whole number, else ``None``."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
