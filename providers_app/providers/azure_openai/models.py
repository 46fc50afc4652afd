"""The declared deployments, else the resource's models: only Azure's management API lists what is deployed."""

import builtins
from typing import Any

import msgspec

from providers_app.behaviours.addresses import segment
from providers_app.behaviours.keys import bearer, key_or_login
from providers_app.behaviours.listing import ListedModels
from providers_app.behaviours.lookups import day
from providers_app.behaviours.openai_models import read_model
from providers_app.errors import UnknownModel
from providers_app.providers.azure_openai import api_key
from providers_app.providers.azure_openai.requests import deployments, get
from providers_app.providers.azure_openai.streaming import CHAT
from providers_app.types.catalogue import ModelInfo
from providers_app.types.credentials import Credential
from providers_app.wire import payload
from providers_app.wire.client import Http

LIFECYCLE = {"preview": "preview", "generally-available": "active", "deprecating": "deprecated"}


def declared(name: str, model: str) -> ModelInfo:
    """Describe a deployment as the session or the operator declares it; ``raw`` names its model."""
    known = {"deployment": name, "model": model} if model else {"deployment": name}
    return ModelInfo(
        id=name, name=f"{name} ({model})" if model else name, source="configured", underlying=model, raw=known
    )


def read(entry: dict[str, Any]) -> ModelInfo | None:
    """Read one entry of the resource's list; leave out what does not chat (embeddings, speech, images)."""
    found = read_model(entry)
    can = payload.mapping(entry.get("capabilities"))
    if found is None or can.get("chat_completion") is False:
        return None
    return msgspec.structs.replace(
        found,
        lifecycle=LIFECYCLE.get(payload.text(entry.get("lifecycle_status"))),
        retires_at=found.retires_at or day(payload.mapping(entry.get("deprecation")).get("inference")),
    )


_LISTED = ListedModels(
    sign=key_or_login(api_key.BEHAVIOUR.authorize, bearer),
    dialect=CHAT,
    page=lambda credential, after: get("/models", credential),
    read=read,
    one=lambda credential, model_id: get(f"/models/{segment(model_id)}", credential),
)


class AzureModels:
    """Deployments in the order in which they are declared, else the resource's models by id."""

    async def list(self, credential: Credential, http: Http) -> builtins.list[ModelInfo]:
        """List the models. Raise ``InvalidRequest`` without an address, ``UpstreamError``."""
        own = deployments(credential)
        if own:
            return [declared(name, model) for name, model in own.items()]
        return sorted(await _LISTED.list(credential, http), key=lambda model: model.id)

    async def get(self, model_id: str, credential: Credential, http: Http) -> ModelInfo:
        """Return one model. Raise ``UnknownModel`` and other ``UpstreamError``."""
        own = deployments(credential)
        if not own:
            return await _LISTED.get(model_id, credential, http)
        if model_id not in own:
            raise UnknownModel(
                f"There is no deployment {model_id!r} among those that are declared.",
                hint=f"There are: {', '.join(own)}.",
            )
        return declared(model_id, own[model_id])


BEHAVIOUR = AzureModels()
