"""Reads settings from the environment, and remembers which variable each came from and which ones it hid.

A setting's own name is stronger than the names that other programs use for it, those are stronger than its earlier
names; within one name the process's environment is stronger than the ``.env`` file, and a secret's value than the file
that ``<NAME>_FILE`` names. An empty variable is none.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import dotenv
from pydantic import SecretStr

from maestro_site.setting_tree import LISTS, PREFIX, ROOT, Setting, kinds
from providers_app.setting_types import split

ENV_FILE = "MAESTRO_ENV_FILE"
LARGEST_SECRET = 1024 * 1024
Kind = Literal["own", "alias", "earlier"]


class ConfigError(Exception):
    """A setting that cannot be used; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Found:
    """A variable that holds a value for a setting. ``text`` is what it holds: for ``from_file`` the name of a file."""

    variable: str
    kind: Kind
    text: str = field(repr=False)
    from_file: bool = False
    env_file: str = ""

    @property
    def place(self) -> str:
        """In words: ``OPENAI_BASE_URL`` or ``OPENAI_BASE_URL in .env``."""
        return f"{self.variable} in {self.env_file}" if self.env_file else self.variable


@dataclass(frozen=True, slots=True)
class Reading:
    """What the environment says. ``values`` is nested as the tree is; ``problems`` are sentences by path."""

    values: dict[str, Any] = field(repr=False)
    used: dict[tuple[str, ...], Found]
    shadowed: dict[tuple[str, ...], tuple[Found, ...]]
    problems: dict[tuple[str, ...], str]


class Environment:
    """The variables of this process and, where it has no such variable, those of the ``.env`` file."""

    def __init__(self, process: Mapping[str, str], env_file: Path | None = None) -> None:
        """Raises ``ConfigError`` where the file is named and cannot be read."""
        self.process = process
        self.file = _read_env_file(env_file) if env_file else {}
        self.file_name = env_file.name if env_file else ""
        # Our own names are also known in small letters.
        self._spelt = [
            {name.upper(): name for name in names if name.upper().startswith(PREFIX)} for names in (process, self.file)
        ]

    def names(self) -> list[str]:
        """The names of all variables, each once."""
        return sorted({*self.process, *self.file})

    def holding(self, name: str) -> Iterator[tuple[str, str, str]]:
        """Each place that holds this name: its spelling there, the text, and the file's name."""
        for variables, spelt, where in zip((self.process, self.file), self._spelt, ("", self.file_name), strict=True):
            spelling = name if name in variables else spelt.get(name, "")
            if spelling:
                yield spelling, variables[spelling], where


def of_process(environ: Mapping[str, str] | None = None) -> Environment:
    """The environment of this process, with the file that ``MAESTRO_ENV_FILE`` names, else ``.env`` beside
    ``manage.py``; a given one stands alone. Raises ``ConfigError``."""
    if environ is not None:
        return Environment(environ)
    named = os.environ.get(ENV_FILE, "")
    path = Path(named) if named else ROOT / ".env"
    return Environment(os.environ, path if named or path.is_file() else None)


def read(settings: Iterable[Setting], environment: Environment) -> Reading:
    """Look every setting up; nothing is validated yet."""
    reading = Reading({}, {}, {}, {})
    for setting in settings:
        found = list(candidates(setting, environment))
        if not found:
            continue
        reading.used[setting.path] = found[0]
        if found[1:]:
            reading.shadowed[setting.path] = tuple(found[1:])
        try:
            value = decoded(setting, contents(found[0]))
        except ConfigError as error:
            reading.problems[setting.path] = str(error)
            continue
        place = reading.values
        for group in setting.path[:-1]:
            place = place.setdefault(group, {})
        place[setting.path[-1]] = SecretStr(value) if setting.secret and isinstance(value, str) else value
    return reading


def candidates(setting: Setting, environment: Environment) -> Iterator[Found]:
    """The variables that hold a value for the setting, the strongest first."""
    kinds_of: list[tuple[str, Kind]] = [
        (setting.name, "own"),
        *((name, "alias") for name in setting.aliases),
        *((name, "earlier") for name in setting.earlier),
    ]
    for name, kind in kinds_of:
        for spelling, text, file in environment.holding(name):
            if text.strip() or (setting.keeps_empty and kind == "own"):
                yield Found(spelling, kind, text, env_file=file)
        if setting.secret:
            for spelling, text, file in environment.holding(f"{name}_FILE"):
                if text.strip():
                    yield Found(spelling, kind, text, from_file=True, env_file=file)


def contents(found: Found) -> str:
    """The text of a variable, or of the file that it names. Raises ``ConfigError``."""
    if not found.from_file:
        return found.text
    try:
        with Path(found.text).expanduser().open(encoding="utf-8-sig") as file:
            text = file.read(LARGEST_SECRET + 1)
    except OSError as error:
        raise ConfigError(f"{found.place} cannot be read: {error.strerror} ({found.text}).") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{found.place} names a file that is not text in UTF-8 ({found.text}).") from None
    if not text.strip():
        raise ConfigError(f"{found.place} names a file that is empty ({found.text}).")
    if len(text) > LARGEST_SECRET:
        raise ConfigError(f"{found.place} names a file that is too large to hold a secret ({found.text}).")
    return text.strip()


def decoded(setting: Setting, text: str) -> Any:
    """What a variable's text says: a list with commas or in JSON, an object in JSON, else the text, which the field's
    own validators may know how to read."""
    found = kinds(setting.info.annotation)
    if dict in found and text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return split(text) if any(kind in found for kind in LISTS) else text


def _read_env_file(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            found = dotenv.dotenv_values(stream=file, interpolate=False)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. It is the file of {ENV_FILE}.") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text in UTF-8.") from None
    return {name: value for name, value in found.items() if value is not None}
