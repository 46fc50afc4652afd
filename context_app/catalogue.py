"""The models of a session as the chat page needs them: asked through the one door, remembered for a short while.

A page must not wait for a provider: ``known`` looks only at what is remembered, ``models`` asks.
"""

from dataclasses import dataclass

from django.core.cache import cache

from providers_app import loop, provider
from providers_app.errors import ProviderError
from providers_app.types.catalogue import ModelInfo, ProviderInfo
from providers_app.types.events import ErrorInfo
from sessions_app.models import AuthSession

REMEMBER_SECONDS = 600
FAILED_SECONDS = 60
"""How long a provider that gave no models is left alone by pages that only want to know the window."""
ASK_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class ModelList:
    """The models of one session, or the error that its provider gave instead."""

    models: tuple[ModelInfo, ...]
    error: ErrorInfo | None = None

    def get(self, model_id: str) -> ModelInfo | None:
        """The model of that id, or ``None``."""
        return next((model for model in self.models if model.id == model_id), None)


def models(session: AuthSession, *, refresh: bool = False) -> ModelList:
    """The session's models, remembered for some minutes. Never raises for a provider's fault."""
    key = _key(session)
    if not refresh and (remembered := cache.get(key)) is not None:
        return ModelList(tuple(remembered))
    try:
        found = loop.run(
            provider.list_models(session.provider, None, str(session.pk), owner=session.owner_id, refresh=refresh),
            timeout=ASK_SECONDS,
        )
    except ProviderError as error:
        cache.set(f"{key}.failed", True, FAILED_SECONDS)
        return ModelList((), error.info())
    except TimeoutError:
        cache.set(f"{key}.failed", True, FAILED_SECONDS)
        return ModelList(
            (), ErrorInfo(code="upstream_timeout", message="The provider did not list its models in time.")
        )
    cache.set(key, list(found), REMEMBER_SECONDS)
    return ModelList(tuple(found))


def known(session: AuthSession | None, model_id: str) -> ModelInfo | None:
    """What is remembered of a model; ``None`` when it was not asked for lately. Asks nobody."""
    if session is None or not model_id:
        return None
    remembered = cache.get(_key(session))
    return ModelList(tuple(remembered)).get(model_id) if remembered else None


def is_remembered(session: AuthSession) -> bool:
    """Are this session's models in memory, or was its provider asked in vain a moment ago?"""
    return cache.get(_key(session)) is not None or cache.get(_key(session) + ".failed") is not None


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


def _key(session: AuthSession) -> str:
    return f"maestro.models.{session.pk}.{session.generation}"
