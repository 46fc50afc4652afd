"""An answer as Anthropic's message object and as its event stream."""

import json
from typing import Any

from tests.vendors.anthropic.checks import signature
from tests.vendors.anthropic.errors import error_body
from tests.vendors.asgi import Frame
from tests.vendors.plan import Plan
from tests.vendors.replies import sse
from tests.vendors.script import Answer, Ask, fragments, pieces

STOP = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "refusal": "refusal",
    "stop_sequence": "stop_sequence",
}
SOURCE = "https://ferries.example/timetable"
VISIBLE = ("text_delta", "input_json_delta", "thinking_delta", "citations_delta")


def usage(answer: Answer) -> dict[str, Any]:
    """The final figures; one part of the input counts as read from the cache, one as written to it."""
    return {
        "input_tokens": answer.input_tokens,
        "cache_creation_input_tokens": 3,
        "cache_read_input_tokens": 5,
        "output_tokens": answer.visible_tokens + answer.reasoning_tokens,
        "output_tokens_details": {"thinking_tokens": answer.reasoning_tokens},
        "service_tier": "standard",
    }


def content(answer: Answer, number: int) -> list[dict[str, Any]]:
    """The blocks of the whole message."""
    blocks: list[dict[str, Any]] = []
    if answer.reasoning:
        blocks.append({"type": "thinking", "thinking": answer.reasoning, "signature": signature(answer.reasoning)})
    if answer.text:
        blocks.append({"type": "text", "text": answer.text})
    for position, call in enumerate(answer.calls):
        blocks.append(
            {
                "type": "tool_use",
                "id": f"toolu_{number:05d}test{position:013d}",
                "name": call.name,
                "input": call.parsed,
            }
        )
    return blocks


def searched(query: str, number: int) -> list[dict[str, Any]]:
    """A search that the provider ran, and what it found."""
    found = {"type": "web_search_result", "url": SOURCE, "title": "Timetable", "encrypted_content": signature(SOURCE)}
    tool_id = f"srvtoolu_{number:020d}"
    return [
        {"type": "server_tool_use", "id": tool_id, "name": "web_search", "input": {"query": query}},
        {"type": "web_search_tool_result", "tool_use_id": tool_id, "content": [{**found, "page_age": "1 day"}]},
    ]


def message(answer: Answer, model: str, number: int, plan: Plan = Plan(), ask: Ask | None = None) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    whole = _message(answer, model, number)
    if plan.script not in ("search", "paused") or ask is None:
        return whole
    going_on = plan.script == "paused" and ask.paused
    searching = [] if going_on else searched(ask.last_text, number)
    if plan.script == "paused" and not going_on:
        looking = {"type": "text", "text": "I look it up."}
        return {**whole, "content": [looking, *searching], "stop_reason": "pause_turn"}
    cited = {"type": "web_search_result_location", "url": SOURCE, "title": "Timetable", "cited_text": "Ferries daily."}
    cited["encrypted_index"] = signature("index")
    text = {"type": "text", "text": "The ferry runs daily.", "citations": [cited]}
    return {**whole, "content": [*searching, text]}


def _message(answer: Answer, model: str, number: int) -> dict[str, Any]:
    return {
        "id": f"msg_{number:020d}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content(answer, number),
        "stop_reason": STOP[answer.finish],
        "stop_sequence": answer.stop_sequence,
        **({"stop_details": {"type": "refusal", "category": "cyber"}} if answer.finish == "refusal" else {}),
        "usage": usage(answer),
    }


def frames(answer: Answer, model: str, number: int, plan: Plan, ask: Ask | None = None) -> list[Frame]:
    """The whole event stream, with a ping at the start and one in the middle of each text block."""
    whole = message(answer, model, number, plan, ask)
    final = whole["usage"]
    start_input = final["input_tokens"] - (2 if plan.corrected else 0)
    start_usage = {**final, "input_tokens": start_input, "output_tokens": 1}
    opened = {**whole, "content": [], "stop_reason": None, "stop_sequence": None, "usage": start_usage}
    opened.pop("stop_details", None)
    events: list[dict[str, Any]] = [{"type": "message_start", "message": opened}, {"type": "ping"}]
    for index, block in enumerate(whole["content"]):
        call = (
            answer.calls[index - (len(whole["content"]) - len(answer.calls))] if block["type"] == "tool_use" else None
        )
        events += _block(index, block, call.arguments if call else "")
    delta = {key: whole[key] for key in ("stop_reason", "stop_sequence", "stop_details") if key in whole}
    events += [{"type": "message_delta", "delta": delta, "usage": final}, {"type": "message_stop"}]
    return [Frame(sse(event, event=event["type"]), event.get("delta", {}).get("type") in VISIBLE) for event in events]


def _block(index: int, block: dict[str, Any], arguments: str) -> list[dict[str, Any]]:
    match block["type"]:
        case "thinking":
            empty = {"type": "thinking", "thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        case "text":
            empty = {"type": "text", "text": ""}
            deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
            deltas += [{"type": "citations_delta", "citation": one} for one in block.get("citations", ())]
        case "web_search_tool_result":
            empty, deltas = block, []
        case _:
            empty = {**block, "input": {}}
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in fragments(arguments)]
    if block["type"] == "server_tool_use":
        deltas = [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]
    middle = len(deltas) // 2
    events: list[dict[str, Any]] = [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
    return [
        {"type": "content_block_start", "index": index, "content_block": empty},
        *events[:middle],
        {"type": "ping"},
        *events[middle:],
        {"type": "content_block_stop", "index": index},
    ]


def broken() -> list[bytes]:
    """What comes instead of the rest when the model breaks."""
    return [sse(error_body(529), event="error")]
