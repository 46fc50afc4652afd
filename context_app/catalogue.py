"""The models of a session as the chat page needs them.

A page must not wait for a provider: ``known`` looks only at what is remembered and at what files tell, ``models`` asks.
What is remembered is the one list that the provider core keeps of each session.
"""

from django.core.cache import cache

from providers_app import loop, provider
from providers_app.errors import ProviderError, UpstreamTimeout
from providers_app.listing import models as catalogue
from providers_app.model_data import facts as model_facts
from providers_app.types.catalogue import ModelInfo, ProviderInfo
from providers_app.types.listing import ModelListing
from sessions_app.models import AuthSession

ASK_SECONDS = 20.0
FAILED_SECONDS = 60
"""How long a session that could not be asked is left alone by pages that only want to know the window."""


def models(session: AuthSession, *, refresh: bool = False) -> ModelListing:
    """The session's models with the age of the list. Never raises for a provider's fault."""
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
        late = UpstreamTimeout("The provider did not list its models in time.")
        before = catalogue.remembered(str(session.pk), session.account_id) or ModelListing()
        return ModelListing(
            models=before.models,
            fetched_at=before.fetched_at,
            stale=before.fetched_at is not None,
            error=late.info(),
            lacks=before.lacks,
        )


def known(session: AuthSession | None, model_id: str) -> ModelInfo | None:
    """What is known of a model without asking anybody; ``None`` when that is nothing."""
    if session is None or not model_id:
        return None
    listing = catalogue.remembered(str(session.pk), session.account_id)
    found = listing.get(model_id) if listing is not None else None
    if found is not None:
        return found
    host = model_facts.host_in(session.base_url)
    return model_facts.facts(session.provider, model_id, host=host, session=session.name)


def is_remembered(session: AuthSession) -> bool:
    """Are this session's models in memory, or was its provider asked in vain a moment ago?"""
    return catalogue.asked_lately(str(session.pk), session.account_id) or cache.get(_failed_key(session)) is not None


def card(slug: str) -> ProviderInfo | None:
    """The provider's card, or ``None`` for one that is not installed any more."""
    return next((info for info in provider.list_providers() if info.slug == slug), None)


def monogram(slug: str) -> str:
    """Two letters for the provider's tile."""
    found = card(slug)
    return found.monogram if found is not None else (slug[:2].title() or "?")


def provider_name(slug: str) -> str:
    """The provider's name as people say it."""
    found = card(slug)
    return found.name if found is not None else slug


def default_model(session: AuthSession) -> str:
    """The model that a new chat asks: the provider's default, blank when it declares none."""
    found = card(session.provider)
    return found.default_model if found is not None else ""


def _failed_key(session: AuthSession) -> str:
    return f"maestro.models.{session.pk}.{session.generation}.failed"
