"""What the streams of ChatGPT logins have that those of keys have not; the same reader takes both."""

import json
from typing import Any

from providers_app.dialects.openai_responses import DIALECT
from providers_app.types.events import ServerToolEvent, StreamEnd, TextDelta, ToolCall, UsageReport

LIMITS = {
    "type": "codex.rate_limits",
    "plan_type": "plus",
    "rate_limits": {
        "primary": {"used_percent": 42, "window_minutes": 300, "reset_at": 1_795_000_000},
        "secondary": None,
    },
    "credits": None,
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "phase": "final_answer",
    "content": [{"type": "output_text", "text": "Hello there."}],
}
CALL = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"place":"Bern"}'}


def stream(*payloads: dict[str, Any]) -> list[Any]:
    reducer = DIALECT.reducer()
    data = b"".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n".encode() for each in payloads)
    return [*reducer.feed(data), *reducer.close()]


def answered(*between: dict[str, Any], output: Any) -> list[Any]:
    made = {"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5.6", "status": "in_progress"}}
    usage = {"input_tokens": 5, "output_tokens": 7, "total_tokens": 12}
    done = {"id": "resp_1", "model": "gpt-5.6", "status": "completed", "output": output, "usage": usage}
    return stream(LIMITS, made, LIMITS, *between, LIMITS, {"type": "response.completed", "response": done})


def test_limits_and_an_empty_output_do_no_harm() -> None:
    deltas = [
        {"type": "response.output_item.added", "output_index": 0, "item": {**MESSAGE, "content": []}},
        {"type": "response.output_text.delta", "output_index": 0, "delta": "Hello "},
        LIMITS,
        {"type": "response.output_text.delta", "output_index": 0, "delta": "there."},
        {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE},
        {"type": "response.output_item.done", "output_index": 1, "item": CALL},
    ]
    for output in ([], None):
        events = answered(*deltas, output=output)
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello there."
        assert [event.arguments for event in events if isinstance(event, ToolCall)] == [{"place": "Bern"}]
        end = events[-1]
        assert isinstance(end, StreamEnd) and end.finish_reason == "tool_calls"
        assert [event.usage.total_tokens for event in events if isinstance(event, UsageReport)] == [12]
        assert not [event for event in events if isinstance(event, ServerToolEvent)]


def test_an_answer_without_deltas_is_read_from_its_items() -> None:
    events = answered({"type": "response.output_item.done", "output_index": 0, "item": MESSAGE}, output=[])
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello there."
    assert isinstance(events[-1], StreamEnd)


def test_the_same_without_event_lines() -> None:
    reducer = DIALECT.reducer()
    done = {"type": "response.completed", "response": {"status": "completed", "output": []}}
    data = b"".join(
        b"data: " + json.dumps(each).encode() + b"\n\n"
        for each in (LIMITS, {"type": "response.output_item.done", "output_index": 0, "item": MESSAGE}, done)
    )
    events = [event for byte in data for event in reducer.feed(bytes([byte]))] + reducer.close()
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Hello there."
    assert isinstance(events[-1], StreamEnd)
