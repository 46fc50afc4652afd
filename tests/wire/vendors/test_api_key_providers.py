"""Anthropic, OpenAI, Gemini and a compatible server, through the universal interface against strict local servers."""

import json
from typing import Any

import pytest

from providers_app import errors, provider
from providers_app.types.chat import JsonSchema
from providers_app.types.events import ReasoningDelta, StreamEnd, StreamStart, TextDelta, ToolCallDelta, UsageReport
from tests.vendors.script import REASONING, expected_text, instance_of
from tests.wire.vendors.connected import WEATHER, Vendor, calls_of, replay, text_of

EXPECTED = expected_text("Hello there.")


async def test_create_verify_and_delete(vendor: Vendor) -> None:
    session = await vendor.connect()
    assert len(vendor.ledger) == 0, "creating a session asks nobody"
    account = await provider.test_session(vendor.slug, "api_key", "main")
    assert vendor.ledger[-1].key == "right"
    assert account.models is None or account.models > 0
    assert vendor.store.outcomes[-1].session_id == session.id
    assert vendor.store.outcomes[-1].error is None
    await provider.delete_session(vendor.slug, "api_key", "main")
    with pytest.raises(errors.UnknownSession):
        await provider.test_session(vendor.slug, "api_key", "main")


async def test_a_rejected_key_is_an_authentication_error_that_does_not_quote_it(vendor: Vendor) -> None:
    wrong = vendor.key[:12] + "WrongWrongWrongWrong"
    await vendor.connect(key=wrong)
    with pytest.raises(errors.AuthenticationFailed) as caught:
        await provider.test_session(vendor.slug, "api_key", "main")
    assert wrong not in caught.value.message + caught.value.hint + repr(caught.value)
    assert isinstance(vendor.store.outcomes[-1].error, errors.AuthenticationFailed)
    with pytest.raises(errors.AuthenticationFailed):
        await vendor.stream()


async def test_models_are_listed_over_all_pages(vendor: Vendor) -> None:
    await vendor.connect()
    models = await provider.list_models(vendor.slug, "api_key", "main")
    ids = [model.id for model in models]
    assert vendor.model in ids
    assert len(ids) == len(set(ids))
    if vendor.listed is not None:
        assert len(ids) == vendor.listed
    page = "/models/user" if vendor.slug == "openrouter" else "/models"
    pages = len(vendor.ledger.of(page))
    assert pages == {"anthropic": 3, "gemini": 3}.get(vendor.slug, 1)
    await provider.list_models(vendor.slug, "api_key", "main")
    assert len(vendor.ledger.of(page)) == pages, "the list is kept"
    one = await provider.get_model(vendor.slug, "main", vendor.model)
    assert one.id == vendor.model
    if vendor.slug != "openai":
        assert one.context_window
    with pytest.raises(errors.UnknownModel):
        await provider.get_model(vendor.slug, "main", "no-such-model")


@pytest.mark.parametrize("vendor", ["anthropic", "gemini"], indirect=True)
async def test_a_list_of_models_that_repeats_its_cursor_ends_with_an_error(vendor: Vendor) -> None:
    await vendor.connect(key=vendor.key + "-repeat-cursor")
    with pytest.raises(errors.BadAnswer):
        await provider.list_models(vendor.slug, "api_key", "main")
    assert len(vendor.ledger) <= 4


async def test_a_failing_list_of_models_is_a_typed_error(vendor: Vendor) -> None:
    await vendor.connect(key=vendor.key + "-status-429-retry-after-3")
    with pytest.raises(errors.RateLimited) as caught:
        await provider.list_models(vendor.slug, "api_key", "main")
    assert caught.value.retry_after == 3.0


async def test_text_is_streamed_to_a_clean_end_with_usage(vendor: Vendor) -> None:
    events = await vendor.stream()
    assert isinstance(events[0], StreamStart)
    assert text_of(events) == EXPECTED
    assert sum(isinstance(event, TextDelta) for event in events) > 5
    assert events[-1].finish_reason == "stop"  # type: ignore[union-attr]
    usage = [event.usage for event in events if isinstance(event, UsageReport)][-1]
    assert usage.source == "provider"
    assert usage.input_tokens and usage.output_tokens
    assert usage.total_tokens in (None, usage.input_tokens + usage.output_tokens)
    entry = vendor.ledger[-1]
    assert entry.key == "right"
    assert entry.headers["user-agent"].startswith("Maestro/")
    assert entry.disconnected_at is None


async def test_the_same_answer_not_streamed(vendor: Vendor) -> None:
    await vendor.connect()
    result = await provider.complete_chat(vendor.slug, "main", "Hello there.", model=vendor.model)
    assert (result.text, result.finish_reason, result.complete) == (EXPECTED, "stop", True)
    streamed = await vendor.stream()
    usage = [event.usage for event in streamed if isinstance(event, UsageReport)][-1]
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (usage.input_tokens, usage.output_tokens)


async def test_a_server_that_ignores_the_wish_for_a_stream(vendor: Vendor) -> None:
    events = await vendor.stream("plain")
    assert text_of(events) == EXPECTED
    assert isinstance(events[-1], StreamEnd)


async def test_system_parameters_and_history_are_accepted(vendor: Vendor) -> None:
    messages = [
        {"role": "user", "content": "One."},
        {"role": "assistant", "content": "Two."},
        {"role": "user", "content": "Three."},
    ]
    params: dict[str, Any] = {"max_output_tokens": 4000}
    if vendor.slug != "openai":
        params |= {"temperature": 0.5, "stop": ["never said"]}
    events = await vendor.stream(messages=messages, system="Be brief.", **params)
    assert text_of(events) == expected_text("Three.")


async def test_a_history_whose_first_question_was_excluded_is_accepted(vendor: Vendor) -> None:
    history = [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": "The tide turns at six."},
        {"role": "user", "content": "And tomorrow?"},
    ]
    events = await vendor.stream(messages=history)
    assert isinstance(events[-1], StreamEnd), events[-1]
    assert "The tide turns at six." in str(vendor.ledger.of_model(vendor.model)[-1].body)


async def test_the_output_limit_ends_with_length(vendor: Vendor) -> None:
    events = await vendor.stream("words-60", max_output_tokens=20)
    assert isinstance(events[-1], StreamEnd)
    assert events[-1].finish_reason == "length"
    assert len(text_of(events).split()) == 20


async def test_two_parallel_tool_calls_and_the_answer_from_their_results(vendor: Vendor) -> None:
    events = await vendor.stream("tools", "Weather?", tools=[WEATHER])
    calls = calls_of(events)
    schema = WEATHER["parameters"]
    assert [(call.name, call.arguments) for call in calls] == [
        ("weather", instance_of(schema, 0)),  # type: ignore[arg-type]
        ("weather", instance_of(schema, 1)),  # type: ignore[arg-type]
    ]
    assert len({call.id for call in calls}) == 2
    assert events[-1].finish_reason == "tool_calls"  # type: ignore[union-attr]
    if vendor.slug != "gemini":
        assert sum(isinstance(event, ToolCallDelta) for event in events) > 6
    messages = replay(vendor.slug, "Weather?", events, ["18 degrees", "a storm"])
    after = await vendor.stream("tools", messages, tools=[WEATHER])
    assert text_of(after) == "The tools answered: 18 degrees; a storm"


async def test_reasoning_with_tools_is_replayed_as_the_provider_wants_it(vendor: Vendor) -> None:
    more: dict[str, Any] = {"tools": [WEATHER], "reasoning_effort": "high"}
    events = await vendor.stream("tools", "Weather?", **more)
    assert any(isinstance(event, ReasoningDelta) for event in events)
    messages = replay(vendor.slug, "Weather?", events, ["fine", "wet"])
    after = await vendor.stream("tools", messages, **more)
    assert text_of(after) == "The tools answered: fine; wet"


async def test_a_call_without_arguments_is_an_empty_object(vendor: Vendor) -> None:
    tool = {"name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}}
    (call,) = calls_of(await vendor.stream("emptytool", tools=[tool]))
    assert (call.arguments, call.invalid_arguments) == ({}, None)


async def test_a_tool_can_be_forced_and_forbidden(vendor: Vendor) -> None:
    assert calls_of(await vendor.stream(tools=[WEATHER], tool_choice="required"))
    assert calls_of(await vendor.stream(tools=[WEATHER], tool_choice="weather"))
    assert not calls_of(await vendor.stream("tools", tools=[WEATHER], tool_choice="none"))


async def test_reasoning_comes_apart_from_the_text(vendor: Vendor) -> None:
    events = await vendor.stream("reasoning", reasoning_effort="medium")
    reasoning = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    assert reasoning == REASONING
    assert text_of(events) == EXPECTED
    usage = [event.usage for event in events if isinstance(event, UsageReport)][-1]
    assert usage.reasoning_tokens
    assert usage.output_tokens is not None
    assert usage.output_tokens > usage.reasoning_tokens


async def test_structured_output_has_the_asked_shape(vendor: Vendor) -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["title", "count"],
        "additionalProperties": False,
    }
    events = await vendor.stream("json", response_schema=JsonSchema("item", schema))
    assert json.loads(text_of(events)) == instance_of(schema)


async def test_tokens_are_counted(vendor: Vendor) -> None:
    await vendor.connect()
    count = await provider.count_tokens(vendor.slug, "main", "Hello there.", model=vendor.model)
    assert count.n > 0
    assert count.source == ("estimated" if vendor.slug == "remote" else "provider")


async def test_a_refusal_is_a_content_filter_and_no_error(vendor: Vendor) -> None:
    events = await vendor.stream("refusal")
    assert isinstance(events[-1], StreamEnd)
    # OpenAI writes its refusal out and completes the response.
    assert events[-1].finish_reason in (("content_filter", "stop") if vendor.slug == "openai" else ("content_filter",))
