"""The models of a session, with how far the list can be trusted."""

import msgspec

from providers_app.types.catalogue import ModelInfo
from providers_app.types.events import ErrorInfo


class ModelListing(msgspec.Struct, frozen=True, kw_only=True):
    """A list of models, and what there is to say of it.

    ``fetched_at`` is when the provider gave it (POSIX seconds); ``None`` when it gave none, and these are the models
    that files and configuration tell of. ``stale`` says that it is older than lists are kept, ``refreshing`` that the
    provider is being asked anew, ``error`` why it could not be asked, or that it has no list at all.
    """

    models: tuple[ModelInfo, ...] = ()
    fetched_at: float | None = None
    stale: bool = False
    refreshing: bool = False
    error: ErrorInfo | None = None

    def get(self, model_id: str) -> ModelInfo | None:
        """The model of that id, or ``None``."""
        return next((model for model in self.models if model.id == model_id), None)
