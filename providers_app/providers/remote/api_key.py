"""Keys of compatible servers are bearer tokens of any shape; many servers want none.

The list of models tells whether a key is good, and often what kind of server answers. Where there is no list, a request
for an answer that has no messages does: a good key is told that it lacks them, and nothing is generated.
"""

from providers_app.behaviours.addresses import address, get, post
from providers_app.behaviours.keys import HeaderKey
from providers_app.behaviours.lookups import ask, items_of, json_of
from providers_app.dialects.openai_chat import DIALECT
from providers_app.errors import BadRequest, NotFound
from providers_app.providers.remote.options import server_of
from providers_app.providers.remote.servers import GENERIC, SLUG, of_answer
from providers_app.providers.remote.streaming import dialect
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest
from providers_app.wire import payload
from providers_app.wire.client import Http

REQUEST_ID = "x-request-id"


def _list(credential: Credential) -> HttpRequest:
    return get(address(SLUG, credential, "/models"))


_HEADER = HeaderKey(header="authorization", scheme="Bearer ", probe=_list, dialect=DIALECT)


def sign(credential: Credential, request: HttpRequest) -> HttpRequest:
    """Sign with the key; leave the request as it is for a session without one."""
    return _HEADER.authorize(credential, request)


class RemoteKey:
    """The ``api_key`` behaviour."""

    def validate(self, key: str) -> list[Advice]:
        """Advice on the key's format; the key itself is never quoted."""
        return _HEADER.validate(key)

    def authorize(self, credential: Credential, request: HttpRequest) -> HttpRequest:
        """Sign with the key."""
        return sign(credential, request)

    async def test(self, credential: Credential, http: Http) -> Account:
        """Test whether the server takes the key, and recognise its kind. Raise ``UpstreamError``."""
        server, spoken = server_of(credential), dialect(credential)
        try:
            answer = await ask(sign(credential, _list(credential)), http, spoken)
        except NotFound:
            if not server.models:
                raise
            return await _without_list(credential, http)
        items = items_of(json_of(answer), "data", "models")
        owners = frozenset(payload.text(item.get("owned_by")) for item in items)
        seen = of_answer(answer.headers, owners) if server.name == GENERIC else None
        label = f"Looks like {seen.label}: choose it as the session's server" if seen is not None else ""
        return Account(label=label, models=len(items), request_id=answer.headers.get(REQUEST_ID))


async def _without_list(credential: Credential, http: Http) -> Account:
    try:
        answer = await ask(sign(credential, post(address(SLUG, credential, "/chat/completions"), b"{}")), http, DIALECT)
    except BadRequest as error:
        return Account(request_id=error.request_id)
    return Account(request_id=answer.headers.get(REQUEST_ID))


BEHAVIOUR = RemoteKey()
