"""The models of a session, with how far the list can be trusted."""

from collections.abc import Iterable

import msgspec

from providers_app.types.catalogue import ModelInfo
from providers_app.types.events import ErrorInfo


class PartialList(list[ModelInfo]):
    """What a provider listed while a part of its list could not be read; ``lacks`` is a sentence about that part."""

    def __init__(self, models: Iterable[ModelInfo], lacks: str) -> None:
        super().__init__(models)
        self.lacks = lacks


class ModelListing(msgspec.Struct, frozen=True, kw_only=True):
    """A list of models, and what there is to say of it.

    ``fetched_at`` is when the provider gave it (POSIX seconds); ``None`` when it gave none, and these are the models
    that files and configuration tell of. ``stale`` says that it is older than lists are kept, ``refreshing`` that the
    provider is being asked anew, ``error`` why it could not be asked, or that it has no list at all. ``lacks`` says
    which part of the list could not be read, empty when it is whole.
    """

    models: tuple[ModelInfo, ...] = ()
    fetched_at: float | None = None
    stale: bool = False
    refreshing: bool = False
    error: ErrorInfo | None = None
    lacks: str = ""

    def get(self, model_id: str) -> ModelInfo | None:
        """The model of that id, or ``None``."""
        return next((model for model in self.models if model.id == model_id), None)
