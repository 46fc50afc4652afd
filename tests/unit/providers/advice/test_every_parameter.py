"""Nothing is lost in silence: whatever is set is in the body, or in the advice."""

from typing import Any, get_args, get_type_hints

import pytest

from providers_app.registry.discovery import registry
from providers_app.registry.resolver import supports
from providers_app.types.chat import ChatParams, JsonSchema, ToolChoice
from providers_app.types.rules import EFFORTS
from tests.unit.providers.advice.asking import CLOSED, WEATHER, ask, fitted, sent

CHATS = [slug for slug in registry.packages() if supports(slug, "streaming")]
MODELS = {
    "anthropic": ("claude-sonnet-4-6", "claude-opus-5", "claude-haiku-4-5", "claude-3-haiku"),
    "openai": ("gpt-5.6", "gpt-4.1", "o3", "gpt-5-mini", "gpt-5.1"),
    "gemini": ("gemini-3-pro", "gemini-2.5-pro", "gemini-2.0-flash"),
    "vertex_ai": ("gemini-3-pro", "claude-opus-5", "claude-sonnet-4@20250514"),
    "azure_openai": ("chat-prod", "gpt-5.6"),
}
VALUES: dict[str, list[Any]] = {
    "max_output_tokens": [1200, 50_000],
    "temperature": [0.0, 0.5, 1.0],
    "top_p": [0.0, 0.5, 1.0],
    "stop": [("END",), ("a", "b", "c")],
    "seed": [0, 7],
    "reasoning_effort": list(EFFORTS),
    "parallel_tool_calls": [True, False],
    "response_schema": [JsonSchema("answer", CLOSED), JsonSchema("answer", {"type": "object"}, strict=False)],
    "extra": [{"service_tier": "auto"}],
}


def test_the_table_has_every_parameter_and_every_effort() -> None:
    assert set(VALUES) == set(ChatParams.__struct_fields__)
    literal = next(one for one in get_args(get_type_hints(ChatParams)["reasoning_effort"]) if get_args(one))
    assert get_args(literal) == EFFORTS


@pytest.mark.parametrize("tools", [(), (WEATHER,)], ids=["plain", "tools"])
@pytest.mark.parametrize("slug", CHATS)
@pytest.mark.parametrize("name", VALUES)
def test_a_parameter_that_is_set_is_in_the_body_or_in_the_advice(slug: str, name: str, tools: Any) -> None:
    for model in MODELS.get(slug, ("some-model",)):
        plain = sent(slug, ask(model, tools=tools))
        for value in VALUES[name]:
            chat = ask(model, tools=tools, **{name: value})
            made, advice = fitted(slug, chat)
            said = [item for item in advice if item.field == name]
            assert [item.field for item in advice] == [item.field for item in said], "only about what was set"
            body = sent(slug, made)
            assert body != plain or said, f"{slug}: {name}={value!r} for {model} was lost"
            if made.params == chat.params and not said:
                assert body == sent(slug, chat)


@pytest.mark.parametrize("slug", CHATS)
@pytest.mark.parametrize("mode", ["none", "required", "tool"])
def test_a_choice_among_tools_is_in_the_body_or_in_the_advice(slug: str, mode: Any) -> None:
    for model in MODELS.get(slug, ("some-model",)):
        choice = ToolChoice(mode, "weather" if mode == "tool" else None)
        made, advice = fitted(slug, ask(model, tools=[WEATHER], choice=choice))
        plain = sent(slug, ask(model, tools=[WEATHER]))
        assert sent(slug, made) != plain or any(item.field == "tool_choice" for item in advice)


@pytest.mark.parametrize("slug", CHATS)
def test_what_a_caller_puts_into_extra_is_never_dropped(slug: str) -> None:
    extra = {"seed": 5, "temperature": 0.3, "stop": ["x"], "anything": {"deep": [1, 2]}}
    for model in MODELS.get(slug, ("some-model",)):
        made, advice = fitted(slug, ask(model, extra=extra))
        assert advice == ()
        body = sent(slug, made)
        assert {name: body[name] for name in extra} == extra


@pytest.mark.parametrize("slug", CHATS)
def test_fitting_twice_changes_nothing_more(slug: str) -> None:
    for model in MODELS.get(slug, ("some-model",)):
        for name, values in VALUES.items():
            for value in values:
                once, _ = fitted(slug, ask(model, tools=[WEATHER], **{name: value}))
                twice, said = fitted(slug, once)
                assert twice == once
                assert not [item for item in said if item.code in ("replaced", "not_in_format", "not_for_model")]
