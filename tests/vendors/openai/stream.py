"""An answer as OpenAI's response object and as its numbered event stream."""

import base64
import secrets
from typing import Any

from tests.vendors.asgi import Frame
from tests.vendors.openai.errors import planned_error
from tests.vendors.plan import Plan
from tests.vendors.replies import sse
from tests.vendors.script import Answer, fragments, pieces

REFUSAL = "I can't help with that."


def encrypted(reasoning: str) -> str:
    """The sealed form of a reasoning item."""
    return "gAAAAA" + base64.urlsafe_b64encode(reasoning.encode()).decode()


def items(answer: Answer, number: int) -> list[dict[str, Any]]:
    """The output items of the whole response."""
    found: list[dict[str, Any]] = []
    if answer.reasoning:
        found.append(
            {
                "id": f"rs_{number:032d}",
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": answer.reasoning}],
                "encrypted_content": encrypted(answer.reasoning),
            }
        )
    if answer.text or answer.finish == "refusal":
        part: dict[str, Any] = (
            {"type": "refusal", "refusal": REFUSAL}
            if answer.finish == "refusal"
            else {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
        )
        status = "incomplete" if answer.finish == "length" else "completed"
        found.append(
            {"id": f"msg_{number:032d}", "type": "message", "status": status, "role": "assistant", "content": [part]}
        )
    for position, call in enumerate(answer.calls):
        found.append(
            {
                "id": f"fc_{number:030d}{position:02d}",
                "type": "function_call",
                "status": "completed",
                "call_id": f"call_{number:012d}{position:012d}",
                "name": call.name,
                "arguments": call.arguments,
            }
        )
    return found


def response(answer: Answer, body: dict[str, Any], number: int) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    output = answer.visible_tokens + answer.reasoning_tokens
    return {
        "id": f"resp_{number:032d}",
        "object": "response",
        "created_at": 1_795_000_000,
        "status": "incomplete" if answer.finish == "length" else "completed",
        "background": bool(body.get("background")),
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if answer.finish == "length" else None,
        "instructions": body.get("instructions"),
        "max_output_tokens": body.get("max_output_tokens"),
        "model": body["model"],
        "output": items(answer, number),
        "parallel_tool_calls": body.get("parallel_tool_calls", True),
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "store": body.get("store", True),
        "tool_choice": body.get("tool_choice", "auto"),
        "tools": body.get("tools", []),
        "usage": {
            "input_tokens": answer.input_tokens,
            "input_tokens_details": {"cached_tokens": min(2, answer.input_tokens), "cache_write_tokens": 0},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
            "total_tokens": answer.input_tokens + output,
        },
        "metadata": body.get("metadata") or {},
    }


class _Writer:
    """Numbers the events and frames them."""

    def __init__(self, obfuscate: bool) -> None:
        self.frames: list[Frame] = []
        self._obfuscate = obfuscate

    def add(self, kind: str, visible: bool = False, **fields: Any) -> None:
        if visible and self._obfuscate:
            fields["obfuscation"] = secrets.token_urlsafe(6)
        payload = {"type": kind, **fields, "sequence_number": len(self.frames)}
        self.frames.append(Frame(sse(payload, event=kind), visible))


def frames(answer: Answer, body: dict[str, Any], number: int) -> list[Frame]:
    """The whole event stream."""
    whole = response(answer, body, number)
    opened = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    writer = _Writer((body.get("stream_options") or {}).get("include_obfuscation", True))
    writer.add("response.created", response=opened)
    writer.add("response.in_progress", response=opened)
    for index, item in enumerate(whole["output"]):
        match item["type"]:
            case "reasoning":
                _reasoning(writer, index, item)
            case "message":
                _message(writer, index, item)
            case _:
                _call(writer, index, item)
    writer.add(f"response.{whole['status']}", response=whole)
    return writer.frames


def _reasoning(writer: _Writer, index: int, item: dict[str, Any]) -> None:
    place = {"item_id": item["id"], "output_index": index, "summary_index": 0}
    writer.add(
        "response.output_item.added", output_index=index, item={**item, "summary": [], "encrypted_content": "gA"}
    )
    text = item["summary"][0]["text"]
    writer.add("response.reasoning_summary_part.added", **place, part={"type": "summary_text", "text": ""})
    for piece in pieces(text):
        writer.add("response.reasoning_summary_text.delta", True, **place, delta=piece)
    writer.add("response.reasoning_summary_text.done", **place, text=text)
    writer.add("response.reasoning_summary_part.done", **place, part=item["summary"][0])
    writer.add("response.output_item.done", output_index=index, item=item)


def _message(writer: _Writer, index: int, item: dict[str, Any]) -> None:
    place = {"item_id": item["id"], "output_index": index, "content_index": 0}
    part = item["content"][0]
    field = "text" if part["type"] == "output_text" else "refusal"
    writer.add("response.output_item.added", output_index=index, item={**item, "status": "in_progress", "content": []})
    writer.add("response.content_part.added", **place, part={**part, field: ""})
    for piece in pieces(part[field]):
        writer.add(f"response.{part['type']}.delta", True, **place, delta=piece)
    writer.add(f"response.{part['type']}.done", **place, **{field: part[field]})
    writer.add("response.content_part.done", **place, part=part)
    writer.add("response.output_item.done", output_index=index, item=item)


def _call(writer: _Writer, index: int, item: dict[str, Any]) -> None:
    place = {"item_id": item["id"], "output_index": index}
    added = {**item, "status": "in_progress", "arguments": ""}
    writer.add("response.output_item.added", output_index=index, item=added)
    for piece in fragments(item["arguments"]):
        writer.add("response.function_call_arguments.delta", True, **place, delta=piece)
    writer.add("response.function_call_arguments.done", **place, arguments=item["arguments"])
    writer.add("response.output_item.done", output_index=index, item=item)


def broken(body: dict[str, Any], number: int, plan: Plan) -> list[bytes]:
    """What follows when the model breaks: the ``error`` event (nested or flat), the failed response, or both."""
    kind, code, message = planned_error(Plan(status=500, quota=plan.quota))
    code = code or "server_error"
    error = {"type": kind, "code": code, "message": message, "param": None}
    failed = {
        "id": f"resp_{number:032d}",
        "object": "response",
        "created_at": 1_795_000_000,
        "status": "failed",
        "error": {"code": code, "message": message},
        "incomplete_details": None,
        "model": body["model"],
        "output": [],
        "usage": None,
    }
    flat = {"code": code, "message": message, "param": None}
    said = flat if plan.cut == "midstream-error-flat" else {"error": error}
    event = sse({"type": "error", "sequence_number": 90, **said}, event="error")
    end = sse({"type": "response.failed", "sequence_number": 91, "response": failed}, event="response.failed")
    match plan.cut:
        case "midstream-error-flat":
            return [event]
        case "midstream-error-failed":
            return [end]
        case _:
            return [event, end]
