"""``GET /models``: by id for a key, in the provider's own order for a ChatGPT login.

To a key it says when a model is shut down, but neither its window nor what it can do. To a ChatGPT login it has another
shape, with models among it that are not meant to be chosen.
"""

import builtins
from typing import Any

import msgspec

from providers_app import conf
from providers_app.behaviours.addresses import segment
from providers_app.behaviours.listing import ListedModels
from providers_app.behaviours.lookups import day, number
from providers_app.behaviours.openai_models import read_model
from providers_app.dialects.openai_responses import DIALECT
from providers_app.providers.openai import api_key
from providers_app.providers.openai.requests import SLUG, get, mode_of
from providers_app.types.catalogue import ModelInfo
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest
from providers_app.wire import payload
from providers_app.wire.client import Http

SHOWN = "list"


def listing(credential: Credential) -> HttpRequest:
    """Request the list; the ChatGPT backend insists on a client version and filters by it."""
    if mode_of(credential) == "chatgpt":
        return get(f"/models?client_version={conf.provider(SLUG).client_version}", credential)
    return get("/models", credential)


def read_slug(entry: dict[str, Any]) -> ModelInfo | None:
    """Read an entry of the list that a ChatGPT login gets; only those that are shown to people count."""
    slug = entry.get("slug")
    if not isinstance(slug, str) or not slug or entry.get("visibility") != SHOWN:
        return None
    return ModelInfo(
        id=slug,
        name=payload.text(entry.get("display_name")) or slug,
        context_window=number(entry.get("context_window")),
        # A model's own instructions are long, and nothing here reads them.
        raw={name: value for name, value in entry.items() if name != "base_instructions"},
    )


def read(entry: dict[str, Any]) -> ModelInfo | None:
    """Read an entry of the list that a key gets; ``created`` is the day on which the model came out."""
    model = read_model(entry)
    return msgspec.structs.replace(model, released_at=day(entry.get("created"))) if model is not None else None


OF_A_LOGIN = ListedModels(
    sign=api_key.BEHAVIOUR.authorize,
    dialect=DIALECT,
    page=lambda credential, after: listing(credential),
    read=read_slug,
)
OF_A_KEY = msgspec.structs.replace(
    OF_A_LOGIN, read=read, one=lambda credential, model_id: get(f"/models/{segment(model_id)}", credential)
)


class OpenAIModels:
    """By id for a key, in the provider's own order for a ChatGPT login."""

    async def list(self, credential: Credential, http: Http) -> builtins.list[ModelInfo]:
        """List the models. Raise ``UpstreamError``."""
        if mode_of(credential) != "api_key":
            return await OF_A_LOGIN.list(credential, http)
        return sorted(await OF_A_KEY.list(credential, http), key=lambda model: model.id)

    async def get(self, model_id: str, credential: Credential, http: Http) -> ModelInfo:
        """Return one model. Raise ``UnknownModel`` and other ``UpstreamError``."""
        behaviour = OF_A_KEY if mode_of(credential) == "api_key" else OF_A_LOGIN
        return await behaviour.get(model_id, credential, http)


BEHAVIOUR = OpenAIModels()
