"""Every setting of the tree as one flat list: where it stands, what it is called, what it is by default.

A setting is a leaf of a pydantic model; a group is a field whose type is one. Names in the environment follow from the
place (``MAESTRO_PROVIDERS__OPENAI__BASE_URL``); further ones are declared at the
field (``providers_app.setting_types``).
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from providers_app.setting_types import EarlierEnv, EarlierPrefix, Env, KeepsEmpty, UrlWithSecret

ROOT = Path(__file__).resolve().parent.parent
PREFIX = "MAESTRO_"
LISTS = (list, tuple, set, frozenset)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """One leaf of the tree."""

    path: tuple[str, ...]
    info: FieldInfo
    model: type[BaseModel]
    default: Any = field(repr=False)
    aliases: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``MAESTRO_PROVIDERS__OPENAI__BASE_URL``."""
        return env_name(self.path)

    @property
    def dotted(self) -> str:
        """``providers.openai.base_url``."""
        return ".".join(self.path)

    @property
    def help(self) -> str:
        """What it is for."""
        return self.info.description or ""

    @property
    def secret(self) -> bool:
        """Is its value a secret, or does it hold some?"""
        return any(kind in (SecretStr, SecretBytes) for kind in kinds(self.info.annotation))

    @property
    def url_with_secret(self) -> bool:
        """Is it an address that is shown without what is secret in it?"""
        return bool(marked(self.info, UrlWithSecret))

    @property
    def keeps_empty(self) -> bool:
        """Is an empty variable a value of it?"""
        return bool(marked(self.info, KeepsEmpty))

    @property
    def declared(self) -> str:
        """``providers_app/providers/openai/config.py: Config.base_url``."""
        owner = next(base for base in self.model.__mro__ if self.path[-1] in inspect.get_annotations(base))
        try:
            file = Path(inspect.getfile(owner))
        except (TypeError, OSError):
            return f"{owner.__module__}: {owner.__qualname__}.{self.path[-1]}"
        where = file.relative_to(ROOT) if file.is_relative_to(ROOT) else owner.__module__
        return f"{where}: {owner.__qualname__}.{self.path[-1]}"

    @property
    def names(self) -> tuple[str, ...]:
        """Every variable that it is read from, the strongest first; a secret also from the file that one names."""
        plain = (self.name, *self.aliases, *self.earlier)
        return tuple(each for name in plain for each in ((name, f"{name}_FILE") if self.secret else (name,)))


def env_name(path: tuple[int | str, ...]) -> str:
    """The name of a setting or group in the environment."""
    return PREFIX + "__".join(str(part).upper() for part in path)


def walk(model: type[BaseModel], default: Any = None, path: tuple[str, ...] = ()) -> Iterator[Setting]:
    """The settings of a model, depth first, in the order in which they are declared."""
    default = model() if default is None and not path else default
    yield from _walk(model, default, path, ())


def _walk(model: type[BaseModel], default: Any, path: tuple[str, ...], prefixes: tuple[str, ...]) -> Iterator[Setting]:
    for name, info in model.model_fields.items():
        here = (*path, name)
        value = getattr(default, name, None) if isinstance(default, BaseModel) else _own_default(info)
        if group := group_of(info.annotation):
            earlier = tuple(text for mark in marked(info, EarlierPrefix) for text in mark.names)
            below = (*(f"{prefix}{name.upper()}_" for prefix in prefixes), *earlier)
            yield from _walk(group, value, here, below)
            continue
        old = tuple(text for mark in marked(info, EarlierEnv) for text in mark.names)
        yield Setting(
            path=here,
            info=info,
            model=model,
            default=value,
            aliases=tuple(text for mark in marked(info, Env) if type(mark) is Env for text in mark.names),
            earlier=tuple(dict.fromkeys((*old, *(f"{prefix}{name.upper()}" for prefix in prefixes)))),
        )


def groups(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """The groups below a model: where each stands, and its field."""
    for name, info in model.model_fields.items():
        if group := group_of(info.annotation):
            yield (*path, name), info
            yield from groups(group, (*path, name))


def group_of(annotation: Any) -> type[BaseModel] | None:
    """The model of a field that is a group; ``None`` for a setting."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Union, UnionType):
        models = [found for part in get_args(annotation) if (found := group_of(part))]
        others = [part for part in get_args(annotation) if part is not NoneType and not group_of(part)]
        return models[0] if len(models) == 1 and not others else None
    return None


def marked(info: FieldInfo, mark: type[T]) -> list[T]:
    """The marks of one kind that a field was declared with."""
    return [each for each in info.metadata if isinstance(each, mark)]


def kinds(annotation: Any) -> set[Any]:
    """Every plain type in an annotation: ``{dict, str, SecretStr}`` of ``dict[str, SecretStr] | None``."""
    inner = get_args(annotation)
    if not inner:
        return {annotation}
    origin = get_origin(annotation)
    found = {kind for part in inner for kind in kinds(part) if kind is not NoneType}
    return found if origin in (Union, UnionType) else found | {origin}


def _own_default(info: FieldInfo) -> Any:
    return None if info.is_required() else info.get_default(call_default_factory=True)
