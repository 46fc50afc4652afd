"""Servers that people run themselves: vLLM, Ollama, llama.cpp, LM Studio."""

from typing import Any

from tests.vendors.chat.personality import (
    ERROR,
    MESSAGE,
    Chunk,
    Personality,
    as_it_is,
    body_check,
    in_choices,
    refuse,
    renamed,
)
from tests.vendors.plan import Plan
from tests.vendors.replies import sse
from tests.vendors.shapes import boolean, text

REASONING = in_choices(lambda said: renamed(said, "reasoning_content", "reasoning"))


def _no_developer(body: Chunk) -> None:
    """Templates know three roles and the tool's."""
    if any(message["role"] == "developer" for message in body["messages"]):
        said = "Unexpected message role 'developer' in the chat template."
        refuse(400, {"error": {"code": 400, "message": said, "type": "invalid_request_error"}})


def _ollama(body: Chunk) -> None:
    for message in body["messages"]:
        for part in message["content"] if isinstance(message.get("content"), list) else ():
            if part["type"] == "image_url" and not part["image_url"]["url"].startswith("data:"):
                error = {"message": "invalid image input", "type": "invalid_request_error", "param": None, "code": None}
                refuse(400, {"error": error})


def _ignoring_choice(body: Chunk) -> Chunk:
    return {name: value for name, value in body.items() if name != "tool_choice"}


def _named_is_auto(body: Chunk) -> Chunk:
    return _ignoring_choice(body) if isinstance(body.get("tool_choice"), dict) else body


def _behind_the_last(body: Chunk) -> Chunk:
    """An assistant's message at the end is always gone on with."""
    *before, last = body["messages"]
    return {**body, "messages": [*before, {**last, "prefix": True}]} if last["role"] == "assistant" else body


def _final_message(body: Chunk) -> None:
    """The last message is gone on with, or a new one is begun, not both."""
    going_on = body.get("continue_final_message", False)
    said = ""
    if going_on and body.get("add_generation_prompt", True):
        said = "Cannot set both `continue_final_message` and `add_generation_prompt` to True."
    elif going_on and body["messages"][-1]["role"] != "assistant":
        said = "Cannot continue the final message: it is not the assistant's."
    if said:
        refuse(400, {"object": "error", "message": said, "type": "BadRequestError", "param": None, "code": 400})


def _silent_end(plan: Plan) -> list[bytes]:
    """The native error line becomes an empty message, then the connection closes: no finish, no ``[DONE]``."""
    delta = {"role": "assistant", "content": ""}
    return [sse({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})]


def _stray_error(plan: Plan) -> list[bytes]:
    """A field called ``error`` instead of ``data``, which a strict reader of event streams drops."""
    return [b'error: {"code":500,"message":"%s","type":"server_error"}\n\n' % MESSAGE.encode()]


def _error_event(plan: Plan) -> list[bytes]:
    return [sse({"error": ERROR}, event="error")]


def _timed(chunk: Chunk) -> Chunk:
    if any(choice.get("finish_reason") for choice in chunk.get("choices", ())):
        chunk["timings"] = {"prompt_n": 3, "predicted_per_second": 40.5}
    return chunk


def _lm_studio(body: Chunk) -> None:
    wanted = body.get("response_format", {}).get("type")
    if wanted == "json_object":
        refuse(400, {"error": "'response_format.type' must be 'json_schema' or 'text'"})
    if isinstance(body.get("tool_choice"), dict):
        refuse(400, {"error": "Invalid tool_choice type: 'object'. Supported string values: none, auto, required"})


def _show(body: Chunk) -> Chunk:
    info = {"general.architecture": "llama", "llama.context_length": 131_072}
    return {"model_info": info, "capabilities": ["completion", "tools", "vision", "thinking"]}


def _entry(owner: str, **more: Any) -> Any:
    return lambda model_id, window: {"id": model_id, "object": "model", "created": 1, "owned_by": owner, **more}


VLLM = Personality(
    name="vllm",
    server="uvicorn",
    key=False,
    body=body_check(more={"continue_final_message": boolean, "add_generation_prompt": boolean}),
    judge=_final_message,
    chunk=REASONING,
    whole=REASONING,
    call_id=lambda number: f"chatcmpl-tool-{number:032x}",
    entry=lambda model_id, window: {
        "id": model_id, "object": "model", "owned_by": "vllm", "root": model_id, "max_model_len": window,
    },
)  # fmt: skip
OLLAMA = Personality(
    name="ollama",
    server="",
    key=False,
    body=body_check(said={"reasoning": text()}),
    judge=_ollama,
    ask=_ignoring_choice,
    chunk=REASONING,
    whole=REASONING,
    whole_calls=True,
    cut=_silent_end,
    entry=_entry("library"),
    native={
        ("POST", "/api/show"): _show,
        ("GET", "/api/ps"): lambda body: {"models": [{"name": "local-small", "context_length": 4096}]},
        ("GET", "/api/version"): lambda body: {"version": "0.13.0"},
    },
)
LLAMA_CPP = Personality(
    name="llama_cpp",
    server="llama.cpp",
    key=False,
    body=body_check(said={"reasoning_content": text()}),
    judge=_no_developer,
    ask=lambda body: _behind_the_last(_named_is_auto(body)),
    chunk=_timed,
    whole=as_it_is,
    cut=_stray_error,
    entry=_entry("llamacpp", meta={"n_ctx_train": 131_072, "n_params": 8_000_000_000}),
    native={
        ("GET", "/props"): lambda body: {
            "default_generation_settings": {"n_ctx": 16_384},
            "modalities": {"vision": True, "audio": False},
            "model_alias": "local-large",
        }
    },
)
LM_STUDIO = Personality(
    name="lm_studio",
    server="",
    key=False,
    judge=_lm_studio,
    cut=_error_event,
    entry=_entry("organization_owner"),
    native={
        ("GET", "/api/v0/models"): lambda body: {
            "data": [
                {"id": "local-large", "type": "vlm", "state": "loaded", "max_context_length": 131_072,
                 "loaded_context_length": 8192, "capabilities": ["tool_use"]},
                {"id": "local-small", "type": "llm", "state": "not-loaded", "max_context_length": 32_768},
            ]
        }
    },
)  # fmt: skip
