"""Keys of OpenRouter are bearer tokens.

``GET /key`` tells whether one is good: the list of models is public and proves nothing.
"""

from typing import Any

from providers_app.behaviours.asking import ask, json_of
from providers_app.behaviours.keys import HeaderKey
from providers_app.errors import BadAnswer
from providers_app.providers.openrouter.dialect import DIALECT
from providers_app.providers.openrouter.requests import get
from providers_app.types.advice import Advice
from providers_app.types.catalogue import Account
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest
from providers_app.wire.client import Http

MAX_LABEL = 200


class OpenRouterKey:
    """The ``api_key`` behaviour; the key that a sign-in obtains is used the same way."""

    def __init__(self) -> None:
        self._header = HeaderKey(
            header="authorization",
            scheme="Bearer ",
            prefixes=("sk-or-",),
            foreign={"sk-ant-": "Anthropic", "sk-proj-": "OpenAI", "AIza": "Google"},
            probe=lambda credential: get("/key", credential),
            dialect=DIALECT,
        )

    def validate(self, key: str) -> list[Advice]:
        """Advice on the key's format; the key itself is never quoted."""
        return self._header.validate(key)

    def authorize(self, credential: Credential, request: HttpRequest) -> HttpRequest:
        """The request with the key."""
        return self._header.authorize(credential, request)

    async def test(self, credential: Credential, http: Http) -> Account:
        """What OpenRouter says of the key itself. Raises ``UpstreamError``."""
        answer = await ask(self.authorize(credential, self._header.probe(credential)), http, DIALECT)
        found = json_of(answer)
        data = found.get("data") if isinstance(found, dict) else None
        if not isinstance(data, dict):
            raise BadAnswer("The address answered, but not with what is known of the key.", status=answer.status)
        return Account(label=_label(data), request_id=answer.headers.get("x-generation-id"))


def _label(data: dict[str, Any]) -> str:
    """The key's own label: a name, or its beginning and end as OpenRouter shortens it."""
    label = data.get("label")
    return label[:MAX_LABEL] if isinstance(label, str) and label.isprintable() else ""


BEHAVIOUR = OpenRouterKey()
