"""An answer as Gemini's response object and as its chunks: CRLF, ``data`` only, whole function calls."""

import base64
import json
import struct
import zlib
from typing import Any

from tests.vendors.asgi import Frame
from tests.vendors.gemini.checks import signature
from tests.vendors.gemini.errors import error_body
from tests.vendors.plan import Plan
from tests.vendors.replies import sse
from tests.vendors.script import Answer, pieces

FINISH = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "stop_sequence": "STOP"}


def png(width: int = 320, height: int = 200) -> bytes:
    """A picture: a gradient from the product's blue to white."""
    lines = (
        b"\0" + b"".join(bytes((45 + x * 200 // width, 83 + y * 160 // height, 201)) for x in range(width))
        for y in range(height)
    )
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"".join(lines))),
        (b"IEND", b""),
    )
    pieces = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(pieces)


def usage(answer: Answer, visible: int) -> dict[str, Any]:
    """Thoughts are counted apart from the candidates."""
    figures: dict[str, Any] = {
        "promptTokenCount": answer.input_tokens,
        "candidatesTokenCount": visible,
        "totalTokenCount": answer.input_tokens + visible + answer.reasoning_tokens,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.input_tokens}],
    }
    if answer.reasoning_tokens:
        figures["thoughtsTokenCount"] = answer.reasoning_tokens
    return figures


def _call_parts(answer: Answer) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    for position, call in enumerate(answer.calls):
        body: dict[str, Any] = {"name": call.name}
        if call.arguments:
            body["args"] = call.parsed
        one: dict[str, Any] = {"functionCall": body}
        if position == 0:
            one["thoughtSignature"] = signature(call.name, call.parsed)
        parts.append(one)
    return parts


def _envelope(candidates: list[dict[str, Any]], figures: dict[str, Any], model: str, number: int) -> dict[str, Any]:
    return {
        **({"candidates": candidates} if candidates else {}),
        "usageMetadata": figures,
        "modelVersion": model,
        "responseId": f"resp{number:019d}",
    }


def blocked(answer: Answer, model: str, number: int) -> dict[str, Any]:
    """The answer to a prompt that was refused: no candidates at all."""
    figures = {"promptTokenCount": answer.input_tokens, "totalTokenCount": answer.input_tokens}
    return {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, **_envelope([], figures, model, number)}


def response(answer: Answer, model: str, number: int, plan: Plan = Plan()) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    if answer.finish == "refusal":
        return blocked(answer, model, number)
    parts: list[dict[str, Any]] = []
    if answer.reasoning:
        parts.append({"text": answer.reasoning, "thought": True})
    if answer.text:
        parts.append({"text": answer.text})
    parts += _drawn(plan)
    content = {"parts": [*parts, *_call_parts(answer)], "role": "model"}
    candidate = {"content": content, "finishReason": FINISH[answer.finish], "index": 0}
    return _envelope([candidate], usage(answer, answer.visible_tokens), model, number)


def _drawn(plan: Plan) -> list[dict[str, Any]]:
    data = base64.b64encode(png()).decode()
    return [{"inlineData": {"mimeType": "image/png", "data": data}}, {"text": "There."}] * (plan.script == "image")


def frames(answer: Answer, model: str, number: int, plan: Plan = Plan()) -> list[Frame]:
    """The chunks; the last one has an empty text part and the finish reason."""
    if answer.finish == "refusal":
        return [_frame(blocked(answer, model, number), visible=False)]
    parts: list[dict[str, Any]] = [{"text": piece, "thought": True} for piece in pieces(answer.reasoning)]
    parts += [{"text": piece} for piece in pieces(answer.text)]
    parts += _drawn(plan)
    parts += _call_parts(answer)
    whole = []
    for position, one in enumerate(parts):
        candidate = {"content": {"parts": [one], "role": "model"}, "index": 0}
        whole.append(_frame(_envelope([candidate], usage(answer, position + 1), model, number), visible=True))
    last = {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": FINISH[answer.finish], "index": 0}
    figures = usage(answer, answer.visible_tokens)
    return [*whole, _frame(_envelope([last], figures, model, number), visible=False)]


def _frame(payload: dict[str, Any], *, visible: bool) -> Frame:
    return Frame(sse(payload, newline="\r\n", compact=False), visible)


def broken(plan: Plan) -> list[bytes]:
    """The error as bare JSON lines, without ``data:``; or as an event."""
    if plan.cut == "midstream-error-data":
        return [sse(error_body(503), newline="\r\n", compact=False)]
    return [json.dumps(error_body(503), indent=2).encode()]


def as_array(whole: list[Frame]) -> list[Frame]:
    """The same chunks as one JSON array, which is what comes without ``alt=sse``."""
    bodies = [frame.data.removeprefix(b"data: ").strip() for frame in whole]
    joined = [(b"[" if position == 0 else b",\r\n") + body for position, body in enumerate(bodies)]
    return [*(Frame(data, frame.visible) for data, frame in zip(joined, whole, strict=True)), Frame(b"]")]
