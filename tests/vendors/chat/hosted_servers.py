"""Hosted services: Mistral, Groq, DeepSeek, xAI, Perplexity."""

import json
import re
from typing import Any

from tests.vendors.asgi import Reply
from tests.vendors.chat.personality import ERROR, Chunk, Personality, body_check, in_choices, no_entry, refuse, renamed
from tests.vendors.plan import Plan
from tests.vendors.replies import json_reply, sse
from tests.vendors.shapes import boolean, integer, nullable, text

NINE = re.compile(r"[a-zA-Z0-9]{9}")
_REASONING = in_choices(lambda said: renamed(said, "reasoning_content", "reasoning"))


def _mistral(body: Chunk) -> None:
    """Ids of nine letters and digits, in calls and results alike."""
    for message in body["messages"]:
        ids = [call["id"] for call in message.get("tool_calls", ())]
        for found in (*ids, *([message["tool_call_id"]] if message["role"] == "tool" else ())):
            if not NINE.fullmatch(found):
                said = f"Tool call id was {found} but must be a-z, A-Z, 0-9, with a length of 9."
                refuse(400, {"object": "error", "message": said, "type": "invalid_request_error", "code": "3280"})


def _mistral_refusal(reply: Reply) -> Reply:
    """What the body's shape does not allow is a 422 with a list; other errors are flat."""
    error = json.loads(reply.body).get("error")
    if not isinstance(error, dict):
        return reply
    if reply.status == 400 and error["param"]:
        detail = {"type": "extra_forbidden", "loc": ["body", error["param"]], "msg": "Extra inputs are not permitted"}
        return json_reply(422, {"object": "error", "detail": [detail]}, reply.headers)
    return json_reply(reply.status, {"object": "error", **error}, reply.headers, reply.plan)


def _mistral_chunk(chunk: Chunk) -> Chunk:
    """Reasoning as typed parts, tool calls without an index, padding beside it."""
    for choice in chunk.get("choices", ()):
        said: dict[str, Any] = choice.get("delta") or choice.get("message") or {}
        thought = said.pop("reasoning_content", None)
        if thought:
            thinking: list[Any] = [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}]
            said["content"] = thinking + ([{"type": "text", "text": said["content"]}] if said.get("content") else [])
        for call in said.get("tool_calls", ()):
            call.pop("index", None)
    return {**chunk, "p": "abcdefghijk"}


def _groq_chunk(chunk: Chunk) -> Chunk:
    """Usage in ``x_groq`` of the last chunk."""
    _REASONING(chunk)
    usage = chunk.pop("usage", None)
    if usage:
        chunk["x_groq"] = {"id": "req_01", "usage": usage}
    return chunk


def _groq_cut(plan: Plan) -> list[bytes]:
    """An event named error, and no ``[DONE]``."""
    failed = {**ERROR, "message": "Failed to call a function.", "type": "invalid_request_error"}
    failed |= {"code": "tool_use_failed", "failed_generation": "<tool>", "status_code": 400}
    return [sse({"error": failed}, event="error")]


def _deepseek(body: Chunk) -> None:
    """Structured output is the wish for JSON, said in words as well; reasoning goes back within a tool loop only."""

    def error(said: str) -> None:
        error = {"message": said, "type": "invalid_request_error", "param": None, "code": "invalid_request_error"}
        refuse(400, {"error": error})

    wanted = body.get("response_format", {}).get("type")
    if wanted == "json_schema":
        error("This response_format type is unavailable now")
    if wanted == "json_object" and "json" not in json.dumps(body["messages"]).lower():
        error("Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'.")
    last = max((at for at, one in enumerate(body["messages"]) if one["role"] == "user"), default=0)
    if any("reasoning_content" in message for message in body["messages"][:last]):
        error("The reasoning_content is an intermediate result for display purposes only.")


def _deepseek_chunk(chunk: Chunk) -> Chunk:
    usage = chunk.get("usage")
    if usage:
        details = usage.pop("prompt_tokens_details", {})
        usage["prompt_cache_hit_tokens"] = details.get("cached_tokens", 0)
        usage["prompt_cache_miss_tokens"] = usage["prompt_tokens"] - usage["prompt_cache_hit_tokens"]
    return chunk


def _xai_usage(chunk: Chunk) -> Chunk:
    """Reasoning is counted beside the completion."""
    usage = chunk.get("usage")
    if usage:
        usage["completion_tokens"] -= usage["completion_tokens_details"]["reasoning_tokens"]
    return chunk


class Cumulative:
    """Perplexity: each chunk has the message so far beside its delta."""

    def __init__(self) -> None:
        self.said: dict[str, str] = {}

    def __call__(self, chunk: Chunk) -> Chunk:
        for choice in chunk.get("choices", ()):
            if "delta" in choice:
                told = self.said.get(chunk["id"], "") + (choice["delta"].get("content") or "")
                self.said[chunk["id"]] = told
                choice["message"] = {"role": "assistant", "content": told}
        return {**chunk, "citations": ["https://example.test/source"]}


MISTRAL = Personality(
    name="mistral",
    server="cloudflare",
    body=body_check(
        "seed", "max_completion_tokens", "stream_options", "reasoning_effort", "user",
        more={"random_seed": nullable(integer(0))},
        said={"prefix": boolean},
    ),
    judge=_mistral,
    ask=lambda body: {**body, "echo": True},
    prefix="prefix",
    chunk=_mistral_chunk,
    whole=_mistral_chunk,
    call_id=lambda number: f"Mis{number:06d}",
    whole_calls=True,
    usage="always",
    headers={"mistral-correlation-id": "0199-local"},
    refusal=_mistral_refusal,
    entry=lambda model_id, window: {
        "id": model_id, "object": "model", "owned_by": "mistralai", "max_context_length": window,
        "capabilities": {"completion_chat": True, "function_calling": True, "vision": model_id == "local-large"},
    },
)  # fmt: skip
GROQ = Personality(
    name="groq",
    server="cloudflare",
    chunk=_groq_chunk,
    whole=_REASONING,
    usage="always",
    cut=_groq_cut,
    entry=lambda model_id, window: {
        "id": model_id, "object": "model", "owned_by": "Meta", "active": model_id == "local-large",
        "context_window": window, "max_completion_tokens": 8192,
    },
)  # fmt: skip
DEEPSEEK = Personality(
    name="deepseek",
    server="",
    body=body_check(said={"reasoning_content": text(), "prefix": boolean}),
    judge=_deepseek,
    prefix="prefix",
    prefix_path="/beta/chat/completions",
    chunk=_deepseek_chunk,
    whole=_deepseek_chunk,
    usage="always",
    entry=lambda model_id, window: {"id": model_id, "object": "model", "owned_by": "deepseek"},
    keep_alive=(b": keep-alive\n\n", b"\n\n"),
)
XAI = Personality(
    name="xai",
    server="cloudflare",
    chunk=_xai_usage,
    whole=_xai_usage,
    whole_calls=True,
    entry=lambda model_id, window: {"id": model_id, "object": "model", "owned_by": "xai"},
    native={
        ("GET", "/v1/language-models"): lambda body: {
            "models": [
                {"id": "local-large", "input_modalities": ["text", "image"], "prompt_text_token_price": 30_000,
                 "completion_text_token_price": 150_000, "cached_prompt_text_token_price": 7_500},
            ]
        }
    },
)  # fmt: skip
PERPLEXITY = Personality(
    name="perplexity",
    server="cloudflare",
    body=body_check("tools", "tool_choice", "parallel_tool_calls"),
    chunk=Cumulative(),
    usage="each",
    done=False,
    entry=None,
)
OTHER = Personality(name="generic", server="", entry=no_entry)
