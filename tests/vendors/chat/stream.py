"""An answer as a chat completion and as its chunks."""

from typing import Any

from tests.vendors.asgi import Frame
from tests.vendors.plan import Plan
from tests.vendors.replies import sse
from tests.vendors.script import Answer, fragments, pieces

FINISH = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "refusal": "content_filter",
    "stop_sequence": "stop",
}


def usage(answer: Answer) -> dict[str, Any]:
    """Completion tokens include the reasoning."""
    output = answer.visible_tokens + answer.reasoning_tokens
    return {
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": output,
        "total_tokens": answer.input_tokens + output,
        "prompt_tokens_details": {"cached_tokens": min(2, answer.input_tokens)},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
    }


def _call_ids(answer: Answer, number: int) -> list[str]:
    return [f"call_{number:012d}{position:012d}" for position in range(len(answer.calls))]


def completion(answer: Answer, model: str, number: int) -> dict[str, Any]:
    """The body of an answer that is not streamed."""
    message: dict[str, Any] = {"role": "assistant", "content": answer.text or None, "refusal": None}
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    if answer.calls:
        message["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call_id, call in zip(_call_ids(answer, number), answer.calls, strict=True)
        ]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": FINISH[answer.finish]}
    return {
        "id": f"chatcmpl-{number:024d}",
        "object": "chat.completion",
        "created": 1_795_000_000,
        "model": model,
        "choices": [choice],
        "usage": usage(answer),
    }


def frames(answer: Answer, model: str, number: int, include_usage: bool) -> list[Frame]:
    """The chunks: role first, the finish alone, usage only when asked for, then ``[DONE]``."""
    deltas: list[dict[str, Any]] = [{"reasoning_content": piece} for piece in pieces(answer.reasoning)]
    deltas += [{"content": piece} for piece in pieces(answer.text)]
    for index, (call_id, call) in enumerate(zip(_call_ids(answer, number), answer.calls, strict=True)):
        first, *rest = fragments(call.arguments)
        opened = {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": first}}
        deltas.append({"tool_calls": [{"index": index, **opened}]})
        deltas += [{"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in rest]
    head = {
        "id": f"chatcmpl-{number:024d}",
        "object": "chat.completion.chunk",
        "created": 1_795_000_000,
        "model": model,
    }
    none_yet = {"usage": None} if include_usage else {}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return sse({**head, "choices": [choice], **none_yet})

    whole = [Frame(chunk({"role": "assistant", "content": None if answer.calls else ""}))]
    whole += [Frame(chunk(delta), visible=True) for delta in deltas]
    whole.append(Frame(chunk({}, FINISH[answer.finish])))
    if include_usage:
        whole.append(Frame(sse({**head, "choices": [], "usage": usage(answer)})))
    return [*whole, Frame(b"data: [DONE]\n\n")]


def broken(plan: Plan) -> list[bytes]:
    """An error chunk and, as some servers do, ``[DONE]`` after it; or one of the other ways of such servers."""
    message = "The engine broke while it generated."
    error = {"message": message, "type": "server_error", "param": None, "code": "internal_error"}
    if plan.quota:
        error |= {"type": "insufficient_quota", "code": "insufficient_quota"}
    match plan.cut:
        case "midstream-error-choice":
            choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
            return [sse({"error": {"code": 502, "message": message}, "choices": [choice]})]
        case "midstream-error-empty":
            delta = {"role": "assistant", "content": ""}
            return [sse({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})]
        case _:
            return [sse({"error": error}), b"data: [DONE]\n\n"]
