"""The models of a session, as the chat page needs them.

``known`` and ``is_remembered`` never wait for a provider: they read the one list that the provider core remembers of
each session, and files. ``listed`` asks the provider.
"""

from django.core.cache import cache

from providers_app import loop, provider
from providers_app.errors import ProviderError
from providers_app.listing import models as listing
from providers_app.model_data.library import facts, host_of
from providers_app.types.catalogue import ModelInfo, ModelListing, ProviderInfo
from sessions_app.models import AuthSession

ASK_SECONDS = 20.0
FAILED_SECONDS = 60
"""Seconds after a failed request before pages that only need the window ask again."""


def listed(session: AuthSession, *, refresh: bool = False) -> ModelListing:
    """Return the session's models with the age of the list. A provider's failure is in it, not raised."""
    try:
        return loop.run(
            provider.model_listing(session.provider, None, str(session.pk), owner=session.owner_id, refresh=refresh),
            timeout=ASK_SECONDS,
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
    """Return the provider's default model, with which a new chat begins; blank when it declares none."""
    found = card(session.provider)
    return found.default_model if found is not None else ""


def _failed_key(session: AuthSession) -> str:
    return f"maestro.models.{session.pk}.{session.generation}.failed"
