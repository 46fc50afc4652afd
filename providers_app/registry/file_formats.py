"""Import formats by provider: the formats that the installed packages bring."""

from collections.abc import Iterator
from typing import Any

from providers_app.dispatch.faults import faults_of
from providers_app.registry.discovery import registry
from providers_app.registry.resolver import resolve, supports
from providers_app.types.logins import ImportedLogin, ImportFormat


def formats() -> dict[str, tuple[str, ImportFormat]]:
    """Return every format by name, with the slug of the provider that reads it."""
    found: dict[str, tuple[str, ImportFormat]] = {}
    for slug in _readers():
        with faults_of(slug):
            found |= {each.name: (slug, each) for each in resolve(slug, "imports").formats}
    return found


def recognise(decoded: Any) -> str:
    """Return the name of the format that this decoded JSON is in; empty when no provider knows it."""
    for slug in _readers():
        with faults_of(slug):
            if name := resolve(slug, "imports").recognises(decoded):
                return name
    return ""


def read(format: str, files: tuple[Any, ...]) -> list[ImportedLogin]:
    """Read the logins in files of a format that ``formats`` names (else ``KeyError``). Raises ``ProviderBroken``."""
    slug, _ = formats()[format]
    with faults_of(slug):
        return resolve(slug, "imports").read(format, files)


def _readers() -> Iterator[str]:
    return (slug for slug in registry.packages() if supports(slug, "imports"))
