"""The checks of JSON Schemas of answers and tools, each examined in one bounded pass, and of the names beside them."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from providers_app.advice.draft import Check, Draft, Finding
from providers_app.types.chat import JsonSchema, Tool
from providers_app.wire.payload import mapping

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
SCHEMA_NAME = r"[a-zA-Z0-9_-]{1,64}"
NAME_LENGTH = 64
STRICT_PROPERTIES, STRICT_LEVELS = 5000, 10
"""The features that a strict schema may use (developers.openai.com: Structured Outputs, supported schemas)."""
LARGE_SCHEMA = 200
"""Properties from which on a schema costs noticeable time and tokens in every request."""
MOST_TOOLS = 128
TOO_DEEP = f"It is nested deeper than {DEEPEST} levels."


class Survey(NamedTuple):
    """The findings of one pass over a schema; where it is ``too_deep``, those made before the pass ended.

    ``properties`` counts them all, ``not_strict`` is the first thing that keeps the schema out of the strict subset,
    ``open_at`` the path of the first object that allows other properties, ``rare`` the first keyword of ``RARE``.
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
        properties += len(mapping(part.get("properties")))
        not_strict = not_strict or _outside_strict(part, path)
        if not rare and not RARE.isdisjoint(part):
            rare = min(RARE & part.keys())
        if open_at is None and _is_open(part):
            open_at = ".".join(path)
        inner: list[tuple[tuple[str, ...], Any]] = []
        for name in INNER:
            value = part.get(name)
            if name in SINGLES:
                inner.append(((*path, name), value))
            elif isinstance(value, dict if name in MAPS else list):
                several = value.items() if isinstance(value, dict) else enumerate(value)
                inner += [((*path, name, str(key)), one) for key, one in several]
        left += [(at, one, depth + 1) for at, one in reversed(inner) if isinstance(one, dict)]
    return Survey(properties, deepest + 1, not_strict, open_at, rare)


def strict_form(schema: dict[str, Any], *, required: bool = True) -> dict[str, Any] | None:
    """Return the schema with every object closed, and with ``required`` its optional properties nullable and required.

    ``None`` for one that is too deep, or uses keywords that strict schemas may not have.
    """
    if survey(schema).too_deep:
        return None
    made: dict[str, Any] = _closed(schema, required)
    return None if required and survey(made).not_strict else made


def name_like(name: str, pattern: str, longest: int) -> str | None:
    """Return the name with ``_`` for what the pattern does not take, cut to fit; ``None`` where that does not help."""
    made = re.sub(r"[^A-Za-z0-9_-]", "_", name)
    return next((text for text in (made[:longest], f"_{made}"[:longest]) if re.fullmatch(pattern, text)), None)


def _outside_strict(part: dict[str, Any], path: tuple[str, ...]) -> str:
    problem = next((f"{keyword} is used" for keyword in NOT_STRICT if keyword in part), "")
    if not problem and _is_open(part):
        problem = "additionalProperties is not false"
    elif not problem and _is_object(part):
        names = set(mapping(part.get("properties")))
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
            properties, before = mapping(made.get("properties")), set(_names(made.get("required")))
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


def _names(value: Any) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _answer(draft: Draft) -> Iterator[Finding]:
    """Yield what the format does not take of the answer's schema, and a schema that is large."""
    wanted = draft.values.get("response_schema")
    if not isinstance(wanted, JsonSchema):
        return
    field, form, found = "response_schema", draft.rules.format, survey(wanted.schema)
    if form.schema == "unsent":
        what = "The answer is asked to be JSON, and its schema only in words: the answer may differ from it."
        yield Finding("schema_unsent", field, what, f"This {draft.rules.name} server takes no schemas.")
    if form.schema == "strict" and not re.fullmatch(SCHEMA_NAME, wanted.name):
        what = "The schema of the answer needs a name of 1 to 64 of A-Z, a-z, 0-9, _ and -."
        yield Finding("schema_name", field, what, nearest=name_like(wanted.name, SCHEMA_NAME, NAME_LENGTH))
    if form.schema in ("strict", "object"):
        yield from _closed_answer(draft, wanted, found)
    if found.properties > LARGE_SCHEMA and not found.too_deep:
        what = f"The schema of the answer has {found.properties:,} properties."
        yield Finding("large_schema", field, what, "It goes along with every request.")


def _closed_answer(draft: Draft, wanted: JsonSchema, found: Survey) -> Iterator[Finding]:
    field, form, strict = "response_schema", draft.rules.format, draft.rules.format.schema == "strict"
    if wanted.schema.get("type") != "object":
        what = "The schema of the answer must have the type object at its top."
        yield Finding("schema_top", field, what, "Put what you want into a property of an object.")
    elif strict and not wanted.strict:
        return
    elif found.too_deep:
        yield Finding("schema_depth", field, "The schema of the answer is too deep.", TOO_DEEP)
    elif not strict and found.open_at is not None:
        what = f"additionalProperties is not false at {found.open_at or 'the top'}."
        why = f"{draft.rules.name} takes schemas of answers only with every object closed."
        yield Finding("schema_open", field, what, why, strict_form(wanted.schema, required=False))
    elif strict and (problem := _not_strict(found)) and form.lenient:
        what = "The schema of the answer is not in the strict form."
        yield Finding("schema_not_strict", field, what, problem, strict_form(wanted.schema))
    elif strict and problem:
        what = "The schema of the answer is sent without strict: the answer may differ from it."
        value = msgspec.structs.replace(wanted, strict=False)
        yield Finding("schema_relaxed", field, what, problem, strict_form(wanted.schema), value)


def _tools(draft: Draft) -> Iterator[Finding]:
    """Yield what the format does not take of the tools, and what makes them hard to use elsewhere."""
    tools: tuple[Tool, ...] = draft.values.get("tools", ())
    if len(tools) > MOST_TOOLS:
        what = f"There are {len(tools)} tools; most models take {MOST_TOOLS}."
        yield Finding("many_tools", "tools", what, "And they choose better among few.")
    for tool in tools:
        # A tool without a type or properties has none: that is how dialects write it.
        found = survey({"type": "object", "properties": {}, **tool.parameters})
        yield from _tool(draft, tool, found)
        field = f"tools.{tool.name}"
        if not tool.description.strip():
            what = f"The tool {tool.name!r} has no description."
            yield Finding("tool_without_description", field, what, "The model chooses tools by it.")
        if found.rare:
            what = f"The parameters of the tool {tool.name!r} use {found.rare}."
            yield Finding("tool_schema_not_portable", field, what, "Older models and local servers refuse it.")
        elif found.too_deep:
            what = f"The parameters of the tool {tool.name!r} are nested very deeply."
            yield Finding("schema_depth", field, what, "Many servers refuse that.", level="warning")


def _tool(draft: Draft, tool: Tool, found: Survey) -> Iterator[Finding]:
    form, maker, field = draft.rules.format, draft.rules.name, f"tools.{tool.name}"
    if not re.fullmatch(form.tool_name, tool.name):
        what = f"The tool's name {tool.name!r} is sent as another one; its calls come back under its own."
        why = f"{maker}'s API takes {form.tool_name_words}."
        yield Finding("tool_name", field, what, why, name_like(tool.name, form.tool_name, NAME_LENGTH))
    kind, tops = tool.parameters.get("type", "object"), form.tool_tops & tool.parameters.keys()
    if kind != "object" or tops:
        what = f"The parameters of the tool {tool.name!r} must be an object at the top."
        why = f"They have {min(tops)} there." if tops else f"Their type is {kind!r}."
        yield Finding("tool_top", field, what, why)
    elif not tool.strict:
        return
    elif not form.strict_tools:
        what, why = f"strict is not sent with the tool {tool.name!r}.", f"{maker}'s API has no such switch."
        yield Finding("strict_unsent", field, what, why, value=msgspec.structs.replace(tool, strict=None))
    elif form.schema == "strict" and found.too_deep:
        yield Finding("schema_depth", field, f"The parameters of the tool {tool.name!r} are too deep.", TOO_DEEP)
    elif form.schema == "strict" and not form.lenient and (problem := _not_strict(found)):
        what = f"The tool {tool.name!r} is sent without strict: its arguments may differ from its schema."
        value = msgspec.structs.replace(tool, strict=False)
        yield Finding("schema_relaxed", field, what, problem, strict_form(tool.parameters), value)


def _not_strict(found: Survey) -> str:
    """Return the reason why a schema cannot be sent as strict; empty: it can."""
    if found.not_strict:
        return f"{found.not_strict}."
    if found.properties > STRICT_PROPERTIES:
        return f"It has {found.properties:,} properties, more than {STRICT_PROPERTIES:,}."
    return f"It is {found.levels} levels deep, more than {STRICT_LEVELS}." if found.levels > STRICT_LEVELS else ""


CHECKS: tuple[Check, ...] = (Check(("response_schema",), _answer), Check(("tools",), _tools))
