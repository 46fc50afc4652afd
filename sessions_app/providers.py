"""The provider packages for the session store: slugs for names, cards for pages, broken ones with a reason."""

from contextlib import suppress
from dataclasses import dataclass

from providers_app.errors import ProviderBroken, UnknownProvider, UnsupportedOperation
from providers_app.registry.discovery import registry
from providers_app.registry.resolver import resolve
from providers_app.types.catalogue import ProviderInfo
from sessions_app.models import AuthSession


@dataclass(frozen=True, slots=True)
class Card:
    """One provider on the Connect page; ``problem`` says why it cannot be used, and is empty when it can."""

    slug: str
    name: str
    monogram: str
    description: str
    auth_types: tuple[str, ...]
    problem: str = ""

    @property
    def kinds(self) -> list[str]:
        """The auth types in words."""
        return [str(AuthSession.AuthType(kind).label) for kind in self.auth_types]


def slugs() -> frozenset[str]:
    """Return the slug of every installed provider, including those that do not load."""
    return frozenset(registry.packages())


def cards() -> list[Card]:
    """Return every installed provider by name; broken ones last."""
    found = map(_card, registry.packages())
    return sorted(found, key=lambda card: (bool(card.problem), card.name.casefold()))


def usable(slug: str) -> ProviderInfo:
    """Return the card of a provider that can be connected. Raises ``UnknownProvider``, ``ProviderBroken``."""
    info = registry.card(slug)
    for operation in ("streaming", "models", "api_key"):
        with suppress(UnsupportedOperation):
            resolve(slug, operation)
    return info


def info(slug: str) -> ProviderInfo | None:
    """Return the card; ``None`` when the provider is gone or broken, whose sessions stay visible and can be deleted."""
    try:
        return registry.card(slug)
    except (UnknownProvider, ProviderBroken):
        return None


def answers_here(slug: str) -> bool:
    """Say whether the provider answers in this process, without a network or a login that could fail."""
    try:
        return registry.local_responder(slug) is not None
    except (UnknownProvider, ProviderBroken):
        return False


def monogram(slug: str) -> str:
    """Return two letters for the provider's tile, also when its package is gone."""
    found = info(slug)
    return found.monogram if found else slug[:2].title()


def _card(slug: str) -> Card:
    try:
        found = usable(slug)
    except ProviderBroken as error:
        return Card(slug, slug, slug[:2].title(), "", (), problem=error.message)
    return Card(slug, found.name, found.monogram, found.description, tuple(found.auth_types))
