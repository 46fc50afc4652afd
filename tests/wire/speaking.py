"""One answer in the words of each dialect, as a list of JSON events that a test may change before they are sent."""

import json
from collections.abc import Iterable
from typing import Any

from providers_app import dialects

NAMES = dialects.NAMES
Event = dict[str, Any]
USAGE: dict[str, Event] = {
    "openai_chat": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
    "openai_responses": {"input_tokens": 8, "output_tokens": 2, "total_tokens": 10},
    "anthropic_messages": {"input_tokens": 8, "output_tokens": 2},
    "gemini_generate": {"promptTokenCount": 8, "candidatesTokenCount": 2, "totalTokenCount": 10},
}
CARRIER = {"gemini_generate": "usageMetadata"}


def texts(name: str, pieces: Iterable[str]) -> list[Event]:
    """The events of one text in pieces."""
    match name:
        case "openai_chat":
            return [{"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": one}}]} for one in pieces]
        case "gemini_generate":
            return [{"candidates": [{"index": 0, "content": {"parts": [{"text": one}]}}]} for one in pieces]
        case "anthropic_messages":
            deltas = [{"type": "text_delta", "text": one} for one in pieces]
            return _block({"type": "text", "text": ""}, deltas)
        case _:
            kind = "response.output_text.delta"
            return [{"type": kind, "item_id": "i0", "output_index": 0, "delta": one} for one in pieces]


def call(name: str, pieces: list[str]) -> list[Event]:
    """The events of one call of ``w`` whose arguments come in pieces; Gemini has no such thing."""
    if name == "openai_chat":
        first = {"index": 0, "id": "a", "function": {"name": "w", "arguments": pieces[0]}}
        rest = [{"index": 0, "function": {"arguments": one}} for one in pieces[1:]]
        return [{"model": "m", "choices": [{"index": 0, "delta": {"tool_calls": [one]}}]} for one in (first, *rest)]
    if name == "anthropic_messages":
        deltas = [{"type": "input_json_delta", "partial_json": one} for one in pieces]
        return _block({"type": "tool_use", "id": "a", "name": "w", "input": {}}, deltas)
    item = {"type": "function_call", "id": "f", "call_id": "a", "name": "w"}
    kind = "response.function_call_arguments.delta"
    return [
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        *({"type": kind, "output_index": 0, "item_id": "f", "delta": one} for one in pieces),
        {"type": "response.output_item.done", "output_index": 0, "item": {**item, "arguments": "".join(pieces)}},
    ]


def _block(block: Event, deltas: list[Event]) -> list[Event]:
    return [
        {"type": "content_block_start", "index": 0, "content_block": block},
        *({"type": "content_block_delta", "index": 0, "delta": one} for one in deltas),
        {"type": "content_block_stop", "index": 0},
    ]


def answer(name: str, middle: list[Event], usage: Event | None = None, finish: str = "") -> list[Event]:
    """A whole answer around the events in its middle; without a finish reason of its own it is an ordinary end."""
    counts = USAGE[name] if usage is None else usage
    match name:
        case "openai_chat":
            last = {"model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": finish or "stop"}]}
            return [*middle, {**last, "usage": counts}]
        case "gemini_generate":
            return [*middle, {"candidates": [{"finishReason": finish or "STOP"}], "usageMetadata": counts}]
        case "anthropic_messages":
            delta = {"type": "message_delta", "delta": {"stop_reason": finish or "end_turn"}, "usage": counts}
            return [
                {"type": "message_start", "message": {"id": "m", "model": "m", "content": []}},
                *middle,
                delta,
                {"type": "message_stop"},
            ]
        case _:
            done = {"id": "r", "model": "m", "status": "completed", "usage": counts}
            return [
                {"type": "response.created", "response": {"id": "r", "model": "m"}},
                *middle,
                {"type": "response.completed", "response": done},
            ]


def sent(events: Iterable[Event | bytes], gap: bytes = b"\n\n") -> list[bytes]:
    """The events on the wire; bytes among them are sent as they are."""
    return [one if isinstance(one, bytes) else b"data: " + json.dumps(one).encode() + gap for one in events]
