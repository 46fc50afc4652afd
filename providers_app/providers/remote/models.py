"""``GET /models``, completed from where each kind of server tells more; single models are looked for in the list.

A server without a list (Perplexity) has the models that its row names.
"""

import builtins
from typing import Any

import msgspec

from providers_app.behaviours.listing import found_in
from providers_app.behaviours.openai_models import read_model
from providers_app.errors import NotFound
from providers_app.providers.remote import facts
from providers_app.providers.remote.api_key import listed
from providers_app.providers.remote.options import server_of
from providers_app.types.catalogue import ModelInfo
from providers_app.types.credentials import Credential
from providers_app.wire.client import Http

# Mistral's words for what a model can do.
FLAGS = {
    "completion_chat": ("chat", "streaming"),
    "function_calling": ("tools", "parallel_tools"),
    "vision": ("images_in",),
    "reasoning": ("reasoning",),
}


def read(entry: dict[str, Any]) -> ModelInfo | None:
    """Read one entry of the list; ``None`` for one that is switched off or not for chat."""
    model = read_model(entry)
    flags = entry.get("capabilities")
    if model is None or entry.get("active") is False:
        return None
    if not isinstance(flags, dict):
        return model
    if flags.get("completion_chat") is False:
        return None
    found = {name for flag, names in FLAGS.items() if flags.get(flag) is True for name in names}
    seen = ("text", "image") if "images_in" in found else ("text",)
    return msgspec.structs.replace(
        model, capabilities=tuple(sorted(found)) or model.capabilities, input_modalities=seen
    )


class RemoteModels:
    """The ``models`` behaviour."""

    async def list(self, credential: Credential, http: Http) -> builtins.list[ModelInfo]:
        """List the models. Raise ``UpstreamError``."""
        server = server_of(credential)
        try:
            _, items, seen = await listed(credential, http)
        except NotFound:
            if not server.models:
                raise
            return [ModelInfo(id=name, name=name, source="shipped") for name in server.models]
        found = {model.id: model for item in items if (model := read(item)) is not None}
        endpoint = facts.Endpoint(credential, http)
        return await facts.completed((seen or server).facts, builtins.list(found.values()), endpoint)

    async def get(self, model_id: str, credential: Credential, http: Http) -> ModelInfo:
        """Return one model. Raise ``UnknownModel`` and other ``UpstreamError``."""
        return found_in(await self.list(credential, http), model_id)


BEHAVIOUR = RemoteModels()
