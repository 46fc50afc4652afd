"""JSON Schemas of answers and tools, and the names beside them: what the format refuses, and what it takes as less."""

import re
from typing import Any

import msgspec

from providers_app.advice import shapes
from providers_app.advice.draft import Draft
from providers_app.types.chat import JsonSchema, Tool

SCHEMA_NAME = r"[a-zA-Z0-9_-]{1,64}"
NAME_LENGTH = 64
STRICT_PROPERTIES, STRICT_DEPTH = 5000, 10
"""What a strict schema may have (developers.openai.com: Structured Outputs, supported schemas)."""
TOO_DEEP = f"It is nested deeper than {shapes.DEEPEST} levels."


def fit(draft: Draft) -> None:
    """The step of ``fitting``."""
    wanted = draft.values.get("response_schema")
    if isinstance(wanted, JsonSchema):
        try:
            _answer(draft, wanted)
        except shapes.TooDeep:
            draft.limit("response_schema", "schema_depth", "The schema of the answer is too deep.", TOO_DEEP)
    draft.tools = tuple(_tool(draft, tool) for tool in draft.tools)


def _answer(draft: Draft, wanted: JsonSchema) -> None:
    name, kind = draft.rules.name, draft.rules.format.schema
    if kind == "unsent":
        what = "The answer is asked to be JSON, and its schema only in words: the answer may differ from it."
        draft.say("warning", "response_schema", "schema_unsent", what, f"This {name} server takes no schemas.")
        return
    if kind == "strict" and not re.fullmatch(SCHEMA_NAME, wanted.name):
        what = "The schema of the answer needs a name of 1 to 64 of A-Z, a-z, 0-9, _ and -."
        nearest = shapes.name_like(wanted.name, SCHEMA_NAME, NAME_LENGTH)
        draft.limit("response_schema", "schema_name", what, nearest=nearest)
    if kind in ("strict", "object") and wanted.schema.get("type") != "object":
        what = "The schema of the answer must have the type object at its top."
        draft.limit("response_schema", "schema_top", what, "Put what you want into a property of an object.")
        return
    if kind == "strict" and wanted.strict:
        _strict_answer(draft, wanted)
    elif kind == "object":
        path = shapes.open_at(wanted.schema)
        if path is not None:
            what = f"additionalProperties is not false at {path or 'the top'}."
            why = f"{name} takes schemas of answers only with every object closed."
            closed = shapes.strict_form(wanted.schema, required=False)
            draft.say("warning", "response_schema", "schema_open", what, why, closed)


def _strict_answer(draft: Draft, wanted: JsonSchema) -> None:
    problem = _strict_problem(wanted.schema)
    if not problem:
        return
    nearest = shapes.strict_form(wanted.schema)
    if draft.rules.format.lenient:
        what = "The schema of the answer is not in the strict form."
        draft.say("hint", "response_schema", "schema_not_strict", what, f"{problem}.", nearest)
        return
    draft.values["response_schema"] = msgspec.structs.replace(wanted, strict=False)
    what = "The schema of the answer is sent without strict: the answer may differ from it."
    draft.say("warning", "response_schema", "schema_relaxed", what, f"{problem}.", nearest)


def _tool(draft: Draft, tool: Tool) -> Tool:
    form, field = draft.rules.format, f"tools.{tool.name}"
    if not re.fullmatch(form.tool_name, tool.name):
        what = f"The tool's name {tool.name!r} is sent as another one; its calls come back under its own."
        why = f"{draft.rules.name}'s API takes {form.tool_name_words}."
        draft.say("hint", field, "tool_name", what, why, shapes.name_like(tool.name, form.tool_name, NAME_LENGTH))
    kind = tool.parameters.get("type", "object")
    tops = sorted(form.tool_tops & tool.parameters.keys())
    if kind != "object" or tops:
        what = f"The parameters of the tool {tool.name!r} must be an object at the top."
        why = f"They have {tops[0]} there." if tops else f"Their type is {kind!r}."
        draft.limit(field, "tool_top", what, why)
        return tool
    if not tool.strict:
        return tool
    if not form.strict_tools:
        what = f"strict is not sent with the tool {tool.name!r}."
        draft.say("warning", field, "strict_unsent", what, f"{draft.rules.name}'s API has no such switch.")
        return msgspec.structs.replace(tool, strict=None)
    return _strict_tool(draft, tool, field)


def _strict_tool(draft: Draft, tool: Tool, field: str) -> Tool:
    if draft.rules.format.schema != "strict":
        return tool
    try:
        problem = _strict_problem({"type": "object", "properties": {}, **tool.parameters})
        nearest = shapes.strict_form(tool.parameters) if problem else None
    except shapes.TooDeep:
        draft.limit(field, "schema_depth", f"The parameters of the tool {tool.name!r} are too deep.", TOO_DEEP)
        return tool
    if not problem or draft.rules.format.lenient:
        return tool
    what = f"The tool {tool.name!r} is sent without strict: its arguments may differ from its schema."
    draft.say("warning", field, "schema_relaxed", what, f"{problem}.", nearest)
    return msgspec.structs.replace(tool, strict=False)


def _strict_problem(schema: dict[str, Any]) -> str:
    """Raises ``TooDeep``."""
    problem = shapes.not_strict(schema)
    if problem:
        return problem
    size = shapes.size(schema)
    if size.properties > STRICT_PROPERTIES:
        return f"It has {size.properties:,} properties, more than {STRICT_PROPERTIES:,}"
    return f"It is {size.depth} levels deep, more than {STRICT_DEPTH}" if size.depth > STRICT_DEPTH else ""
