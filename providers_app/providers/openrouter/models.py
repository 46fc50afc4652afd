"""``GET /models/user``: what the account allows, with prices per token; at other servers the public ``GET /models``."""

import builtins
from typing import Any

import msgspec

from providers_app.behaviours.listing import ListedModels, found_in
from providers_app.behaviours.openai_models import read_model
from providers_app.errors import NotFound
from providers_app.providers.openrouter import api_key
from providers_app.providers.openrouter.requests import DIALECT, get
from providers_app.types.catalogue import ModelInfo
from providers_app.types.credentials import Credential
from providers_app.wire import payload
from providers_app.wire.client import Http


def read(entry: dict[str, Any]) -> ModelInfo | None:
    """Read one entry of the list; leave out models that write no text."""
    model = read_model(entry)
    outputs = payload.mapping(entry.get("architecture")).get("output_modalities")
    if model is None or (isinstance(outputs, list) and "text" not in outputs):
        return None
    return msgspec.structs.replace(
        model,
        capabilities=model.capabilities or ("chat", "streaming"),
        retires_at=model.retires_at or payload.text(entry.get("expiration_date")) or None,
    )


def _listed(path: str) -> ListedModels:
    return ListedModels(
        sign=api_key.BEHAVIOUR.authorize,
        dialect=DIALECT,
        page=lambda credential, after: get(path, credential),
        read=read,
    )


_OF_THE_ACCOUNT, _PUBLIC = _listed("/models/user"), _listed("/models")


class OpenRouterModels:
    """The models that the account's own settings (providers, privacy) allow: the others would be refused."""

    async def list(self, credential: Credential, http: Http) -> builtins.list[ModelInfo]:
        """List the models. Raise ``UpstreamError``."""
        try:
            return await _OF_THE_ACCOUNT.list(credential, http)
        except NotFound:
            return await _PUBLIC.list(credential, http)

    async def get(self, model_id: str, credential: Credential, http: Http) -> ModelInfo:
        """Return one model. Raise ``UnknownModel`` and other ``UpstreamError``."""
        return found_in(await self.list(credential, http), model_id)


BEHAVIOUR = OpenRouterModels()
