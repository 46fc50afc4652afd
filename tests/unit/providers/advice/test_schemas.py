"""JSON Schemas of answers and tools, judged by what each format takes."""

from typing import Any

import pytest

from providers_app import provider
from providers_app.advice.draft import Rules
from providers_app.advice.schema_checks import strict_form, survey
from providers_app.dialects.openai_chat import OpenAIChat, RequestForm
from providers_app.types.chat import JsonSchema, Tool
from tests.unit.providers.advice.asking import CLOSED, ask, codes, fit, fitted

OPEN = {"type": "object", "properties": {"sky": {"type": "string"}, "wind": {"type": "number"}}, "required": ["sky"]}
STRICT = {
    "type": "object",
    "properties": {"sky": {"type": "string"}, "wind": {"type": ["number", "null"]}},
    "required": ["sky", "wind"],
    "additionalProperties": False,
}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"], "additionalProperties": False}
    return schema


def test_an_open_schema_goes_to_openai_without_strict_and_the_strict_form_is_offered() -> None:
    made, (item,) = fitted("openai", ask("gpt-4.1", response_schema=JsonSchema("answer", OPEN)))
    assert made.params.response_schema == JsonSchema("answer", OPEN, strict=False)
    assert (item.level, item.code, item.nearest) == ("warning", "schema_relaxed", STRICT)
    assert item.why == "At the top, additionalProperties is not false."
    again, said = fitted("openai", ask("gpt-4.1", response_schema=JsonSchema("answer", item.nearest)))
    assert said == () and again.params.response_schema is not None and again.params.response_schema.strict


@pytest.mark.parametrize(
    ("slug", "schema", "expected"),
    [
        ("openai", JsonSchema("answer", CLOSED), []),
        ("openai", JsonSchema("answer", OPEN, strict=False), []),
        ("openai", JsonSchema("my answer", CLOSED), [("error", "response_schema", "schema_name")]),
        ("openai", JsonSchema("a", {"type": "array"}), [("error", "response_schema", "schema_top")]),
        ("openai", JsonSchema("a", deep(11)), [("warning", "response_schema", "schema_relaxed")]),
        ("openai", JsonSchema("a", deep(9)), []),
        ("openai", JsonSchema("a", deep(80)), [("error", "response_schema", "schema_depth")]),
        ("openai", JsonSchema("a", {**CLOSED, "allOf": []}), [("warning", "response_schema", "schema_relaxed")]),
        ("anthropic", JsonSchema("a", {"type": "string"}), [("error", "response_schema", "schema_top")]),
        ("anthropic", JsonSchema("a", OPEN), [("warning", "response_schema", "schema_open")]),
        ("anthropic", JsonSchema("a", CLOSED), []),
        ("gemini", JsonSchema("a b", {"type": "array", "items": {"type": "string"}}), []),
        ("remote", JsonSchema("a", OPEN), [("hint", "response_schema", "schema_not_strict")]),
    ],
)
def test_schemas_of_answers(slug: str, schema: JsonSchema, expected: list[Any]) -> None:
    model = {"openai": "gpt-4.1", "anthropic": "claude-opus-5", "gemini": "gemini-3-pro"}.get(slug, "m")
    made, advice = fitted(slug, ask(model, response_schema=schema))
    assert codes(advice) == expected
    assert made.params.response_schema is not None and made.params.response_schema.schema == schema.schema


@pytest.mark.parametrize(
    ("slug", "tool", "expected"),
    [
        ("openai", Tool("a.b"), ("hint", "tools.a.b", "tool_name", "a_b")),
        ("anthropic", Tool("a.b"), ("hint", "tools.a.b", "tool_name", "a_b")),
        ("anthropic", Tool("x" * 100), None),
        ("openai", Tool("x" * 100), ("hint", "tools." + "x" * 100, "tool_name", "x" * 64)),
        ("gemini", Tool("1st"), ("hint", "tools.1st", "tool_name", "_1st")),
        ("gemini", Tool("a.b"), None),
        ("remote", Tool("a.b"), ("hint", "tools.a.b", "tool_name", "a_b")),
        ("openai", Tool("t", "", {"type": "string"}), ("error", "tools.t", "tool_top", None)),
        ("anthropic", Tool("t", "", {"anyOf": [{"type": "object"}]}), ("error", "tools.t", "tool_top", None)),
        ("openai", Tool("t", "", {}), None),
        ("gemini", Tool("t", "", CLOSED, strict=True), ("warning", "tools.t", "strict_unsent", None)),
        ("openai", Tool("t", "", OPEN, strict=True), ("warning", "tools.t", "schema_relaxed", STRICT)),
        ("openai", Tool("t", "", CLOSED, strict=True), None),
        ("anthropic", Tool("t", "", OPEN, strict=True), None),
    ],
)
def test_tools(slug: str, tool: Tool, expected: Any) -> None:
    model = {"openai": "gpt-4.1", "anthropic": "claude-opus-5", "gemini": "gemini-3-pro"}.get(slug, "m")
    made, advice = fitted(slug, ask(model, tools=[tool]))
    assert [(item.level, item.field, item.code, item.nearest) for item in advice] == ([expected] if expected else [])
    if expected and expected[2] in ("strict_unsent", "schema_relaxed"):
        assert not made.tools[0].strict


def test_validating_judges_tools_too() -> None:
    found = provider.validate_parameters("openai", "gpt-4.1", {}, tools=[{"name": "a.b", "parameters": OPEN}])
    assert ("hint", "tools.a.b", "tool_name") in codes(found)
    assert ("hint", "tools.a.b", "tool_without_description") in codes(found)


@pytest.mark.parametrize(
    "schema",
    [
        OPEN,
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/x"}}, "$defs": {"x": OPEN}},
        {"type": "object", "properties": {"a": {"type": "string", "enum": ["x"]}, "b": {"anyOf": [OPEN, OPEN]}}},
        {"type": "object", "properties": {"list": {"type": "array", "items": OPEN}}},
        {"properties": "broken", "type": "object", "required": 5},
    ],
)
def test_the_strict_form_is_strict(schema: dict[str, Any]) -> None:
    made = strict_form(schema)
    assert made is not None and survey(made).not_strict == ""


def test_what_cannot_be_made_strict_has_no_strict_form() -> None:
    assert strict_form({"type": "object", "not": {}}) is None
    assert survey(deep(70)).too_deep and strict_form(deep(70)) is None


def test_a_format_that_only_knows_json_says_that_the_schema_is_not_sent() -> None:
    dialect = OpenAIChat(request=RequestForm(structured="json_object"))
    rules = Rules(name="Small", model="m", format=dialect.rules("m"))
    made, advice = fit(ask("m", response_schema=JsonSchema("a", OPEN)), rules)
    assert codes(advice) == [("warning", "response_schema", "schema_unsent")]
    assert made.params.response_schema is not None, "that JSON is wanted is still said"
