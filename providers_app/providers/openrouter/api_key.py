"""Keys of OpenRouter are bearer tokens.

``GET /key`` tells whether one is good: the list of models is public and proves nothing.
"""

from typing import Any

from providers_app.behaviours.keys import HeaderKey
from providers_app.behaviours.lookups import json_of
from providers_app.errors import BadAnswer
from providers_app.providers.openrouter.requests import DIALECT, get
from providers_app.types.catalogue import Account
from providers_app.wire.answer import HttpResponse

MAX_LABEL = 200


def _account(answer: HttpResponse) -> Account:
    """Return what OpenRouter says of the key itself. Raise ``BadAnswer``."""
    found = json_of(answer)
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, dict):
        raise BadAnswer("The address answered, but not with what is known of the key.", status=answer.status)
    return Account(label=_label(data), request_id=answer.headers.get("x-generation-id"))


def _label(data: dict[str, Any]) -> str:
    """Return the key's own label: a name, or its beginning and end as OpenRouter shortens it."""
    label = data.get("label")
    return label[:MAX_LABEL] if isinstance(label, str) and label.isprintable() else ""


BEHAVIOUR = HeaderKey(
    header="authorization",
    scheme="Bearer ",
    prefixes=("sk-or-",),
    foreign={"sk-ant-": "Anthropic", "sk-proj-": "OpenAI", "AIza": "Google"},
    probe=lambda credential: get("/key", credential),
    dialect=DIALECT,
    account=_account,
)
"""The key that a sign-in obtains is used the same way."""
