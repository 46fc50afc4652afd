"""An answer as Chat Completions bytes: one body, or the chunks of a stream with the chosen delays and faults."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Any

import msgspec

from providers_app.providers.demo.config import Config
from providers_app.providers.demo.model_names import Knobs
from providers_app.providers.demo.request import DemoRequest, tokens
from providers_app.providers.demo.script import Answer, pieces

ARGUMENT_PIECE = 9
KEEPALIVES = 5
KEEPALIVE_S = 0.4
"""The pause of ``demo-keepalive-comments`` in the middle: so many comments, so many seconds apart."""
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


def usage(answer: Answer, request: DemoRequest, output_tokens: int | None = None) -> dict[str, Any]:
    """Return the token counts; ``output_tokens`` for a count in the middle of the answer."""
    output = answer.output_tokens if output_tokens is None else output_tokens
    return {
        "prompt_tokens": request.prompt_tokens,
        "completion_tokens": output,
        "total_tokens": request.prompt_tokens + output,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
    }


def completion(answer: Answer, request: DemoRequest, knobs: Knobs, number: int, now: int) -> bytes:
    """Encode an answer that is not streamed; ``now`` is seconds since the epoch."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.calls:
        message["tool_calls"] = [_call(number, n, call.name, call.arguments) for n, call in enumerate(answer.calls)]
    body: dict[str, Any] = {
        "id": f"chatcmpl-demo-{number}",
        "object": "chat.completion",
        "created": now,
        "model": request.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": answer.finish}],
    }
    if "no-usage" not in knobs.quirks:
        body["usage"] = usage(answer, request)
    return msgspec.json.encode(body)


def chunks(answer: Answer, request: DemoRequest, knobs: Knobs, number: int, now: int) -> Iterator[Chunk]:
    """Yield the stream from the role to ``[DONE]``; a long answer need not be in memory."""
    newline = b"\r\n" if "crlf" in knobs.quirks else b"\n"
    counted = "usage-every-chunk" in knobs.quirks
    head = {"id": f"chatcmpl-demo-{number}", "object": "chat.completion.chunk", "created": now, "model": request.model}
    sent = 0

    def chunk(delta: dict[str, Any], finish: str | None = None, *, visible: bool = True) -> Chunk:
        body = {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}
        if counted:
            body["usage"] = usage(answer, request, sent)
        return Chunk(_framed(body, newline), visible)

    yield chunk({"role": "assistant", "content": ""}, visible=False)
    for piece in pieces(answer.reasoning):
        sent += tokens(piece)
        yield chunk({"reasoning_content": piece})
    for piece in pieces(answer.text):
        sent += tokens(piece)
        yield chunk({"content": piece})
    for n, call in enumerate(answer.calls):
        yield chunk({"tool_calls": [{"index": n, **_call(number, n, call.name, "")}]})
        for at in range(0, len(call.arguments), ARGUMENT_PIECE):
            piece = call.arguments[at : at + ARGUMENT_PIECE]
            sent += tokens(piece)
            yield chunk({"tool_calls": [{"index": n, "function": {"arguments": piece}}]})
    sent = answer.output_tokens
    yield chunk({}, answer.finish, visible=False)
    if request.include_usage and "no-usage" not in knobs.quirks:
        yield Chunk(_framed({**head, "choices": [], "usage": usage(answer, request)}, newline))
    if "no-done" not in knobs.quirks:
        yield Chunk(b"data: [DONE]" + newline * 2)


def visible_count(answer: Answer) -> int:
    """Count the visible chunks of the stream."""
    calls = sum(1 + -(-len(call.arguments) // ARGUMENT_PIECE) for call in answer.calls)
    return len(pieces(answer.reasoning)) + len(pieces(answer.text)) + calls


def _framed(body: dict[str, Any], newline: bytes) -> bytes:
    return b"data: " + msgspec.json.encode(body) + newline * 2


def _call(number: int, position: int, name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": f"call_demo{number:08d}{position:04d}", "type": "function", "function": function}


def pace(knobs: Knobs, config: Config) -> tuple[float, float]:
    """Return the seconds before the first output and between two pieces: by knob, speed word, or the settings."""
    if knobs.delay_ms is not None:
        return min(config.first_delay_ms, knobs.delay_ms) / 1000, knobs.delay_ms / 1000
    if knobs.speed == "instant":
        return 0.0, 0.0
    between = config.slow_delay_ms if knobs.speed == "slow" else config.word_delay_ms
    return config.first_delay_ms / 1000, between / 1000


async def deliver(
    chunks: Iterable[Chunk], visible: int, knobs: Knobs, first: float, between: float
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the stream. ``visible`` counts the visible chunks; a fault happens in their middle.

    ``first`` and ``between`` are the delays of ``pace``. Raises ``ConnectionResetError`` where the name asks for it.
    """
    middle = max(1, visible // 2)
    seen = 0
    for chunk in chunks:
        if chunk.visible:
            await asyncio.sleep(between if seen else first)
            if seen == middle:
                for _ in range(KEEPALIVES if "keepalive-comments" in knobs.quirks else 0):
                    await asyncio.sleep(0 if knobs.speed == "instant" else KEEPALIVE_S)
                    yield b": keep-alive\n\n"
                if knobs.fault:
                    async for data in _break(knobs.fault, chunk):
                        yield data
                    return
            seen += 1
        async for data in _packets(chunk.data, knobs):
            yield data


async def _packets(data: bytes, knobs: Knobs) -> AsyncGenerator[bytes, None]:
    if "one-byte" not in knobs.quirks:
        yield data
        return
    for at in range(len(data)):
        if not at % 16:
            await asyncio.sleep(0)  # a stream without delays must not keep the loop from everyone else
        yield data[at : at + 1]


async def _break(fault: str, chunk: Chunk) -> AsyncGenerator[bytes, None]:
    match fault:
        case "midstream-error":
            yield _framed({"error": ERROR}, b"\n")
        case "truncated":
            yield chunk.data[: len(chunk.data) // 2]
        case "bad-json":
            yield b'data: {"choices": [{"delta": {"content": "never closed\n\n'
        case "reset":
            raise ConnectionResetError("the demo connection broke, as the model's name says")
        case _:
            await asyncio.Event().wait()
