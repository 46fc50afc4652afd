"""Which models a login can use."""

from typing import Protocol

from providers_app.types.catalogue import ModelInfo
from providers_app.types.credentials import Credential
from providers_app.wire.client import Http


class Models(Protocol):
    """The ``models`` behaviour of a provider."""

    async def list(self, credential: Credential, http: Http) -> list[ModelInfo]:
        """Every model, all pages of it. Raises ``UpstreamError``."""
        ...

    async def get(self, model_id: str, credential: Credential, http: Http) -> ModelInfo:
        """One model. Raises ``UnknownModel`` and other ``UpstreamError``."""
        ...
