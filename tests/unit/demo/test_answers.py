"""What the demo models say."""

import json
import re

import pytest

from providers_app.errors import BadRequest, UpstreamError
from providers_app.providers.demo.streaming import BEHAVIOUR
from providers_app.types.chat import JsonSchema, Message, TextPart
from providers_app.types.events import StreamEnd, StreamFailed, StreamStart, UsageReport
from tests.unit.demo.demo_chat import (
    WEATHER,
    answer,
    body,
    calls_of,
    events,
    params,
    post,
    reasoning_of,
    request,
    text_of,
    with_results,
)
from tests.wire.cutting import events_of

STRIPE = (
    "How would you write a FastAPI application that handles Stripe-based subscriptions? "
    "Include error handling and webhook verification."
)


async def test_the_introduction_reflects_the_message_and_what_was_sent() -> None:
    system = Message("system", (TextPart("Answer like a pirate."),))
    user = Message("user", (TextPart("Is anybody there?"),))
    found = await events(request("demo-instant", messages=(system, user)))
    assert isinstance(found[0], StreamStart)
    assert isinstance(found[-1], StreamEnd)
    text = text_of(found)
    assert "> Is anybody there?" in text
    assert "2 messages (1 system, 1 user)" in text
    assert "> Answer like a pirate." in text


async def test_fewer_messages_cost_fewer_tokens() -> None:
    def counted(found: list[object]) -> int | None:
        return next(event.usage.input_tokens for event in found if isinstance(event, UsageReport))

    long = counted(list(await events(request("demo-instant", "one " * 100, "two"))))
    short = counted(list(await events(request("demo-instant", "two"))))
    assert long is not None
    assert short is not None
    assert long > short + 90


async def test_the_stripe_question_gets_a_complete_answer_with_code_that_compiles() -> None:
    found = await events(request("demo-instant", STRIPE))
    text = text_of(found)
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 4
    for number, block in enumerate(blocks):
        compile(block, f"block {number}", "exec")
    for needed in ("construct_event", "SignatureVerificationError", "idempotency_key", "ProcessedEvent", "StripeError"):
        assert needed in text
    assert text.count("```") % 2 == 0


async def test_reasoning_comes_before_the_text_and_is_counted_within_the_output() -> None:
    found = await events(request("demo-reasoning-instant", "Why?"))
    assert "Why?" in reasoning_of(found)
    assert text_of(found)
    report = next(event.usage for event in found if isinstance(event, UsageReport))
    assert report.reasoning_tokens is not None
    assert report.output_tokens is not None
    assert 0 < report.reasoning_tokens < report.output_tokens
    assert report.total_tokens == (report.input_tokens or 0) + report.output_tokens


async def test_tools_are_called_in_parallel_and_their_results_answered() -> None:
    chat = request("demo-tools-instant", "Weather?", tools=(WEATHER,))
    found = await events(chat)
    calls = calls_of(found)
    assert [(call.name, call.arguments) for call in calls] == [
        ("weather", {"city": "Zürich", "unit": "celsius"}),
        ("weather", {"city": "Zürich", "unit": "fahrenheit"}),
    ]
    assert found[-1] == StreamEnd("tool_calls", "tool_calls")
    after = await events(with_results(chat, calls))
    assert "18 degrees, 0" in text_of(after)
    assert "18 degrees, 1" in text_of(after)


async def test_tools_without_any_offered_are_its_own() -> None:
    assert [call.name for call in calls_of(await events(request("demo-tools-instant")))] == ["get_weather", "get_time"]


async def test_only_one_call_when_parallel_calls_are_off() -> None:
    chat = request("demo-tools-instant", tools=(WEATHER,), params=params(parallel_tool_calls=False))
    assert len(calls_of(await events(chat))) == 1


async def test_a_call_without_arguments_and_one_with_broken_ones() -> None:
    (empty,) = calls_of(await events(request("demo-tool-empty-args-instant")))
    assert (empty.arguments, empty.invalid_arguments) == ({}, None)
    (bad,) = calls_of(await events(request("demo-tool-bad-args-instant")))
    assert bad.invalid_arguments == '{"city": "Zürich", "unit":'


async def test_a_schema_is_answered_with_json_that_has_its_fields() -> None:
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "ages": {"type": "array", "items": {"type": "integer"}}},
    }
    chat = request("demo-instant", params=params(response_schema=JsonSchema("person", schema)))
    value = json.loads(text_of(await events(chat)))
    assert isinstance(value["name"], str)
    assert value["ages"] == [7]


@pytest.mark.parametrize("words", [1, 59, 60, 61, 500])
async def test_the_number_of_words_is_exact(words: int) -> None:
    assert len(text_of(await events(request(f"demo-instant-n{words}"))).split()) == words


async def test_the_output_limit_is_kept_and_said() -> None:
    found = await events(request("demo-instant-n500", params=params(max_output_tokens=20)))
    assert found[-1] == StreamEnd("length", "length")
    assert 0 < len(text_of(found).encode()) <= 80


async def test_a_stop_sequence_ends_the_text_before_it() -> None:
    found = await events(request("demo-instant-n500", params=params(stop=("3.",))))
    assert text_of(found).split()[-1] != "3."
    assert "2." in text_of(found)
    assert found[-1] == StreamEnd("stop", "stop")


async def test_not_streamed_it_says_the_same() -> None:
    streamed = text_of(await events(request("demo-instant")))
    whole = events_of(BEHAVIOUR.dialect, [await body(request("demo-instant", stream=False))])
    assert text_of(whole) == streamed
    assert isinstance(whole[-1], StreamEnd)


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"{", b'{"model":"demo"}', b'{"messages":[{"role":"user"}]}', b'{"model":"demo","messages":[1]}'],
)
async def test_a_body_that_is_no_request_is_refused(raw: bytes) -> None:
    refused = await post(raw)
    assert refused.status == 400
    error = BEHAVIOUR.dialect.error(400, refused.headers, b"".join([data async for data in refused.chunks]))
    assert isinstance(error, UpstreamError)
    assert isinstance(error, BadRequest)


async def test_lone_surrogates_and_odd_bytes_in_a_message_do_not_break_it() -> None:
    raw = b'{"model":"demo-instant","stream":true,"messages":[{"role":"user","content":"a\\ud83d b\\u0000"}]}'
    reducer = BEHAVIOUR.dialect.reducer()
    found = [event for data in [data async for data in (await post(raw)).chunks] for event in reducer.feed(data)]
    assert isinstance((found + reducer.close())[-1], StreamEnd)
    assert not any(isinstance(event, StreamFailed) for event in found)


async def test_unknown_models_are_not_found_in_the_wires_own_shape() -> None:
    refused = await answer(request("demo-mystery"))
    assert refused.status == 404
    error = BEHAVIOUR.dialect.error(404, refused.headers, b"".join([data async for data in refused.chunks]))
    assert error.code == "unknown_model"
