"""Plain keys: the llm tool's ``keys.json`` and ``.env`` files."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from providers_app import environment_keys
from providers_app.registry.discovery import list_providers
from providers_app.types.credentials import Secret
from providers_app.types.imports import ImportedLogin, unusable

LONGEST_NAME = 30
"""Characters of a name that is quoted: keys of providers are longer, names of them are not."""
_VARIABLE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)$")
_KEY_NAMES = re.compile(r"^(.+?)_(?:API_KEY|API_TOKEN|KEY)$")


def slug_of(name: str, slugs: Collection[str]) -> str:
    """The provider that a program means by this name, empty when none is installed."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    if plain in slugs:
        return plain
    called = (card.slug for card in list_providers() if plain in card.also_called)
    return next((slug for slug in called if slug in slugs), "")


def shown(name: str) -> str:
    """A name out of a file, for a message; not one that is so long that it may be a key in the wrong place."""
    return repr(name) if len(name) <= LONGEST_NAME else f"of {len(name)} characters"


def read_llm(found: Mapping[str, Any], slugs: Collection[str]) -> list[ImportedLogin]:
    """``{"openai": "sk-...", "// Note": "..."}``: one key per name."""
    logins = []
    for name, value in found.items():
        if name.startswith("//"):
            continue
        where = f"the key {shown(name)}"
        slug = slug_of(name, slugs)
        if not isinstance(value, str) or not value.strip():
            logins.append(unusable(where, "It is empty or no text.", provider=slug))
        elif not slug:
            logins.append(unusable(where, "No installed provider has this name."))
        else:
            logins.append(_key(slug, f"llm_{slug}", where, value.strip()))
    return logins


def read_env(text: str, slugs: Collection[str]) -> list[ImportedLogin]:
    """``NAME_API_KEY=value`` lines; other variables are left alone. The value of a comment line is never read."""
    logins = []
    declared = environment_keys.slugs_by_name()
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#") or not (variable := _VARIABLE.match(line)):
            continue
        name, value = variable[1], _unquoted(variable[2])
        pattern = _KEY_NAMES.match(name.upper())
        slug = declared.get(name) or (slug_of(pattern[1], slugs) if pattern else "")
        if not slug:
            continue
        where = f"line {number}, {name[:60]}"
        if not value:
            logins.append(unusable(where, "It is empty.", provider=slug))
        elif value.startswith("$"):
            logins.append(unusable(where, "It names another variable instead of a key.", provider=slug))
        else:
            logins.append(_key(slug, f"env_{slug}", where, value))
    return logins


def _key(slug: str, name: str, where: str, value: str) -> ImportedLogin:
    return ImportedLogin(provider=slug, auth_type="api_key", name=name, where=where, secret=Secret(value))


def _unquoted(value: str) -> str:
    value = value.strip()
    if value[:1] in ("'", '"'):
        end = value.find(value[0], 1)
        return value[1:end] if end > 0 else value[1:]
    return re.split(r"\s#", value, maxsplit=1)[0].strip()
