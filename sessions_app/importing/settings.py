"""Logins that the settings of this installation hold: keys, and files of other programs."""

import json
from collections.abc import Iterator
from pathlib import Path

import msgspec

from providers_app import environment_keys
from providers_app.registry import file_formats
from providers_app.types.imports import ImportedLogin, unusable

LARGEST = 1024 * 1024


def read() -> list[ImportedLogin]:
    """One login per key and file, or why it cannot be used."""
    return [*_keys(), *(_file(slug, path) for slug, path in environment_keys.files().items())]


def held() -> list[str]:
    """The providers of which the settings hold a login."""
    return sorted({*environment_keys.found(), *environment_keys.files()})


def _keys() -> Iterator[ImportedLogin]:
    for slug, key in environment_keys.found().items():
        where = f"the setting {environment_keys.names_of(slug)[0]}"
        yield ImportedLogin(provider=slug, auth_type="api_key", name=f"env_{slug}", where=where, secret=key)


def _file(slug: str, path: str) -> ImportedLogin:
    """The login in the file, by that format of the provider that can read it."""
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
