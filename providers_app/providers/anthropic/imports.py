"""Profiles of Anthropic's own CLI: two files that belong together, ``configs/x.json`` and ``credentials/x.json``.

The CLI goes on refreshing the login, and each of its refresh tokens is accepted once: it is read-only here.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from providers_app.errors import InvalidCredential
from providers_app.providers.anthropic import profile
from providers_app.providers.anthropic.requests import SLUG
from providers_app.types.credentials import Secret
from providers_app.types.imports import ImportedLogin, ImportFormat, held_elsewhere, unusable

PROFILE = ImportFormat(
    name="anthropic-profile",
    label="Anthropic CLI profile",
    place="~/.config/anthropic/configs/<profile>.json with credentials/<profile>.json",
    files=2,
)


class AnthropicImports:
    """The Console login of the CLI."""

    formats = (PROFILE,)

    def recognises(self, found: Any) -> str:
        """Either of the two files."""
        return PROFILE.name if _is_config(found) or _is_credentials(found) else ""

    def read(self, format: str, files: tuple[Any, ...]) -> list[ImportedLogin]:
        """One login from the two files, in whatever order they come."""
        config = next((found for found in files if _is_config(found)), None)
        credentials = next((found for found in files if _is_credentials(found)), None)
        if config is None or credentials is None:
            missing = "configs/<profile>.json" if config is None else "credentials/<profile>.json"
            return [unusable("the files", f"{missing} is missing: a profile consists of two files.", provider=SLUG)]
        try:
            tokens = profile.read(config, credentials)
        except InvalidCredential as error:
            return [unusable("the files", error.message, provider=SLUG, auth_type="oauth")]
        tokens = msgspec.structs.replace(tokens, refresh=Secret(""), read_only=held_elsewhere("Anthropic's CLI"))
        note = "Read-only: Anthropic's CLI goes on refreshing this login."
        name = "anthropic_cli"
        return [ImportedLogin(provider=SLUG, auth_type="oauth", name=name, where="the files", tokens=tokens, note=note)]


def _is_config(found: Any) -> bool:
    authentication = found.get("authentication") if isinstance(found, Mapping) else None
    return isinstance(authentication, Mapping) and "type" in authentication


def _is_credentials(found: Any) -> bool:
    return (
        isinstance(found, Mapping) and "access_token" in found and "authentication" not in found and "id" not in found
    )


BEHAVIOUR = AnthropicImports()
