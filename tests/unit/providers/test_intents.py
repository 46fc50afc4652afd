"""The intent of a tool call: declared, stated by the model, or decided by the rule; never missing, never lost."""

import msgspec
import pytest

from providers_app.chat.request import parse_tools
from providers_app.errors import InvalidIntent, InvalidRequest
from providers_app.types import intent_rules as intents
from providers_app.types.chat import ResultToolCall, Tool, ToolCallPart
from providers_app.types.events import Event, ToolCall
from providers_app.types.intent import ToolIntent
from providers_app.types.intent_rules import INTENT_PROPERTY, decided, intent_of, parse_intent, stated_schema

ASKING = Tool("deploy", ask_intent=True)
STATED = {"purpose": "test_pass", "scope": "staging", "risk_level": "low"}


def call(arguments: dict[str, object] | None = None) -> ToolCall:
    return ToolCall(0, "call_1", "deploy", arguments or {})


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        (None, ToolIntent(None, "deploy", "medium", "rule")),
        (Tool("deploy"), ToolIntent(None, "deploy", "medium", "rule")),
        (Tool("deploy", read_only=True), ToolIntent(None, "deploy", "low", "rule")),
        (Tool("deploy", destructive=True), ToolIntent(None, "deploy", "high", "rule")),
        (Tool("deploy", read_only=True, destructive=True), ToolIntent(None, "deploy", "high", "rule")),
        (Tool("deploy", read_only=False, destructive=False), ToolIntent(None, "deploy", "medium", "rule")),
        (
            Tool("deploy", intent=ToolIntent("best_practice", "", "low"), destructive=True),
            ToolIntent("best_practice", "deploy", "low", "tool"),
        ),
    ],
)
def test_what_the_tool_declares_counts_and_else_the_rule(tool: Tool | None, expected: ToolIntent) -> None:
    assert intent_of(tool, "deploy") == expected
    assert decided(call(), tool).intent == expected


def test_no_call_is_without_an_intent_wherever_it_is_made() -> None:
    rule = ToolIntent(None, "f", "medium")
    assert ToolCall(0, "1", "f", {}).intent == rule
    assert ToolCallPart("1", "f", {}).intent == rule
    assert ResultToolCall(id="1", name="f", arguments={}).intent == rule
    assert ToolCall(0, "1", "", {}).intent.scope == "tool"
    stored = [{"type": "tool_call", "index": 0, "id": "1", "name": "f", "arguments": {}}]  # before intents were stored
    (event,) = msgspec.json.decode(msgspec.json.encode(stored), type=list[Event])
    assert isinstance(event, ToolCall)
    assert event.intent == rule
    said = ToolCall(0, "1", "f", {}, intent=ToolIntent("test_pass", "f", "high", "model"))
    assert msgspec.json.decode(msgspec.json.encode([said]), type=list[Event]) == [said]


def test_what_the_model_states_counts_and_the_tool_receives_what_it_would_without_it() -> None:
    made = decided(call({"host": "a", INTENT_PROPERTY: STATED}), ASKING)
    assert made.arguments == {"host": "a"}
    assert made.intent == ToolIntent("test_pass", "staging", "low" if ASKING.read_only else "medium", "model")
    assert made.opaque == {INTENT_PROPERTY: STATED}
    assert made.intent_error is None


@pytest.mark.parametrize(
    ("tool", "stated", "risk"),
    [
        (Tool("deploy", ask_intent=True, destructive=True), "low", "high"),
        (Tool("deploy", ask_intent=True, read_only=True), "low", "low"),
        (Tool("deploy", ask_intent=True, read_only=True), "high", "high"),
        (Tool("deploy", ask_intent=True, intent=ToolIntent(risk_level="medium")), "low", "medium"),
    ],
)
def test_a_model_raises_the_risk_and_never_lowers_it(tool: Tool, stated: str, risk: str) -> None:
    made = decided(call({INTENT_PROPERTY: {**STATED, "risk_level": stated}}), tool)
    assert made.intent.risk_level == risk


def test_a_statement_says_only_what_it_names() -> None:
    declared = ToolIntent("best_practice", "docs", "low")
    tool = Tool("deploy", ask_intent=True, intent=declared)
    assert decided(call({INTENT_PROPERTY: {}}), tool).intent == ToolIntent("best_practice", "docs", "low", "model")
    assert decided(call({INTENT_PROPERTY: {"purpose": None, "scope": "x"}}), ASKING).intent == ToolIntent(
        None, "x", "medium", "model"
    )


@pytest.mark.parametrize("wrong", ["soon", 7, None, {"purpose": "fun"}, {**STATED, "risk_level": 3}, {"why": "so"}])
def test_a_statement_that_is_no_intent_is_said_and_not_lost(wrong: object) -> None:
    made = decided(call({"host": "a", INTENT_PROPERTY: wrong}), ASKING)
    assert made.arguments == {"host": "a"}
    assert made.intent == ToolIntent(None, "deploy", "medium", "rule")
    assert made.intent_error is not None
    assert made.intent_error.code == "invalid_intent"
    assert made.opaque == {INTENT_PROPERTY: wrong}


def test_only_a_tool_that_asks_gives_up_the_argument() -> None:
    arguments = {INTENT_PROPERTY: STATED}
    assert decided(call(arguments), Tool("deploy")).arguments == arguments
    assert decided(call(arguments), None).arguments == arguments


def test_the_place_for_the_statement_is_optional_unless_the_schema_is_strict() -> None:
    parameters = {"properties": {"host": {"type": "string"}}, "required": ["host"], "additionalProperties": False}
    loose, strict = stated_schema(parameters), stated_schema(parameters, strict=True)
    assert list(loose["properties"]) == ["host", INTENT_PROPERTY]
    assert (loose["type"], loose["required"], strict["required"]) == ("object", ["host"], ["host", INTENT_PROPERTY])
    assert parameters["properties"] == {"host": {"type": "string"}}
    assert stated_schema({})["properties"].keys() == {INTENT_PROPERTY}


def test_the_place_asks_for_each_field_of_an_intent_and_for_the_words_that_are_known() -> None:
    asked = stated_schema({})["properties"][INTENT_PROPERTY]
    assert asked["properties"] == {
        "purpose": {"type": "string", "enum": ["test_pass", "best_practice", "maintenance"]},
        "scope": {"type": "string"},
        "risk_level": {"type": "string", "enum": ["low", "medium", "high"]},
    }
    assert (asked["type"], asked["additionalProperties"]) == ("object", False)
    assert asked["required"] == list(asked["properties"])


def test_a_tool_with_an_argument_of_that_name_cannot_ask() -> None:
    taken = {"type": "object", "properties": {INTENT_PROPERTY: {"type": "string"}}}
    with pytest.raises(InvalidRequest, match="of its own"):
        parse_tools([{"name": "f", "parameters": taken, "ask_intent": True}])
    assert parse_tools([{"name": "f", "parameters": taken}])[0].parameters == taken


def test_tools_declare_their_intent_in_dictionaries_and_in_the_annotations_of_mcp() -> None:
    declared, hinted, nested = parse_tools(
        [
            {"name": "a", "intent": {"purpose": "test_pass", "risk": "high"}},
            {"name": "b", "annotations": {"readOnlyHint": True, "destructiveHint": False}},
            {"type": "function", "function": {"name": "c"}, "destructive": True, "ask_intent": True},
        ]
    )
    assert declared.intent == ToolIntent("test_pass", "", "high", "tool")
    assert (hinted.read_only, hinted.destructive, hinted.ask_intent) == (True, False, False)
    assert (nested.destructive, nested.ask_intent) == (True, True)


@pytest.mark.parametrize(
    ("flags", "risk"),
    [({}, "medium"), ({"read_only": True}, "low"), ({"annotations": {"destructiveHint": True}}, "high")],
)
def test_a_declaration_without_a_risk_has_that_of_the_rule_and_without_a_purpose_none(
    flags: dict[str, object], risk: str
) -> None:
    (tool,) = parse_tools([{"name": "f", "intent": {"scope": "files"}, **flags}])
    assert tool.intent == ToolIntent(None, "files", risk, "tool")  # type: ignore[arg-type]
    assert parse_tools(msgspec.to_builtins([tool])) == (tool,)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("low", "must have purpose"),
        ({"purpose": "cleaning"}, "purpose must be one of"),
        ({"risk_level": "extreme"}, "risk_level must be one of"),
        ({"scope": "x" * 201}, "at most 200"),
        ({"scope": 3}, "at most 200"),
        ({"scope": "a\x00"}, "without NUL"),
        ({"level": "low"}, "unknown field"),
        (ToolIntent("cleaning"), "purpose must be one of"),  # type: ignore[arg-type]
    ],
)
def test_an_intent_that_is_none_is_a_typed_error(wrong: object, words: str) -> None:
    with pytest.raises(InvalidIntent, match=words) as caught:
        parse_intent(wrong)
    assert caught.value.code == "invalid_intent"
    with pytest.raises(InvalidIntent, match="tool 1"):
        parse_tools([{"name": "f", "intent": wrong}])
    assert intents.parse_intent({"scope": " a "}).scope == "a"


def test_flags_of_a_tool_are_true_or_false() -> None:
    with pytest.raises(InvalidRequest, match="must be true or false"):
        parse_tools([{"name": "f", "read_only": "yes"}])
