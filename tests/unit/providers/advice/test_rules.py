"""What each format and family refuses, drops or replaces, as a table; and what strict makes of it."""

import json
from typing import Any

import msgspec
import pytest

from providers_app import conf, provider
from providers_app.advice.draft import CHANGES, Rules
from providers_app.advice.fitting import refuse
from providers_app.dialects.openai_chat import OpenAIChat, RequestForm
from providers_app.errors import InvalidParameter, UnsupportedParameter
from providers_app.model_rules import OPENAI
from providers_app.registry.settings import build_model, config_class
from providers_app.types.catalogue import ModelInfo
from providers_app.types.chat import JsonSchema, Tool, ToolChoice
from providers_app.types.credentials import Credential
from tests.unit.providers.advice.asking import CLOSED, WEATHER, ask, codes, fit, fitted, plain_rules

NOTHING: list[Any] = []


def dropped(name: str, code: str = "not_for_model") -> tuple[str, str, str]:
    return ("warning", name, code)


@pytest.mark.parametrize(
    ("slug", "model", "params", "expected"),
    [
        ("openai", "gpt-5.6", {"temperature": 0.5}, [dropped("temperature")]),
        ("openai", "gpt-5.6", {"temperature": 0.5, "reasoning_effort": "none"}, NOTHING),
        ("openai", "gpt-5.6", {"top_p": 0.5, "reasoning_effort": "low"}, [dropped("top_p")]),
        ("openai", "gpt-5.1", {"temperature": 0.5}, NOTHING),
        ("openai", "gpt-5.1", {"temperature": 0.5, "reasoning_effort": "low"}, [dropped("temperature")]),
        ("openai", "gpt-5", {"reasoning_effort": "none"}, [dropped("reasoning_effort", "replaced")]),
        ("openai", "o3", {"reasoning_effort": "max"}, [dropped("reasoning_effort", "replaced")]),
        ("openai", "gpt-4.1", {"reasoning_effort": "low"}, [dropped("reasoning_effort")]),
        ("openai", "gpt-5-chat-latest", {"temperature": 0.5}, NOTHING),
        ("openai", "gpt-4.1", {"seed": 3}, [dropped("seed", "not_in_format")]),
        ("openai", "gpt-4.1", {"max_output_tokens": 15}, [("error", "max_output_tokens", "out_of_range")]),
        ("openai", "gpt-4.1", {"max_output_tokens": 16}, NOTHING),
        ("anthropic", "claude-sonnet-4-6", {"temperature": 1.2}, [("error", "temperature", "out_of_range")]),
        ("anthropic", "claude-sonnet-4-6", {"temperature": 1, "top_p": 0.9}, [dropped("top_p")]),
        ("anthropic", "claude-3-7-sonnet-20250219", {"temperature": 0.4, "top_p": 0.9}, NOTHING),
        ("anthropic", "claude-opus-5", {"temperature": 0.4}, [dropped("temperature")]),
        ("anthropic", "claude-sonnet-4-6", {"temperature": 0.4, "reasoning_effort": "low"}, [dropped("temperature")]),
        ("anthropic", "claude-sonnet-4-6", {"temperature": 1, "reasoning_effort": "low"}, NOTHING),
        ("anthropic", "claude-sonnet-4-6", {"reasoning_effort": "xhigh"}, [dropped("reasoning_effort", "replaced")]),
        ("anthropic", "claude-opus-5", {"reasoning_effort": "minimal"}, [dropped("reasoning_effort", "renamed")]),
        ("anthropic", "claude-haiku-4-5", {"reasoning_effort": "minimal"}, NOTHING),
        (
            "anthropic",
            "claude-haiku-4-5",
            {"reasoning_effort": "high", "max_output_tokens": 4000},
            [dropped("reasoning_effort", "budget_cut")],
        ),
        (
            "anthropic",
            "claude-haiku-4-5",
            {"reasoning_effort": "low", "max_output_tokens": 1024},
            [dropped("reasoning_effort")],
        ),
        ("anthropic", "claude-3-opus", {"response_schema": {"type": "object"}}, [dropped("response_schema")]),
        ("gemini", "gemini-3-pro", {"reasoning_effort": "none"}, [dropped("reasoning_effort", "renamed")]),
        ("gemini", "models/gemini-3-pro", {"reasoning_effort": "max"}, [dropped("reasoning_effort", "renamed")]),
        ("gemini", "gemini-2.5-flash", {"reasoning_effort": "none"}, NOTHING),
        ("gemini", "gemini-2.5-pro", {"reasoning_effort": "none"}, [dropped("reasoning_effort", "replaced")]),
        ("gemini", "gemini-2.0-flash", {"reasoning_effort": "low"}, [dropped("reasoning_effort")]),
        ("gemini", "gemini-3-pro", {"stop": list("abcdef")}, [("error", "stop", "too_many_stops")]),
        ("gemini", "gemini-3-pro", {"stop": list("abcde")}, NOTHING),
        ("gemini", "gemini-3-pro", {"seed": 2**31}, [("error", "seed", "out_of_range")]),
        ("remote", "m", {"stop": list("abcde")}, [("warning", "stop", "too_many_stops")]),
        ("demo", "demo", {"parallel_tool_calls": False}, [("hint", "parallel_tool_calls", "default")]),
    ],
)
def test_what_is_said(slug: str, model: str, params: dict[str, Any], expected: list[Any]) -> None:
    said = provider.validate_parameters(slug, model, params)
    kept = [item for item in codes(said) if item[2] not in ("both_samplings", "sampling_while_reasoning")]
    kept = [item for item in kept if item[2] not in ("output_below_thinking", "schema_open", "unknown_model")]
    assert kept == expected
    assert all(item.what.endswith(".") for item in said)


def test_an_old_model_does_not_write_json_and_call_tools_at_once() -> None:
    wanted = {"response_schema": JsonSchema("answer", CLOSED)}
    made, advice = fitted("gemini", ask("gemini-2.5-flash", tools=[WEATHER], **wanted))
    assert made.params.response_schema is None
    assert codes(advice) == [dropped("response_schema")]
    assert fitted("gemini", ask("gemini-3-pro", tools=[WEATHER], **wanted))[1] == ()


def test_thinking_with_a_budget_gives_way_to_a_forced_tool() -> None:
    forced = {"tools": [WEATHER], "choice": ToolChoice("required"), "reasoning_effort": "low"}
    assert codes(fitted("anthropic", ask("claude-haiku-4-5", **forced))[1]) == [dropped("reasoning_effort")]
    assert fitted("anthropic", ask("claude-opus-5", **forced))[1] == ()


def test_over_chat_completions_tools_go_without_reasoning() -> None:
    dialect = OpenAIChat(own_limits=True)
    every = plain_rules("openai", "gpt-5.6")
    rules = msgspec.structs.replace(
        every,
        format=dialect.rules("gpt-5.6"),
        models=tuple(rule for rule in OPENAI if rule.concerns("gpt-5.6", dialect.name)),
    )
    made, advice = fit(ask("gpt-5.6", tools=[WEATHER], reasoning_effort="high", temperature=0.5), rules)
    assert codes(advice) == [dropped("reasoning_effort", "replaced")]
    assert (made.params.reasoning_effort, made.params.temperature) == ("none", 0.5)
    assert fit(ask("gpt-5.6", reasoning_effort="high"), rules)[1] == ()
    assert codes(fit(ask("gpt-5.6", stop=("x",)), rules)[1]) == [dropped("stop")]


def test_the_api_version_without_sampling_parameters() -> None:
    config = config_class("anthropic")(api_version="2026-10-21")
    settings = build_model()(anthropic=config)
    with conf.use(settings):
        found = provider.validate_parameters("anthropic", "claude-sonnet-4-6", {"temperature": 0.5, "top_p": 1})
    assert codes(found) == [dropped("temperature"), dropped("top_p")]
    assert "2026-10-21" in found[0].why


def test_fields_that_a_server_does_not_know_are_said() -> None:
    fields = frozenset({"seed", "tool_choice", "response_format", "parallel_tool_calls"})
    dialect = OpenAIChat(request=RequestForm(unsupported=fields))
    rules = Rules(name="Small", model="m", format=dialect.rules("m"))
    chat = ask("m", tools=[WEATHER], choice=ToolChoice("required"), seed=1, parallel_tool_calls=False)
    made, advice = fit(chat, rules)
    assert codes(advice) == [
        dropped("seed", "not_in_format"),
        dropped("parallel_tool_calls", "not_in_format"),
        dropped("tool_choice", "not_in_format"),
    ]
    assert made.tools == chat.tools and made.tool_choice == ToolChoice()
    without = OpenAIChat(request=RequestForm(unsupported=frozenset({"tools"})))
    made, advice = fit(chat, msgspec.structs.replace(rules, format=without.rules("m")))
    assert made.tools == () and ("warning", "tools", "not_in_format") in codes(advice)


@pytest.mark.parametrize(
    ("form", "mode", "expected"),
    [
        ({"unsupported": frozenset({"tool_choice"})}, "none", ("hint", "tool_choice", "tool_choice_by_tools")),
        ({"unsupported": frozenset({"tool_choice"})}, "tool", ("warning", "tool_choice", "replaced")),
        ({"unsupported": frozenset({"tool_choice"})}, "required", ("warning", "tool_choice", "not_in_format")),
        ({"named_tool_choice": False}, "tool", ("hint", "tool_choice", "tool_choice_by_tools")),
        ({"named_tool_choice": False}, "none", None),
        ({"named_tool_choice": False}, "required", None),
        ({}, "tool", None),
    ],
)
def test_a_choice_that_a_server_has_no_word_for(form: dict[str, Any], mode: Any, expected: Any) -> None:
    dialect = OpenAIChat(request=RequestForm(**form))
    rules = Rules(name="Small", model="m", format=dialect.rules("m"))
    choice = ToolChoice(mode, "weather" if mode == "tool" else None)
    made, advice = fit(ask("m", tools=[WEATHER, Tool("other", "does")], choice=choice), rules)
    assert codes(advice) == ([expected] if expected else [])
    body = json.loads(dialect.build_body(made))
    sent_tools = [tool["function"]["name"] for tool in body.get("tools", ())]
    if expected and mode == "tool":
        assert sent_tools == ["weather"]
    elif expected and mode == "none":
        assert sent_tools == []
    else:
        assert sent_tools == ["weather", "other"]


def test_what_the_list_of_models_leaves_out_is_not_sent() -> None:
    facts = ModelInfo(id="m", parameters=("max_output_tokens", "stop"))
    chat = ask("m", temperature=0.5, stop=("x",), parallel_tool_calls=False, tools=[WEATHER])
    made, advice = fitted("openrouter", chat, facts)
    assert codes(advice) == [dropped("temperature")]
    assert made.params.stop == ("x",) and made.params.parallel_tool_calls is False
    assert fitted("openrouter", chat, ModelInfo(id="m"))[1] == ()


def test_the_field_is_called_as_the_caller_called_it() -> None:
    (item,) = provider.validate_parameters("openai", "gpt-4.1", {"max_tokens": 3})
    assert (item.field, item.level, item.nearest) == ("max_tokens", "error", 16)
    found = provider.validate_parameters("openai", "gpt-4.1", {"stop_sequences": ["x"], "temprature": 1})
    assert [(item.level, item.field) for item in found] == [("error", "temprature"), ("warning", "stop_sequences")]


def test_errors_are_raised_and_changes_only_where_it_is_strict() -> None:
    _, changes = fitted("openai", ask("gpt-4.1", seed=1, stop=("x",)))
    refuse(changes)
    with pytest.raises(UnsupportedParameter) as strict:
        refuse(changes, strict=True)
    assert {item.field for item in strict.value.advice} == {"seed", "stop"}
    assert strict.value.code == "unsupported_parameter" and strict.value.http_status == 400
    _, errors = fitted("openai", ask("gpt-4.1", seed=1, max_output_tokens=1))
    with pytest.raises(InvalidParameter, match="between 16") as wrong:
        refuse(errors)
    assert not isinstance(wrong.value, UnsupportedParameter)
    assert [item.field for item in wrong.value.advice] == ["max_output_tokens"]
    refuse(fitted("demo", ask("demo", parallel_tool_calls=True))[1], strict=True)


def test_each_code_that_changes_a_request_is_a_warning() -> None:
    for slug in ("openai", "anthropic", "gemini", "remote", "demo"):
        for effort in ("none", "minimal", "max"):
            _, advice = fitted(
                slug, ask("o3" if slug == "openai" else "claude-opus-5", seed=1, reasoning_effort=effort)
            )
            assert all(item.level == "warning" for item in advice if item.code in CHANGES)


def test_a_deployment_is_judged_by_the_model_behind_it() -> None:
    login = Credential(auth_type="api_key", settings={"deployments": "chat-prod=gpt-5.6, small"})
    found = provider.validate_parameters("azure_openai", "chat-prod", {"temperature": 0.5}, credential=login)
    assert codes(found) == [dropped("temperature")]
    assert provider.validate_parameters("azure_openai", "small", {"temperature": 0.5}, credential=login) == []
    stops = provider.validate_parameters("azure_openai", "small", {"stop": list("abcde")}, credential=login)
    assert codes(stops) == [("error", "stop", "too_many_stops")]


def test_a_model_that_nothing_is_known_of_is_said_where_models_are_known() -> None:
    (item,) = provider.validate_parameters("anthropic", "claude-opus-55", {})
    assert (item.level, item.code, item.field) == ("warning", "unknown_model", "model")
    assert str(item.nearest).startswith("claude-opus-5")
    assert provider.validate_parameters("remote", "anything", {}) == []
    assert provider.validate_parameters("anthropic", "claude-opus-5", {}) == []


def test_what_a_login_takes_out_is_said_as_well() -> None:
    login = Credential(auth_type="oauth", settings={"mode": "chatgpt"})
    found = provider.validate_parameters("openai", "gpt-5.6", {"max_tokens": 500, "seed": 1}, credential=login)
    assert ("warning", "max_tokens", "refused_by_login") in codes(found)
    assert dropped("seed", "not_in_format") in codes(found)
