"""An answer as Chat Completions bytes: the chunks of a stream, or one body."""

from collections.abc import Iterator
from typing import Any

import msgspec

from providers_app.providers.demo.asked import Asked, tokens
from providers_app.providers.demo.knobs import Knobs
from providers_app.providers.demo.script import Answer, pieces

ARGUMENT_PIECE = 9
ERROR = {
    "message": "The demo model broke in the middle, as its name says.",
    "type": "server_error",
    "param": None,
    "code": "midstream_error",
}


class Chunk(msgspec.Struct, frozen=True):
    """One event of the stream; ``visible`` when it carries output, which is what delays and faults are counted by."""

    data: bytes
    visible: bool = False


def usage(answer: Answer, asked: Asked, output_tokens: int | None = None) -> dict[str, Any]:
    """The token counts; ``output_tokens`` for a count in the middle of the answer."""
    output = answer.output_tokens if output_tokens is None else output_tokens
    return {
        "prompt_tokens": asked.prompt_tokens,
        "completion_tokens": output,
        "total_tokens": asked.prompt_tokens + output,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
    }


def completion(answer: Answer, asked: Asked, knobs: Knobs, number: int, now: int) -> bytes:
    """The body of an answer that is not streamed; ``now`` is seconds since the epoch."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.calls:
        message["tool_calls"] = [
            {
                "id": _call_id(number, n),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for n, call in enumerate(answer.calls)
        ]
    body: dict[str, Any] = {
        "id": f"chatcmpl-demo-{number}",
        "object": "chat.completion",
        "created": now,
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}],
    }
    if "no-usage" not in knobs.quirks:
        body["usage"] = usage(answer, asked)
    return msgspec.json.encode(body)


def chunks(answer: Answer, asked: Asked, knobs: Knobs, number: int, now: int) -> Iterator[Chunk]:
    """The stream from the role to ``[DONE]``; made one by one, as a long answer need not be in memory."""
    newline = b"\r\n" if "crlf" in knobs.quirks else b"\n"
    counted = "usage-every-chunk" in knobs.quirks
    head = {"id": f"chatcmpl-demo-{number}", "object": "chat.completion.chunk", "created": now, "model": asked.model}
    said = 0

    def chunk(delta: dict[str, Any], finish: str | None = None, *, visible: bool = True) -> Chunk:
        body = {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}
        if counted:
            body["usage"] = usage(answer, asked, said)
        return Chunk(_framed(body, newline), visible)

    yield chunk({"role": "assistant", "content": ""}, visible=False)
    for piece in pieces(answer.reasoning):
        said += tokens(piece)
        yield chunk({"reasoning_content": piece})
    for piece in pieces(answer.text):
        said += tokens(piece)
        yield chunk({"content": piece})
    for n, call in enumerate(answer.calls):
        opened = {"id": _call_id(number, n), "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield chunk({"tool_calls": [{"index": n, **opened}]})
        for at in range(0, len(call.arguments), ARGUMENT_PIECE):
            piece = call.arguments[at : at + ARGUMENT_PIECE]
            said += tokens(piece)
            yield chunk({"tool_calls": [{"index": n, "function": {"arguments": piece}}]})
    said = answer.output_tokens
    yield chunk({}, answer.finish, visible=False)
    if asked.include_usage and "no-usage" not in knobs.quirks:
        yield Chunk(_framed({**head, "choices": [], "usage": usage(answer, asked)}, newline))
    if "no-done" not in knobs.quirks:
        yield Chunk(b"data: [DONE]" + newline * 2)


def visible_count(answer: Answer) -> int:
    """How many visible chunks the stream has."""
    calls = sum(1 + -(-len(call.arguments) // ARGUMENT_PIECE) for call in answer.calls)
    return len(pieces(answer.reasoning)) + len(pieces(answer.text)) + calls


def error_event(newline: bytes = b"\n") -> bytes:
    """The event that ends a stream with an error."""
    return _framed({"error": ERROR}, newline)


def _framed(body: dict[str, Any], newline: bytes) -> bytes:
    return b"data: " + msgspec.json.encode(body) + newline * 2


def _call_id(number: int, position: int) -> str:
    return f"call_demo{number:08d}{position:04d}"
