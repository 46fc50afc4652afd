"""Points of the Responses, Messages and Gemini formats that recorded answers do not show."""

import json
from typing import Any

import pytest

from providers_app import dialects, streaming
from providers_app.errors import UnknownProvider
from providers_app.types.events import (
    Event,
    OpaqueBlock,
    ReasoningDelta,
    ServerToolEvent,
    TextDelta,
    ToolCall,
    UsageReport,
)
from tests.wire import fixture_cases
from tests.wire.cutting import events_of, single_bytes


def stream(name: str, *payloads: dict[str, Any]) -> list[Event]:
    body = b"".join(b"data: " + json.dumps(payload).encode() + b"\n\n" for payload in payloads)
    found = events_of(dialects.by_name(name), [body])
    assert events_of(dialects.by_name(name), single_bytes(body)) == found
    return found


def fixture(name: str) -> list[Event]:
    case = next(case for case in fixture_cases.all_cases() if case.name == name)
    return events_of(dialects.by_name(case.dialect), [case.body])


def response(status: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": {"id": "r", "model": "m", "status": status, **fields}}


CALL = {"type": "function_call", "call_id": "call_1", "name": "f"}


@pytest.mark.parametrize("given", ["", "{}"])
def test_arguments_that_only_the_done_event_has_are_used(given: str) -> None:
    found = stream(
        "openai_responses",
        {"type": "response.output_item.added", "output_index": 0, "item": {**CALL, "arguments": ""}},
        {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"x":1}'},
        {"type": "response.output_item.done", "output_index": 0, "item": {**CALL, "arguments": given}},
        response("completed"),
    )
    assert [call.arguments for call in streaming.fold(found).tool_calls] == [{"x": 1}]


def test_item_ids_that_change_do_not_split_a_call() -> None:
    found = stream(
        "openai_responses",
        {"type": "response.output_item.added", "output_index": 0, "item": {**CALL, "id": "x1"}},
        {"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "x2", "delta": '{"x":'},
        {"type": "response.function_call_arguments.delta", "output_index": 0, "item_id": "x3", "delta": "1}"},
        {"type": "response.output_item.done", "output_index": 0, "item": {**CALL, "id": "x4", "arguments": '{"x":1}'}},
        response("completed", output=[{**CALL, "id": "x5", "arguments": '{"x":1}'}]),
    )
    assert [call.arguments for call in streaming.fold(found).tool_calls] == [{"x": 1}]


def test_items_that_only_the_terminal_event_has_are_emitted_once() -> None:
    message = {"type": "message", "content": [{"type": "output_text", "text": "hi", "annotations": []}]}
    result = streaming.fold(
        stream("openai_responses", response("completed", output=[message, {**CALL, "arguments": "{}"}]))
    )
    assert (result.text, len(result.tool_calls), result.finish_reason) == ("hi", 1, "tool_calls")


@pytest.mark.parametrize(
    ("terminal", "finish", "complete", "code"),
    [
        (response("incomplete", incomplete_details={"reason": "content_filter"}), "content_filter", True, None),
        (response("incomplete", incomplete_details={"reason": "steered"}), "error", True, None),
        (response("cancelled"), "cancelled", False, "cancelled"),
        (response("failed", error=None), "error", False, "upstream_error"),
        ({"type": "response.some_new_event"}, "incomplete", False, "stream_interrupted"),
    ],
)
def test_terminal_events_of_a_response(terminal: dict[str, Any], finish: str, complete: bool, code: str | None) -> None:
    result = streaming.fold(stream("openai_responses", response("created"), terminal))
    assert (result.finish_reason, result.complete) == (finish, complete)
    assert (result.error.code if result.error else None) == code


def test_reasoning_is_handed_out_in_the_form_that_requests_take_back() -> None:
    opaque = {
        name: [
            event.opaque for event in fixture(f"{name}/reasoning") if isinstance(event, ReasoningDelta) and event.opaque
        ]
        for name in ("openai_responses", "anthropic_messages")
    }
    assert opaque["openai_responses"][0]["encrypted_content"] == "b3BhcXVl"
    assert "id" not in opaque["openai_responses"][0]
    assert opaque["anthropic_messages"] == [
        {"type": "thinking", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "eA=="},
    ]


def test_gemini_signatures_stay_with_their_text_and_call() -> None:
    assert TextDelta("", {"thoughtSignature": "c2ln"}) in fixture("gemini_generate/text")
    signed = [event.opaque for event in fixture("gemini_generate/parallel_tools") if isinstance(event, ToolCall)]
    assert signed == [{"thoughtSignature": "c2ln"}, None]


def test_tools_that_the_provider_ran_are_kept_and_never_calls() -> None:
    kinds = [event.kind for event in fixture("anthropic_messages/pause") if isinstance(event, ServerToolEvent)]
    assert kinds == ["server_tool_use", "web_search_tool_result"]
    run = next(event for event in fixture("anthropic_messages/pause") if isinstance(event, ServerToolEvent))
    assert run.data["input"] == {"query": "x"}


def test_provisional_usage_is_reported_at_once_and_replaced_at_the_end() -> None:
    reports = [event.usage for event in fixture("anthropic_messages/text") if isinstance(event, UsageReport)]
    assert [(usage.input_tokens, usage.output_tokens, usage.source) for usage in reports] == [
        (50, 1, "partial"),
        (68, 17, "provider"),
    ]


def test_unknown_events_blocks_and_deltas_of_messages_are_survived() -> None:
    found = stream(
        "anthropic_messages",
        {"type": "message_start", "message": {"id": "i", "model": "m", "usage": None}},
        {"type": "brand_new"},
        {"type": "content_block_start", "index": 3, "content_block": {"type": "novel", "x": 1}},
        {"type": "content_block_delta", "index": 3, "delta": {"type": "novel_delta", "y": 2}},
        {"type": "content_block_delta", "index": 9, "delta": {"type": "input_json_delta", "partial_json": "{"}},
        {"type": "content_block_stop", "index": 3},
        {"type": "message_delta", "delta": {"stop_reason": "brand_new_reason"}},
        {"type": "message_stop"},
    )
    result = streaming.fold(found)
    assert (result.complete, result.finish_reason_raw) == (True, "brand_new_reason")
    assert OpaqueBlock("novel", {"type": "novel", "x": 1}) in found


@pytest.mark.parametrize(
    ("candidate", "finish", "complete"),
    [
        ({"finishReason": "MAX_TOKENS"}, "length", True),
        ({"finishReason": "SAFETY", "content": {}}, "content_filter", True),
        ({"finishReason": "MALFORMED_FUNCTION_CALL", "finishMessage": "bad"}, "error", False),
        ({"finishReason": "SOMETHING_NEW"}, "error", False),
        ({"finishReason": 1}, "stop", True),
        ({"finishReason": 2}, "length", True),
        ({"finishReason": 11}, "content_filter", True),
        ({"finishReason": 9}, "error", False),
        ({"finishReason": 99}, "error", False),
        ({"finishReason": 0}, "incomplete", False),
        ({"content": {"role": "model"}}, "incomplete", False),
        ({}, "incomplete", False),
    ],
)
def test_how_a_gemini_answer_ends(candidate: dict[str, Any], finish: str, complete: bool) -> None:
    result = streaming.fold(stream("gemini_generate", {"usageMetadata": {}}, {"candidates": [candidate]}))
    assert (result.finish_reason, result.complete) == (finish, complete)


def test_a_gemini_call_that_announces_more_arguments_is_never_run() -> None:
    part = {"functionCall": {"name": "f", "willContinue": True}}
    found = stream("gemini_generate", {"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]})
    assert [call.invalid_arguments for call in streaming.fold(found).tool_calls] == ["(none arrived)"]


def test_a_stream_without_alt_sse_is_an_array_of_chunks() -> None:
    chunks = [{"candidates": [{"content": {"parts": [{"text": text}]}}]} for text in ("a", "b")]
    chunks.append({"candidates": [{"finishReason": "STOP"}]})
    body = json.dumps(chunks, indent=2).encode()
    assert streaming.parse_response("gemini", body, dialect="gemini_generate").text == "ab"


@pytest.mark.parametrize(
    ("provider", "dialect"),
    [
        ("anthropic", "anthropic_messages"),
        ("openai", "openai_responses"),
        ("gemini", "gemini_generate"),
        ("remote", "openai_chat"),
    ],
)
def test_a_provider_speaks_its_own_dialect_unless_told_otherwise(provider: str, dialect: str) -> None:
    assert streaming.dialect_of(provider).name == dialect
    assert streaming.dialect_of(provider, "openai_responses").name == "openai_responses"
    case = next(case for case in fixture_cases.all_cases() if case.name == f"{dialect}/text")
    assert streaming.parse_response(provider, case.body).text == case.result["text"]


def test_an_unknown_provider_without_a_dialect_is_refused() -> None:
    with pytest.raises(UnknownProvider):
        streaming.parse_response("nobody", b"{}")
