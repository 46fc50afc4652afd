"""``GET /models``: one page, prices as strings in dollars per token; there is no page for a single model."""

from typing import Any

import msgspec

from providers_app.behaviours.listing import ListedModels
from providers_app.behaviours.openai_models import read_model
from providers_app.providers.openrouter import api_key
from providers_app.providers.openrouter.dialect import DIALECT
from providers_app.providers.openrouter.requests import get
from providers_app.types.catalogue import ModelInfo


def read(entry: dict[str, Any]) -> ModelInfo | None:
    """One entry of the list; what writes no text is no model to talk to."""
    model = read_model(entry)
    architecture = entry.get("architecture")
    outputs = architecture.get("output_modalities") if isinstance(architecture, dict) else None
    if model is None or (isinstance(outputs, list) and "text" not in outputs):
        return None
    found = set(model.capabilities) or {"chat", "streaming"}
    ends = entry.get("expiration_date")
    return msgspec.structs.replace(
        model,
        capabilities=tuple(sorted(found)),
        retires_at=model.retires_at or (ends if isinstance(ends, str) and ends else None),
    )


BEHAVIOUR = ListedModels(
    sign=api_key.BEHAVIOUR.authorize,
    dialect=DIALECT,
    page=lambda credential, after: get("/models", credential),
    read=read,
)
