"""Keys of OpenRouter are bearer tokens, tested by ``GET /key``: the list of models is public and proves nothing."""

from providers_app.behaviours.keys import HeaderKey
from providers_app.behaviours.lookups import json_of
from providers_app.errors import BadAnswer
from providers_app.providers.openrouter.requests import DIALECT, get
from providers_app.types.catalogue import Account
from providers_app.wire import payload
from providers_app.wire.answer import HttpResponse

MAX_LABEL = 200


def _account(answer: HttpResponse) -> Account:
    """Return what OpenRouter says of the key itself. Raise ``BadAnswer``."""
    found = json_of(answer)
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, dict):
        raise BadAnswer("The address answered, but not with what is known of the key.", status=answer.status)
    label = payload.text(data.get("label"))  # a name, or the key's beginning and end
    return Account(
        label=label[:MAX_LABEL] if label.isprintable() else "", request_id=answer.headers.get("x-generation-id")
    )


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
