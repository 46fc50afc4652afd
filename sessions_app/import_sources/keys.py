"""Keys as other programs keep them: the llm tool's ``keys.json``, ``.env`` files, this installation's environment."""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from providers_app import environment_keys
from providers_app.registry import file_formats
from providers_app.registry.discovery import list_providers
from providers_app.types.credentials import Secret
from providers_app.types.logins import ImportedLogin, unusable

LONGEST_NAME = 30  # characters of a name that is quoted: keys of providers are longer, names of them are not
LARGEST = 1024 * 1024  # bytes of a file of another program that are read
_VARIABLE = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)$")
_KEY_NAMES = re.compile(r"^(.+?)_(?:API_KEY|API_TOKEN|KEY)$")


def slug_of(name: str, slugs: Collection[str]) -> str:
    """Return the slug of the installed provider that a program means by this name, else an empty string."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.strip().lower()).strip("_")
    if plain in slugs:
        return plain
    called = (card.slug for card in list_providers() if plain in card.also_called)
    return next((slug for slug in called if slug in slugs), "")


def shown(name: str) -> str:
    """Quote a name out of a file for a message; one long enough to be a misplaced key is only counted."""
    return repr(name) if len(name) <= LONGEST_NAME else f"of {len(name)} characters"


def read_llm(found: Mapping[str, Any], slugs: Collection[str]) -> list[ImportedLogin]:
    """Read ``{"openai": "sk-...", "// Note": "..."}``, one key per name."""
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
    """Read ``NAME_API_KEY=value`` lines; other variables and comment lines are left alone."""
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


def read_environment() -> list[ImportedLogin]:
    """Read the keys and files that this installation's environment names: one login each, or why it is unusable."""
    found = [
        _key(slug, f"env_{slug}", f"the setting {environment_keys.names_of(slug)[0]}", key.reveal())
        for slug, key in environment_keys.found().items()
    ]
    return found + [_file(slug, path) for slug, path in environment_keys.files().items()]


def _file(slug: str, path: str) -> ImportedLogin:
    """Read the login in the file, by whichever format of the provider can."""
    where = f"the file of {environment_keys.names_of(slug, environment_keys.FILE_FIELD)[0]}"
    try:
        with Path(path).expanduser().open(encoding="utf-8-sig") as file:
            decoded = json.loads(file.read(LARGEST))
    except OSError as error:
        return unusable(where, f"It cannot be read: {error.strerror}.", provider=slug)
    except (ValueError, RecursionError):
        return unusable(where, "It is no JSON.", provider=slug)
    problems = []
    for name, (owner, _) in file_formats.formats().items():
        for login in file_formats.read(name, (decoded,)) if owner == slug else ():
            if not login.problem:
                return msgspec.structs.replace(login, where=where)
            problems.append(login.problem)
    return unusable(where, " Or: ".join(problems) or "The provider reads no such files.", provider=slug)


def _key(slug: str, name: str, where: str, value: str) -> ImportedLogin:
    return ImportedLogin(provider=slug, auth_type="api_key", name=name, where=where, secret=Secret(value))


def _unquoted(value: str) -> str:
    value = value.strip()
    if value[:1] in ("'", '"'):
        end = value.find(value[0], 1)
        return value[1:end] if end > 0 else value[1:]
    return re.split(r"\s#", value, maxsplit=1)[0].strip()
