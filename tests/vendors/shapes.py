"""Small strict checks of JSON values; the first violation is raised as data, each vendor words it in its own way."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Path = tuple[str | int, ...]
Check = Callable[[Any, Path], None]
Fields = Mapping[str, Check]

NAMES = {
    str: "a string",
    int: "an integer",
    float: "a decimal",
    bool: "a boolean",
    dict: "an object",
    list: "an array",
    type(None): "null",
}


class Violation(Exception):
    """``kind``: missing, unknown, type, value, short, long, pattern, low, high, or ``rule`` with a ready ``detail``."""

    def __init__(self, path: Path, kind: str, **facts: Any) -> None:
        super().__init__(path, kind, facts)
        self.path, self.kind, self.facts = path, kind, facts


def _type(value: Any, path: Path, expected: type | tuple[type, ...], said: str) -> None:
    wrong_bool = isinstance(value, bool) and bool not in (expected if isinstance(expected, tuple) else (expected,))
    if wrong_bool or not isinstance(value, expected):
        raise Violation(path, "type", expected=said, got=NAMES.get(type(value), type(value).__name__))


def anything(value: Any, path: Path) -> None:
    """Every value."""


def boolean(value: Any, path: Path) -> None:
    _type(value, path, bool, "a boolean")


def integer(low: int | None = None, high: int | None = None) -> Check:
    def check(value: Any, path: Path) -> None:
        _type(value, path, int, "an integer")
        _range(value, path, low, high)

    return check


def number(low: float | None = None, high: float | None = None) -> Check:
    def check(value: Any, path: Path) -> None:
        _type(value, path, (int, float), "a number")
        _range(value, path, low, high)

    return check


def _range(value: float, path: Path, low: float | None, high: float | None) -> None:
    if low is not None and value < low:
        raise Violation(path, "low", limit=low, got=value)
    if high is not None and value > high:
        raise Violation(path, "high", limit=high, got=value)


def text(*, at_least: int = 0, at_most: int | None = None, pattern: str | None = None) -> Check:
    compiled = re.compile(pattern) if pattern else None

    def check(value: Any, path: Path) -> None:
        _type(value, path, str, "a string")
        if len(value) < at_least:
            raise Violation(path, "short", limit=at_least, got=len(value))
        if at_most is not None and len(value) > at_most:
            raise Violation(path, "long", limit=at_most, got=len(value))
        if compiled and not compiled.fullmatch(value):
            raise Violation(path, "pattern", pattern=pattern, got=value)

    return check


def one_of(*values: Any) -> Check:
    def check(value: Any, path: Path) -> None:
        if value not in values:
            raise Violation(path, "value", values=values, got=value)

    return check


def nullable(inner: Check) -> Check:
    return lambda value, path: None if value is None else inner(value, path)


def array(item: Check, *, at_least: int = 0, at_most: int | None = None) -> Check:
    def check(value: Any, path: Path) -> None:
        _type(value, path, list, "an array")
        if len(value) < at_least:
            raise Violation(path, "short", limit=at_least, got=len(value))
        if at_most is not None and len(value) > at_most:
            raise Violation(path, "long", limit=at_most, got=len(value))
        for position, one in enumerate(value):
            item(one, (*path, position))

    return check


def mapping(value: Any, path: Path) -> None:
    """Any JSON object."""
    _type(value, path, dict, "an object")


def obj(required: Fields, optional: Fields | None = None) -> Check:
    """An object with these fields and no others."""
    known = {**required, **(optional or {})}

    def check(value: Any, path: Path) -> None:
        _type(value, path, dict, "an object")
        for name in value:
            if name not in known:
                raise Violation((*path, name), "unknown")
        for name in required:
            if name not in value:
                raise Violation((*path, name), "missing")
        for name, one in value.items():
            known[name](one, (*path, name))

    return check


def tagged(tag: str, variants: Mapping[str, Check], default: str | None = None) -> Check:
    """An object whose field ``tag`` chooses its shape."""

    def check(value: Any, path: Path) -> None:
        _type(value, path, dict, "an object")
        kind = value.get(tag, default)
        if kind is None:
            raise Violation((*path, tag), "missing")
        if kind not in variants:
            raise Violation((*path, tag), "value", values=tuple(variants), got=kind)
        variants[kind](value, path)

    return check


def either(scalar: type, when_scalar: Check, otherwise: Check) -> Check:
    """One check for values of a Python type, another for the rest."""
    return lambda value, path: (when_scalar if isinstance(value, scalar) else otherwise)(value, path)


def rule(holds: bool, path: Path, detail: str, **facts: Any) -> None:
    """Raises the violation of a rule between fields."""
    if not holds:
        raise Violation(path, "rule", detail=detail, **facts)


def brackets(path: Path) -> str:
    """``messages[0].content``"""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")


def dots(path: Path) -> str:
    """``messages.0.content``"""
    return ".".join(str(part) for part in path)


def listed(values: Iterable[Any]) -> str:
    """``'a', 'b', and 'c'``"""
    quoted = [f"'{value}'" for value in values]
    return " and ".join(quoted) if len(quoted) < 3 else ", ".join(quoted[:-1]) + f", and {quoted[-1]}"
