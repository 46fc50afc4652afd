"""The settings tree as a flat list, and how each setting is read from the environment.

A setting is a leaf of a pydantic model, a group a field whose type is one. The name that follows from its path is
stronger than those of other programs, which the field declares (``providers_app.setting_types``); within one name the
environment of the process is stronger than the ``.env`` file, and a secret's value than the file that ``<NAME>_FILE``
names. An empty variable counts as not set. Each value keeps which variable it came from and which ones it hides.
"""

import inspect
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import dotenv
from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from providers_app.setting_types import Env, KeepsEmpty, split

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "MAESTRO_"
ENV_FILE = "MAESTRO_ENV_FILE"
LARGEST_SECRET = 1024 * 1024
"""Characters of the largest file that a secret is read from."""
LISTS = (list, tuple, set, frozenset)
Kind = Literal["own", "alias"]
T = TypeVar("T")


class ConfigError(Exception):
    """A setting that cannot be used; the message names it and says what to do."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One leaf of the tree."""

    path: tuple[str, ...]
    info: FieldInfo
    model: type[BaseModel]
    default: Any = field(repr=False)

    @property
    def name(self) -> str:
        """``MAESTRO_PROVIDERS__OPENAI__BASE_URL``."""
        return env_name(self.path)

    @property
    def dotted(self) -> str:
        """``providers.openai.base_url``."""
        return ".".join(self.path)

    @property
    def aliases(self) -> tuple[str, ...]:
        """The names that other programs use for it, the strongest first."""
        return tuple(name for mark in _marks(self.info, Env) for name in mark.names)

    @property
    def names(self) -> tuple[str, ...]:
        """All variables that it is read from, the strongest first; for a secret also those that name a file."""
        suffixes = ("", "_FILE") if self.secret else ("",)
        return tuple(name + suffix for name in (self.name, *self.aliases) for suffix in suffixes)

    @property
    def help(self) -> str:
        """The help sentence of the field."""
        return self.info.description or ""

    @property
    def secret(self) -> bool:
        """True when its value is a secret or contains one."""
        return not {SecretStr, SecretBytes}.isdisjoint(plain_types(self.info.annotation))

    @property
    def keeps_empty(self) -> bool:
        """True when an empty variable is a value."""
        return bool(_marks(self.info, KeepsEmpty))

    @property
    def declared(self) -> str:
        """``providers_app/providers/openai/config.py: Config.base_url``."""
        owner = next(base for base in self.model.__mro__ if self.path[-1] in inspect.get_annotations(base))
        place = owner.__module__
        try:
            file = Path(inspect.getfile(owner))
            place = str(file.relative_to(ROOT)) if file.is_relative_to(ROOT) else place
        except (TypeError, OSError):
            pass
        return f"{place}: {owner.__qualname__}.{self.path[-1]}"


def env_name(path: tuple[int | str, ...]) -> str:
    """Return the name of a setting or group in the environment."""
    return PREFIX + "__".join(str(part).upper() for part in path)


def walk(model: type[BaseModel], default: Any = None, path: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Yield the settings of a model, depth first, in the order in which they are declared."""
    default = model() if default is None and not path else default
    for name, info in model.model_fields.items():
        own = None if info.is_required() else info.get_default(call_default_factory=True)
        value = getattr(default, name, None) if isinstance(default, BaseModel) else own
        if group := group_of(info.annotation):
            yield from walk(group, value, (*path, name))
        else:
            yield Setting((*path, name), info, model, value)


def group_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model of a field that is a group; ``None`` for a setting."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    parts = [part for part in get_args(annotation) if part is not NoneType]
    return group_of(parts[0]) if get_origin(annotation) in (Union, UnionType) and len(parts) == 1 else None


def plain_types(annotation: Any) -> set[Any]:
    """Return every plain type in an annotation: ``{dict, str, SecretStr}`` of ``dict[str, SecretStr] | None``."""
    inner = get_args(annotation)
    if not inner:
        return {annotation}
    origin = get_origin(annotation)
    found = {kind for part in inner for kind in plain_types(part) if kind is not NoneType}
    return found if origin in (Union, UnionType) else found | {origin}


def _marks(info: FieldInfo, mark: type[T]) -> list[T]:
    return [each for each in info.metadata if isinstance(each, mark)]


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
        """``OPENAI_BASE_URL``, or ``OPENAI_BASE_URL in .env``."""
        return f"{self.variable} in {self.env_file}" if self.env_file else self.variable


@dataclass(frozen=True, slots=True)
class Reading:
    """The result of reading the environment: ``values`` nested as the tree is, ``problems`` as sentences by path."""

    values: dict[str, Any] = field(repr=False)
    used: dict[tuple[str, ...], Found]
    shadowed: dict[tuple[str, ...], tuple[Found, ...]]
    problems: dict[tuple[str, ...], str]


class Environment:
    """The variables of this process and, where it has no such variable, those of the ``.env`` file."""

    def __init__(self, process: Mapping[str, str], env_file: Path | None = None) -> None:
        """Read the file, if one is named. Raises ``ConfigError``."""
        file = {env_file.name: _read_env_file(env_file)} if env_file else {}
        # Our own names are also accepted in lower case.
        self._sources = [
            (variables, {name.upper(): name for name in variables if name.upper().startswith(PREFIX)}, file_name)
            for file_name, variables in {"": process, **file}.items()
        ]

    def names(self) -> list[str]:
        """Return the names of all variables, each once."""
        return sorted({name for variables, _, _ in self._sources for name in variables})

    def lookup(self, name: str) -> Iterator[tuple[str, str, str]]:
        """Yield each source that has this name: its spelling there, the text, and the file's name."""
        for variables, spellings, file_name in self._sources:
            if spelling := name if name in variables else spellings.get(name, ""):
                yield spelling, variables[spelling], file_name


def of_process(environ: Mapping[str, str] | None = None) -> Environment:
    """Return the environment of this process; ``environ`` replaces it, without a file.

    The file is the one that ``MAESTRO_ENV_FILE`` names, else ``.env`` beside ``manage.py``. Raises ``ConfigError``.
    """
    if environ is not None:
        return Environment(environ)
    named = os.environ.get(ENV_FILE, "")
    path = Path(named) if named else ROOT / ".env"
    return Environment(os.environ, path if named or path.is_file() else None)


def read(settings: Iterable[Setting], environment: Environment) -> Reading:
    """Look up each setting; nothing is validated yet."""
    reading = Reading({}, {}, {}, {})
    for setting in settings:
        if not (found := tuple(candidates(setting, environment))):
            continue
        reading.used[setting.path], reading.shadowed[setting.path] = found[0], found[1:]
        try:
            value = _decode(setting, _contents(found[0]))
        except ConfigError as error:
            reading.problems[setting.path] = str(error)
            continue
        place = reading.values
        for group in setting.path[:-1]:
            place = place.setdefault(group, {})
        place[setting.path[-1]] = SecretStr(value) if setting.secret and isinstance(value, str) else value
    return reading


def candidates(setting: Setting, environment: Environment) -> Iterator[Found]:
    """Yield the variables that hold a value for the setting, the strongest first."""
    for name in (setting.name, *setting.aliases):
        kind: Kind = "own" if name == setting.name else "alias"
        for suffix in ("", "_FILE") if setting.secret else ("",):
            for spelling, text, file in environment.lookup(name + suffix):
                if text.strip() or (setting.keeps_empty and kind == "own" and not suffix):
                    yield Found(spelling, kind, text, from_file=bool(suffix), env_file=file)


def _contents(found: Found) -> str:
    """Return the text of a variable, or of the file that it names. Raises ``ConfigError``."""
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


def _decode(setting: Setting, text: str) -> Any:
    """Parse a list (commas or JSON) or a JSON object; other text is left to the validators of the field."""
    found = plain_types(setting.info.annotation)
    if dict in found and text.lstrip().startswith("{"):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return split(text) if not found.isdisjoint(LISTS) else text


def _read_env_file(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            found = dotenv.dotenv_values(stream=file, interpolate=False)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}. It is the file of {ENV_FILE}.") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text in UTF-8.") from None
    return {name: value for name, value in found.items() if value is not None}
