"""Keys of compatible servers are bearer tokens of any shape; many servers want none.

The list of models tells whether a key is good, and often what kind of server answers. Where there is no list, a request
for an answer that has no messages does: a good key is told that it lacks them, and nothing is generated.
"""

from typing import Any

from providers_app.behaviours.addresses import address, get, post
from providers_app.behaviours.keys import HeaderKey
from providers_app.behaviours.lookups import ask, items_of, json_of
from providers_app.dialects.openai_chat import DIALECT
from providers_app.errors import BadRequest, NotFound
from providers_app.providers.remote.options import server_of
from providers_app.providers.remote.servers import GENERIC, SLUG, Server, of_answer
from providers_app.providers.remote.streaming import dialect
from providers_app.types.catalogue import Account
from providers_app.types.credentials import Credential
from providers_app.wire import payload
from providers_app.wire.answer import HttpResponse
from providers_app.wire.client import Http


class RemoteKey(HeaderKey, frozen=True, kw_only=True):
    """A bearer token, or nothing for a session without one."""

    async def test(self, credential: Credential, http: Http) -> Account:
        """Test whether the server takes the key, and recognise its kind. Raise ``UpstreamError``."""
        try:
            answer, items, seen = await listed(credential, http)
        except NotFound:
            if not server_of(credential).models:
                raise
            return await self._without_list(credential, http)
        label = f"Looks like {seen.label}: choose it as the session's server" if seen is not None else ""
        return Account(label=label, models=len(items), request_id=answer.headers.get(self.request_id_header))

    async def _without_list(self, credential: Credential, http: Http) -> Account:
        request = post(address(SLUG, credential, "/chat/completions"), b"{}")
        try:
            answer = await ask(self.authorize(credential, request), http, DIALECT)
        except BadRequest as error:
            return Account(request_id=error.request_id)
        return Account(request_id=answer.headers.get(self.request_id_header))


BEHAVIOUR = RemoteKey(
    header="authorization",
    scheme="Bearer ",
    probe=lambda credential: get(address(SLUG, credential, "/models")),
    dialect=DIALECT,
)


async def listed(credential: Credential, http: Http) -> tuple[HttpResponse, list[dict[str, Any]], Server | None]:
    """Return the answer to ``/models``, its entries, and the kind of server where none is chosen.

    Raises ``UpstreamError``.
    """
    answer = await ask(BEHAVIOUR.authorize(credential, BEHAVIOUR.probe(credential)), http, dialect(credential))
    items = items_of(json_of(answer), "data", "models")
    owners = frozenset(payload.text(item.get("owned_by")) for item in items)
    return answer, items, of_answer(answer.headers, owners) if server_of(credential).name == GENERIC else None
