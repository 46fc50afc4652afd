"""JSON Schemas, examined in one bounded pass: they come from anywhere."""

import re
from typing import Any, NamedTuple

DEEPEST = 64
"""Levels that are examined; no provider takes a schema that is nested deeper."""
NOT_STRICT = ("allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties")
"""Keywords that strict schemas may not have (developers.openai.com: Structured Outputs, supported schemas)."""
RARE = frozenset({"$ref", "oneOf", "const", "not", "patternProperties", "if"})
"""Keywords in tools that older models and servers refuse, or do not understand."""
MAPS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
SINGLES = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
INNER = (*MAPS, *LISTS, *SINGLES)
"""Keywords whose values are schemas, or hold several of them."""


class Survey(NamedTuple):
    """The findings of one pass over a schema; where it is ``too_deep``, what was found before the pass ended.

    ``properties`` counts them all, ``levels`` are those of objects and arrays. ``not_strict`` is the first thing that
    keeps the schema out of the strict subset, ``open_at`` the path of the first object that allows other properties
    and ``rare`` the first keyword of ``RARE``.
    """

    properties: int = 0
    levels: int = 1
    not_strict: str = ""
    open_at: str | None = None
    rare: str = ""
    too_deep: bool = False


def survey(schema: dict[str, Any]) -> Survey:
    """Examine every schema within a schema, depth first."""
    properties = deepest = 0
    not_strict, rare, open_at = "", "", None
    left: list[tuple[tuple[str, ...], dict[str, Any], int]] = [((), schema, 0)]
    while left:
        path, part, depth = left.pop()
        if depth > DEEPEST:
            return Survey(properties, deepest + 1, not_strict, open_at, rare, too_deep=True)
        deepest = max(deepest, depth)
        properties += len(_mapping(part.get("properties")))
        not_strict = not_strict or _not_strict(part, path)
        if not rare and not RARE.isdisjoint(part):
            rare = min(RARE & part.keys())
        if open_at is None and _is_open(part):
            open_at = ".".join(path)
        inner: list[tuple[tuple[str, ...], dict[str, Any], int]] = []
        for name in INNER:
            value = part.get(name)
            if name in SINGLES and isinstance(value, dict):
                inner.append(((*path, name), value, depth + 1))
            elif (name in MAPS and isinstance(value, dict)) or (name in LISTS and isinstance(value, list)):
                several = enumerate(value) if isinstance(value, list) else value.items()
                inner += [((*path, name, str(k)), one, depth + 1) for k, one in several if isinstance(one, dict)]
        left += reversed(inner)
    return Survey(properties, deepest + 1, not_strict, open_at, rare)


def strict_form(schema: dict[str, Any], *, required: bool = True) -> dict[str, Any] | None:
    """Return the schema with every object closed, and with ``required`` its optional properties nullable and required.

    ``None`` where that is not enough: it is too deep, or uses keywords that strict schemas may not have.
    """
    if survey(schema).too_deep:
        return None
    made: dict[str, Any] = _closed(schema, required)
    return None if required and survey(made).not_strict else made


def name_like(name: str, pattern: str, longest: int) -> str | None:
    """Return the name with ``_`` for what the pattern does not take, cut to fit; ``None`` where that does not help."""
    made = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return next((text for text in (made[:longest], f"_{made}"[:longest]) if re.fullmatch(pattern, text)), None)


def _not_strict(part: dict[str, Any], path: tuple[str, ...]) -> str:
    problem = next((f"{keyword} is used" for keyword in NOT_STRICT if keyword in part), "")
    if not problem and _is_open(part):
        problem = "additionalProperties is not false"
    elif not problem and _is_object(part):
        names = set(_mapping(part.get("properties")))
        problem = "" if names == set(_names(part.get("required"))) else "not every property is required"
    return problem and f"{'At ' + '.'.join(path) if path else 'At the top'}, {problem}"


def _is_object(part: dict[str, Any]) -> bool:
    kind = part.get("type")
    return kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in part


def _is_open(part: dict[str, Any]) -> bool:
    return _is_object(part) and part.get("additionalProperties") is not False


def _closed(schema: Any, required: bool) -> Any:
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    for name, value in schema.items():
        if name in MAPS and isinstance(value, dict):
            made[name] = {key: _closed(inner, required) for key, inner in value.items()}
        elif name in LISTS and isinstance(value, list):
            made[name] = [_closed(inner, required) for inner in value]
        elif name in SINGLES:
            made[name] = _closed(value, required)
    if _is_object(made):
        made["additionalProperties"] = False
        if required:
            properties, before = _mapping(made.get("properties")), set(_names(made.get("required")))
            optional = {key: _nullable(value) for key, value in properties.items() if key not in before}
            made["properties"] = properties | optional
            made["required"] = list(properties)
    return made


def _nullable(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if isinstance(kind, str) and kind != "null" and "enum" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
