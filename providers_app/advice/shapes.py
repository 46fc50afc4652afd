"""What can be said of a JSON Schema by looking at it. Pure, and bounded: schemas come from anywhere."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

DEEPEST = 64
"""Levels that are looked at; a schema that is nested deeper is no schema that anybody takes."""
NOT_STRICT = ("allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties")
"""Keywords that strict schemas may not have (developers.openai.com: Structured Outputs, supported schemas)."""
MAPS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLES = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")


class TooDeep(Exception):
    """The schema is nested deeper than anybody takes."""


class Size(msgspec.Struct, frozen=True):
    """How large a schema is: properties in all, levels of objects and arrays."""

    properties: int
    depth: int


def parts(schema: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Every schema in a schema with its path (``properties.city``) and level. Raises ``TooDeep``."""
    if not isinstance(schema, dict):
        return
    if depth > DEEPEST:
        raise TooDeep
    yield path, schema, depth
    for name in MAPS:
        inner = schema.get(name)
        for key, value in inner.items() if isinstance(inner, dict) else ():
            yield from parts(value, f"{path}.{name}.{key}".lstrip("."), depth + 1)
    for name in LISTS:
        inner = schema.get(name)
        for number, value in enumerate(inner) if isinstance(inner, list) else ():
            yield from parts(value, f"{path}.{name}.{number}".lstrip("."), depth + 1)
    for name in SINGLES:
        yield from parts(schema.get(name), f"{path}.{name}".lstrip("."), depth + 1)


def size(schema: dict[str, Any]) -> Size:
    """Raises ``TooDeep``."""
    properties = deepest = 0
    for _, part, depth in parts(schema):
        inner = part.get("properties")
        properties += len(inner) if isinstance(inner, dict) else 0
        deepest = max(deepest, depth)
    return Size(properties, deepest + 1)


def is_object(part: dict[str, Any]) -> bool:
    """Does it describe objects?"""
    kind = part.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in part


def not_strict(schema: dict[str, Any]) -> str:
    """What keeps a schema out of the strict subset, without its full stop; empty: nothing. Raises ``TooDeep``."""
    for path, part, _ in parts(schema):
        where = f"At {path}" if path else "At the top"
        for keyword in NOT_STRICT:
            if keyword in part:
                return f"{where}, {keyword} is used"
        if is_object(part):
            if part.get("additionalProperties") is not False:
                return f"{where}, additionalProperties is not false"
            inner, required = part.get("properties"), part.get("required")
            names = set(inner) if isinstance(inner, dict) else set()
            if names != set(_names(required)):
                return f"{where}, not every property is required"
    return ""


def open_at(schema: dict[str, Any]) -> str | None:
    """The path of the first object that allows other properties; ``None`` where there is none. Raises ``TooDeep``."""
    found = (
        path for path, part, _ in parts(schema) if is_object(part) and part.get("additionalProperties") is not False
    )
    return next(found, None)


def uses(schema: dict[str, Any], keywords: frozenset[str]) -> str:
    """The first of these keywords that is used anywhere; empty: none. Raises ``TooDeep``."""
    for _, part, _ in parts(schema):
        for keyword in sorted(keywords & part.keys()):
            return keyword
    return ""


def strict_form(schema: dict[str, Any], *, required: bool = True) -> dict[str, Any] | None:
    """The schema with every object closed, and with ``required`` its optional properties nullable and required.

    ``None`` where that is not enough, because keywords are used that strict schemas may not have. Raises ``TooDeep``.
    """
    made: dict[str, Any] = _closed(schema, required, 0)
    return made if not (required and not_strict(made)) else None


def _closed(schema: Any, required: bool, depth: int) -> Any:
    if depth > DEEPEST:
        raise TooDeep
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    for name in MAPS:
        if isinstance(made.get(name), dict):
            made[name] = {key: _closed(value, required, depth + 1) for key, value in made[name].items()}
    for name in LISTS:
        if isinstance(made.get(name), list):
            made[name] = [_closed(value, required, depth + 1) for value in made[name]]
    for name in SINGLES:
        if name in made:
            made[name] = _closed(made[name], required, depth + 1)
    if is_object(made):
        made["additionalProperties"] = False
        if required:
            inner = made.get("properties")
            properties = inner if isinstance(inner, dict) else {}
            before = set(_names(made.get("required")))
            made["properties"] = {
                key: value if key in before else _nullable(value) for key, value in properties.items()
            }
            made["required"] = list(properties)
    return made


def _nullable(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if isinstance(kind, str) and kind != "null" and "enum" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def name_like(name: str, pattern: str, longest: int) -> str | None:
    """The name with ``_`` for what the pattern does not take, cut to fit; ``None`` where that does not help."""
    made = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    for candidate in (made[:longest], f"_{made}"[:longest]):
        if re.fullmatch(pattern, candidate):
            return candidate
    return None
