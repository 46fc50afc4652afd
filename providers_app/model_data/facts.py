"""Lookup of one model in the provider's model file, the operator's, and the configuration. Sends nothing."""

from providers_app import conf
from providers_app.model_data.library import library
from providers_app.model_data.merge import configured, merged, today
from providers_app.types.catalogue import ModelInfo


def facts(provider: str, model: str, *, underlying: str = "", host: str = "", session: str = "") -> ModelInfo | None:
    """Return what is known of ``model`` at ``provider``, or ``None``. In memory after the first call; raises nothing.

    ``underlying`` is the vendor's model behind a name that an operator chose (an Azure deployment). ``host`` is that
    of the session's address, which decides whose models they are where a provider stands for many servers.
    ``session`` is the session's name, for figures that are configured for it alone.
    """
    shipped = library.index(provider, host).find(model, underlying)
    return merged(None, shipped, _configured(provider, session).get(model), today=today())


def completed(listed: ModelInfo, provider: str, *, host: str = "", session: str = "") -> ModelInfo:
    """Return an entry of a provider's list with what else is known of the model."""
    shipped = library.index(provider, host).find(listed.id, listed.underlying)
    return merged(listed, shipped, _configured(provider, session).get(listed.id), today=today()) or listed


def known_models(provider: str, *, host: str = "", session: str = "") -> list[ModelInfo]:
    """Return every model in the files and the configuration, by id."""
    models, chosen = library.index(provider, host).models, _configured(provider, session)
    found = (merged(None, models.get(one), chosen.get(one), today=today()) for one in sorted({*models, *chosen}))
    return [info for info in found if info is not None]


def _configured(provider: str, session: str) -> dict[str, ModelInfo]:
    return configured(conf.current().configured_models, provider, session)
