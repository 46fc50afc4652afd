"""What the environment has for tests against real providers."""

import os
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from maestro_site.conf import load
from providers_app.provider import list_providers
from tests.environment import KEPT


@cache
def settings() -> Any:
    """The settings that the ecosystem's own variables make (``tests.environment`` put them aside)."""
    return load(KEPT).providers


def key_of(slug: str) -> str:
    """The key for this provider; empty where there is none."""
    found = getattr(getattr(settings(), slug, None), "api_key", None)
    return found.get_secret_value() if found is not None else ""


def slugs() -> list[str]:
    """The providers that take a key."""
    return [card.slug for card in list_providers() if "api_key" in card.auth_types]


def wish(what: str, slug: str) -> str:
    """``INTEGRATION_MODEL_<SLUG>``, ``INTEGRATION_BASE_URL_<SLUG>``."""
    return os.environ.get(f"INTEGRATION_{what}_{slug.upper()}", "")


def settings_for(slug: str) -> Any:
    """The settings for one provider; an address that was given on purpose may be on this machine."""
    host = urlsplit(wish("BASE_URL", slug)).hostname
    return settings().model_copy(update={"allowed_private_hosts": (host,)}) if host else settings()
