from typing import Any

import pytest

from providers_app.advice.values import check
from providers_app.chat.request import parse_params, parse_tool_choice, parse_tools
from providers_app.errors import InvalidParameter, InvalidRequest
from providers_app.types.chat import ChatParams, JsonSchema, Tool, ToolChoice


def test_parameters_with_their_usual_other_names() -> None:
    parsed = parse_params({"max_tokens": 5, "stop": "END", "temperature": 1, "seed": None, "extra": {"top_k": 3}})
    assert parsed == ChatParams(max_output_tokens=5, stop=("END",), temperature=1, extra={"top_k": 3})
    assert parse_params({"response_schema": {"type": "object"}}).response_schema == JsonSchema(
        name="answer", schema={"type": "object"}
    )


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"temprature": 1}, "Did you mean 'temperature'"),
        ({"temperature": 3}, "between 0 and 2"),
        ({"temperature": float("nan")}, "must be a number"),
        ({"temperature": True}, "must be a number"),
        ({"temperature": "hot"}, "must be a number"),
        ({"max_output_tokens": 0}, "between 1"),
        ({"max_output_tokens": 1.5}, "whole number"),
        ({"max_tokens": 5, "max_output_tokens": 6}, "same parameter"),
        ({"stop": [""]}, "none of them empty"),
        ({"stop": ["x"] * 17}, "at most 16"),
        ({"reasoning_effort": "hihg"}, "must be one of"),
        ({"parallel_tool_calls": "yes"}, "true or false"),
        ({"response_schema": "json"}, "JSON Schema"),
        ({"extra": [1]}, "dictionary"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(params: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParameter, match=words) as caught:
        parse_params(params)
    assert all(item.level == "error" and item.code for item in caught.value.advice)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_params({"temperature": 3, "seed": "x", "top_p": 0.5})
    assert [(item.field, item.code) for item in caught.value.advice] == [
        ("temperature", "out_of_range"),
        ("seed", "wrong_type"),
    ]
    assert caught.value.hint == "The nearest value of temperature is 2.0."


def test_advice_carries_the_nearest_valid_value() -> None:
    assert check({"temperature": 5})[0].nearest == 2
    assert check({"reasoning_effort": "medum"})[0].nearest == "medium"
    assert check({"stop": ["x"] * 17})[0].nearest == ["x"] * 16
    assert check({"temperature": 0.5, "top_p": 0.9}) == []


def test_tools_flat_nested_and_as_values() -> None:
    schema = {"type": "object", "properties": {}}
    parsed = parse_tools(
        [
            Tool("one"),
            {"type": "function", "function": {"name": "two", "parameters": schema}},
            {"name": "three", "input_schema": schema, "strict": True},
        ]
    )
    assert [tool.name for tool in parsed] == ["one", "two", "three"]
    assert parsed[2].strict is True


@pytest.mark.parametrize(
    "tools", [[{"name": ""}], [{"name": "a b"}], [{"name": "x" * 200}], ["x"], [{"name": "a", "parameters": "{}"}]]
)
def test_a_wrong_tool_is_refused(tools: list[Any]) -> None:
    with pytest.raises(InvalidRequest):
        parse_tools(tools)


def test_two_tools_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="two tools"):
        parse_tools([Tool("a"), {"name": "a"}])


def test_tool_choices() -> None:
    tools = (Tool("add"),)
    assert parse_tool_choice(None, ()) == ToolChoice()
    assert parse_tool_choice("required", tools) == ToolChoice("required")
    assert parse_tool_choice("add", tools) == ToolChoice("tool", "add")
    assert parse_tool_choice({"type": "function", "function": {"name": "add"}}, tools) == ToolChoice("tool", "add")
    assert parse_tool_choice({"type": "auto"}, tools) == parse_tool_choice({}, tools) == ToolChoice("auto")
    assert parse_tool_choice({"type": "tool", "name": "add"}, tools) == ToolChoice("tool", "add")
    with pytest.raises(InvalidRequest, match="not among"):
        parse_tool_choice("subtract", tools)
    with pytest.raises(InvalidRequest, match="no tools"):
        parse_tool_choice("required", ())
    with pytest.raises(InvalidRequest, match="not known"):
        parse_tool_choice({"type": "maybe"}, tools)
