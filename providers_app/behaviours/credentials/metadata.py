"""Requests to the metadata services of Azure and Google, which tell a machine its identity.

Their addresses are link-local, which no base URL may reach. So each request is made by a client of its own whose guard
knows that one host and port; no redirect is followed, no proxy is used, and an address that does not answer within
seconds is no such machine.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from providers_app.errors import BadAnswer, ConnectionFailed, UpstreamTimeout
from providers_app.types.credentials import Secret
from providers_app.types.http import HttpRequest
from providers_app.wire import payload
from providers_app.wire.answer import HttpResponse
from providers_app.wire.client import Http, HttpLimits
from providers_app.wire.guard import DEFAULT_PORTS, Guard

CONNECT_S = 2.0
ANSWER_S = 10.0
MAX_BODY = 64 * 1024


async def ask_metadata(
    url: str, headers: Mapping[str, str], *, secret: Mapping[str, Secret] | None = None
) -> HttpResponse:
    """Return the answer of a metadata service, of any status. ``url`` is the operator's setting, never a person's.

    ``secret`` are headers whose values are never shown. Raises ``ConnectionFailed`` and ``UpstreamTimeout`` where there
    is no such service, and other ``UpstreamError``.
    """
    parts = urlsplit(url)
    place = f"{parts.hostname}:{parts.port or DEFAULT_PORTS[parts.scheme]}"
    http = Http(guard=Guard((place,), metadata=True), limits=HttpLimits(connect_s=CONNECT_S))
    hint = "This kind of login works only on a machine of that cloud that was given an identity."
    try:
        request = HttpRequest(method="GET", url=url, headers={"accept": "application/json", **headers})
        request = request.with_headers({name: value.reveal() for name, value in (secret or {}).items()}, secret=True)
        return await http.send(request, timeout=ANSWER_S, max_body=MAX_BODY)
    except (ConnectionFailed, UpstreamTimeout) as error:
        raise type(error)(f"There is no metadata service at {place}: {error.message}", hint=hint) from None
    finally:
        await http.aclose()


def object_of(answer: HttpResponse) -> dict[str, Any]:
    """Return the JSON object in an answer of a metadata service. Raises ``BadAnswer``."""
    found = payload.object_in(answer.body)
    if found is None:
        raise BadAnswer("The metadata service did not answer with a JSON object.", status=answer.status)
    return found
