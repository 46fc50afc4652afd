"""``GET models``, all pages; only what answers ``generateContent`` is a model to talk to."""

from typing import Any
from urllib.parse import quote

from providers_app.behaviours.keys import key_or_login
from providers_app.behaviours.listing import ListedModels, next_page_token
from providers_app.behaviours.lookups import number
from providers_app.dialects.gemini_generate import DIALECT
from providers_app.providers.gemini import api_key, oauth
from providers_app.providers.gemini.requests import get, model_path
from providers_app.types.catalogue import ModelInfo
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

# The list has no flag for tools, pictures and schemas; the provider's models take them.
ALWAYS = frozenset({"chat", "streaming", "tools", "parallel_tools", "images_in", "structured_output"})


def page(credential: Credential, after: str | None) -> HttpRequest:
    """Return the request of one page."""
    return get("/models?pageSize=1000" + (f"&pageToken={quote(after, safe='')}" if after else ""), credential)


def read(entry: dict[str, Any]) -> ModelInfo | None:
    """Read one entry of the list, without its ``models/``."""
    name, methods = entry.get("name"), entry.get("supportedGenerationMethods")
    if not isinstance(name, str) or not isinstance(methods, list) or "generateContent" not in methods:
        return None
    model_id = name.removeprefix("models/")
    flags = {"count_tokens": "countTokens" in methods, "reasoning": entry.get("thinking") is True}
    return ModelInfo(
        id=model_id,
        name=str(entry.get("displayName") or model_id),
        context_window=number(entry.get("inputTokenLimit")),
        max_output_tokens=number(entry.get("outputTokenLimit")),
        input_modalities=("text", "image"),
        capabilities=tuple(sorted({*ALWAYS, *(name for name, there in flags.items() if there)})),
        raw=entry,
    )


BEHAVIOUR = ListedModels(
    sign=key_or_login(api_key.BEHAVIOUR.authorize, oauth.BEHAVIOUR.authorize),
    dialect=DIALECT,
    page=page,
    cursor=next_page_token,
    read=read,
    one=lambda credential, model_id: get(model_path(model_id), credential),
)
