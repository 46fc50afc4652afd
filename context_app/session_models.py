"""The models of a session, as the chat page needs them.

``known`` and ``is_remembered`` never wait for a provider: they read the one list that the provider core remembers of
each session, and files. ``listed`` asks the provider.
"""

from datetime import UTC, datetime

from django.core.cache import cache

from providers_app import conf, loop, provider
from providers_app.errors import ProviderError
from providers_app.listing import models as listing
from providers_app.listing.general import general_model
from providers_app.model_data.library import facts, host_of, known_models
from providers_app.types.catalogue import ModelInfo, ModelListing, ProviderInfo
from sessions_app.models import AuthSession

ASK_SECONDS = 20.0
FIRST_SECONDS = 5.0
"""Seconds that the first chat of a session waits for its list of models."""
FAILED_SECONDS = 60
"""Seconds after a failed request before pages that only need the window ask again."""


def listed(session: AuthSession, *, refresh: bool = False, seconds: float = ASK_SECONDS) -> ModelListing:
    """Return the session's models with the age of the list. A provider's failure is in it, not raised."""
    try:
        return loop.run(
            provider.model_listing(session.provider, None, str(session.pk), owner=session.owner_id, refresh=refresh),
            timeout=seconds,
        )
    except ProviderError as error:
        cache.set(_failed_key(session), True, FAILED_SECONDS)
        return ModelListing(error=error.info())
    except TimeoutError:
        cache.set(_failed_key(session), True, FAILED_SECONDS)
        return listing.timed_out(str(session.pk), session.account_id)


def known(session: AuthSession | None, model_id: str) -> ModelInfo | None:
    """Return what is known of a model without a request, or ``None``."""
    if session is None or not model_id:
        return None
    remembered = listing.cached(str(session.pk), session.account_id)
    found = remembered.get(model_id) if remembered is not None else None
    if found is not None:
        return found
    host = host_of(session.base_url)
    return facts(session.provider, model_id, host=host, session=session.name)


def is_remembered(session: AuthSession) -> bool:
    """Return whether the session's models are in memory, or its provider failed to list them a moment ago."""
    return listing.fetched_recently(str(session.pk), session.account_id) or cache.get(_failed_key(session)) is not None


def card(slug: str) -> ProviderInfo | None:
    """Return the provider's card, or ``None`` for one that is no longer installed."""
    return next((info for info in provider.list_providers() if info.slug == slug), None)


def monogram(slug: str) -> str:
    """Return two letters for the provider's tile."""
    found = card(slug)
    return found.monogram if found is not None else (slug[:2].title() or "?")


def default_model(session: AuthSession) -> str:
    """Return the model that the configuration or the provider names for calls without one, else a blank."""
    found = card(session.provider)
    return (getattr(conf.provider(found.slug), "default_model", "") or found.default_model) if found is not None else ""


def first_model(session: AuthSession, *, ask: bool = False) -> tuple[str, bool]:
    """Return the model with which a new chat begins, and whether Maestro chose it.

    It is the default, else the provider's current general model, found in the session's remembered list or in the model
    files. With ``ask`` the provider may be asked for the list, for some seconds. Blank where nothing is known.
    """
    named, found = default_model(session), card(session.provider)
    if named or found is None:
        return named, False
    today = datetime.now(UTC).date()
    remembered = listing.cached(str(session.pk), session.account_id)
    models = remembered.models if remembered is not None else ()
    if not models and ask and not is_remembered(session):
        models = listed(session, seconds=FIRST_SECONDS).models
    if not models and found.general_model:
        models = tuple(known_models(session.provider, host=host_of(session.base_url), session=session.name))
    chosen = general_model(models, found.general_model, today)
    return chosen, bool(chosen)


def _failed_key(session: AuthSession) -> str:
    return f"maestro.models.{session.pk}.{session.generation}.failed"
