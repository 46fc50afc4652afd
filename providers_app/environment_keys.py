"""Logins that the settings of this installation hold (``OPENAI_API_KEY`` ...): material for sessions.

No request is signed with one. Stored as a session, what is sent with it has an owner, a name, a trail, and an end.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from providers_app import conf
from providers_app.errors import InvalidCredential, ProviderBroken
from providers_app.registry import settings
from providers_app.registry.discovery import list_providers, registry
from providers_app.setting_types import Env
from providers_app.types.credentials import Secret

T = TypeVar("T")

FIELD = "api_key"
ADDRESS_FIELD = "base_url"
FILE_FIELD = "credentials_file"
"""A file with a login, as another program left it (``GOOGLE_APPLICATION_CREDENTIALS``)."""


def key_of(slug: str) -> Secret:
    """Return the key that the settings hold. Raises ``InvalidCredential``, ``UnknownProvider``, ``ProviderBroken``."""
    if key := _key(slug):
        return key
    names = names_of(slug)
    hint = f"Set {' or '.join(names)}, or <name>_FILE." if names else f"The provider {slug!r} has no setting {FIELD}."
    raise InvalidCredential(f"The settings hold no key for {slug!r}.", hint=hint)


def found() -> dict[str, Secret]:
    """Return every key that the settings hold, by provider."""
    return dict(_held(_key))


def files() -> dict[str, str]:
    """Return the path of every file with a login that the settings name, by provider."""
    return dict(_held(lambda slug: str(getattr(conf.provider(slug), FILE_FIELD, None) or "")))


def address_of(slug: str) -> str:
    """Return the address that the settings hold for keys of a provider; empty where it is the provider's own."""
    address = str(getattr(conf.provider(slug), ADDRESS_FIELD, ""))
    return "" if address == _own_address(slug) else address


def provider_at(slug: str, base_url: str) -> str:
    """Return the provider for a key of ``slug`` whose address is given: another where the host is not the vendor's."""
    try:
        own, host = (f".{urlsplit(address).hostname or ''}" for address in (_own_address(slug), base_url))
    except ValueError:  # refused later, where addresses are judged
        return slug
    if not base_url or host.endswith(own) or not registry.card(slug).imitated:
        return slug
    return next((card.slug for card in list_providers() if any(one.addresses for one in card.settings)), slug)


def names_of(slug: str, field: str = FIELD) -> tuple[str, ...]:
    """Return the variables that a field is read from, the strongest first; none where there is no such field."""
    info = settings.config_class(slug).model_fields.get(field)
    if info is None:
        return ()
    others = (name for mark in info.metadata if isinstance(mark, Env) for name in mark.names)
    return (f"MAESTRO_PROVIDERS__{slug.upper()}__{field.upper()}", *others)


def slugs_by_name(field: str = FIELD) -> dict[str, str]:
    """Return, by the name of each variable, the provider whose key (or other field) it holds."""
    return {name: slug for slug, names in _held(lambda slug: names_of(slug, field)) for name in names}


def _own_address(slug: str) -> str:
    field = settings.config_class(slug).model_fields.get(ADDRESS_FIELD)
    return str(field.default) if field is not None else ""


def _held(read: Callable[[str], T | None]) -> Iterator[tuple[str, T]]:
    """Yield what every provider that is not broken has of something."""
    for slug in registry.packages():
        try:
            value = read(slug)
        except ProviderBroken:
            continue
        if value:
            yield slug, value


def _key(slug: str) -> Secret | None:
    value = getattr(conf.provider(slug), FIELD, None)
    text = value.get_secret_value().strip() if isinstance(value, SecretStr) else ""
    return Secret(text) if text else None
