"""The endpoints: the sign-in's, key, models, chat completions."""

import json
from collections.abc import Awaitable
from typing import Any

from tests.vendors.asgi import Answer, Frame, Reply, Request, Streamed
from tests.vendors.auth import Book
from tests.vendors.auth.records import Access
from tests.vendors.chat.checks import ASSISTANT, FIELDS, ROLES, check_fields, check_messages, read_ask
from tests.vendors.chat.stream import completion, frames
from tests.vendors.ledger import Entry, KeyState
from tests.vendors.openai.errors import worded
from tests.vendors.openrouter.sign_in import SignIn, problem
from tests.vendors.plan import ERRORS, Plan, read_plan
from tests.vendors.replies import bearer, foreign_reply, json_reply, retry_headers, sse
from tests.vendors.script import compose
from tests.vendors.shapes import (
    Violation,
    anything,
    array,
    boolean,
    integer,
    mapping,
    number,
    obj,
    one_of,
    tagged,
    text,
)

VALID_KEY = "sk-or-v1-" + "0123456789abcdef" * 4
MODELS = {
    "openai/gpt-5.6": ("OpenAI: GPT-5.6", 400_000, 128_000),
    "anthropic/claude-opus-5": ("Anthropic: Claude Opus 5", 1_000_000, 128_000),
    "meta-llama/llama-4-scout": ("Meta: Llama 4 Scout", 131_072, 16_384),
}
REFUSED = frozenset({"meta-llama/llama-4-scout"})
"""What the account's own privacy settings leave out."""
PROCESSING = Frame(b": OPENROUTER PROCESSING\n\n")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh")
REASONING = obj({}, {"effort": one_of(*EFFORTS), "max_tokens": integer(1), "exclude": boolean, "enabled": boolean})
MESSAGE = tagged(
    "role",
    {
        **ROLES,
        "assistant": obj({"role": anything}, {**ASSISTANT, "reasoning": text(), "reasoning_details": array(mapping)}),
    },
)
BODY = obj(
    {"model": text(at_least=1), "messages": array(MESSAGE, at_least=1)},
    {
        **FIELDS,
        "reasoning": REASONING,
        "usage": obj({}, {"include": boolean}),
        "provider": mapping,
        "models": array(text()),
        "plugins": array(mapping),
        "transforms": array(text()),
        "route": text(),
        "top_k": integer(0),
        "min_p": number(0, 1),
        "top_a": number(0, 1),
        "repetition_penalty": number(0, 2),
        "verbosity": text(),
        "session_id": text(),
        "metadata": mapping,
    },
)


class OpenRouterVendor(SignIn):
    """Answers like ``openrouter.ai``."""

    def __init__(self, book: Book | None = None) -> None:
        super().__init__(book or Book("openrouter"))

    def key_state(self, request: Request) -> KeyState:
        key = bearer(request.headers)
        if key is None:
            return "unchecked" if (request.method, request.path) in self.routes() else "missing"
        return "right" if read_plan(key, [VALID_KEY]) or self._made(key) else "wrong"

    def _made(self, key: str) -> Access | None:
        found = self.book.accesses.get(key)
        return found if found is not None and not found.revoked else None

    def answer(self, request: Request, entry: Entry) -> Answer | Awaitable[Answer]:
        if (request.method, request.path) in self.routes():
            return super().answer(request, entry)
        given = self._api(request, entry)
        given.headers.setdefault("x-generation-id", f"gen-{request.number:020d}")
        return self._dated(given)

    def _api(self, request: Request, entry: Entry) -> Reply | Streamed:
        path = request.path.removeprefix("/api/v1")
        if path == request.path:
            return problem(404, "Not Found")
        if (request.method, path) == ("GET", "/models"):
            # Public: says nothing about the key.
            plan = self._key_plan(request)
            return _failed(plan) or json_reply(200, {"data": [_entry(model_id) for model_id in MODELS]}, plan=plan)
        if path in ("/auth/keys", "/auth"):
            return problem(405, "Method Not Allowed")
        if entry.key == "missing":
            return problem(401, "No auth credentials found")
        if entry.key == "wrong":
            return problem(401, "User not found.")
        match request.method, path:
            case "GET", "/key":
                return _failed(self._key_plan(request)) or json_reply(200, {"data": self._key(request)})
            case "GET", "/models/user":
                plan = self._key_plan(request)
                allowed = [_entry(model_id) for model_id in MODELS if model_id not in REFUSED]
                return _failed(plan) or json_reply(200, {"data": allowed}, plan=plan)
            case "POST", "/chat/completions":
                try:
                    return self._complete(request, entry)
                except Violation as violation:
                    return problem(400, worded(violation)[0])
        return problem(404, "Not Found")

    def _key_plan(self, request: Request) -> Plan:
        found = read_plan(bearer(request.headers) or "", [VALID_KEY])
        return found[1] if found else Plan()

    def _key(self, request: Request) -> dict[str, Any]:
        key = bearer(request.headers) or ""
        return {
            "label": f"{key[:12]}...{key[-3:]}",
            "limit": 10,
            "limit_remaining": 7.5,
            "limit_reset": None,
            "usage": 2.5,
            "usage_daily": 0.5,
            "usage_weekly": 1,
            "usage_monthly": 2.5,
            "is_free_tier": False,
        }

    def _complete(self, request: Request, entry: Entry) -> Reply | Streamed:
        try:
            body = json.loads(request.body)
        except ValueError:
            return problem(400, "Invalid JSON in request body")
        BODY(body, ())
        model = entry.model = body["model"]
        found = read_plan(model, MODELS)
        if found is None:
            return problem(400, f"{model} is not a valid model ID")
        plan = found[1]
        check_fields(body)
        check_messages(body["messages"])
        if not plan.failing(len(self.ledger.of_model(model))):
            plan = plan.healthy()
        failure = _failed(plan)
        if failure is not None:
            return failure
        reasoning = body.get("reasoning") or {}
        shown = (
            reasoning.get("effort", "none") != "none" or "max_tokens" in reasoning or reasoning.get("enabled", False)
        )
        asked = {**body, "reasoning_effort": "high" if shown and not reasoning.get("exclude") else None}
        answer = compose(plan, read_ask(asked))
        if not body.get("stream") or plan.plain:
            if plan.cut in ERRORS:
                # A failure after the first token has no status left: the error is in a body that is called a success.
                return json_reply(200, {"error": {"code": 502, "message": "Provider returned error"}})
            return json_reply(200, _whole(completion(answer, model, request.number)), plan=plan)
        written = [_rewritten(frame) for frame in frames(answer, model, request.number, True)]
        # A comment at the start and between the pieces, as while a model is slow.
        pieces = [piece for frame in written for piece in ((PROCESSING, frame) if frame.visible else (frame,))]
        head = {"content-type": "text/event-stream", "cache-control": "no-cache"}
        return Streamed(head, [PROCESSING, *pieces], _broken(model, request.number, plan), plan)


def _failed(plan: Plan) -> Reply | None:
    foreign = foreign_reply(plan)
    if foreign is not None or plan.status is None:
        return foreign
    texts = {402: "Insufficient credits. Add more using https://openrouter.ai/settings/credits", 429: "Rate limited"}
    reply = problem(402 if plan.quota else plan.status, texts.get(plan.status, "Provider returned error"))
    reply.headers |= retry_headers(plan)
    return reply


def _reasoned(holder: dict[str, Any]) -> None:
    """``reasoning`` and its details instead of ``reasoning_content``."""
    said = holder.pop("reasoning_content", None)
    if said is not None:
        holder["reasoning"] = said
        detail = {"type": "reasoning.text", "text": said, "format": "unknown", "index": 0}
        holder["reasoning_details"] = [detail]


def _costs(payload: dict[str, Any]) -> None:
    if payload.get("usage"):
        payload["usage"]["cost"] = 0.00042


def _whole(payload: dict[str, Any]) -> dict[str, Any]:
    _reasoned(payload["choices"][0]["message"])
    _costs(payload)
    return {**payload, "provider": "Local"}


def _rewritten(frame: Frame) -> Frame:
    if b"[DONE]" in frame.data:
        return frame
    payload = json.loads(frame.data.removeprefix(b"data: "))
    if payload.get("usage") is None:
        payload.pop("usage", None)
    else:
        # The usage comes with a choice whose delta is empty.
        payload["choices"] = [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]
        _costs(payload)
    for choice in payload["choices"]:
        _reasoned(choice["delta"])
        if choice.get("finish_reason"):
            choice["native_finish_reason"] = choice["finish_reason"]
    return Frame(sse({**payload, "provider": "Local"}), frame.visible)


def _broken(model: str, number: int, plan: Plan) -> list[bytes]:
    """An ordinary chunk with an error at its top and ``error`` as the finish reason, then the end."""
    error: dict[str, Any] = {"code": 502, "message": "Provider disconnected unexpectedly"}
    error["metadata"] = {"error_type": "provider_unavailable", "provider_name": "Local"}
    if plan.quota:
        error = {"code": 402, "message": "Insufficient credits"}
    chunk = {
        "id": f"gen-{number:020d}",
        "object": "chat.completion.chunk",
        "created": 1_795_000_000,
        "model": model,
        "provider": "Local",
        "error": error,
        "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": "error"}],
    }
    return [sse(chunk), b"data: [DONE]\n\n"]


def _entry(model_id: str) -> dict[str, Any]:
    name, window, output = MODELS[model_id]
    return {
        "id": model_id,
        "canonical_slug": model_id,
        "name": name,
        "created": 1_780_000_000,
        "description": "A model of the local server.",
        "context_length": window,
        "architecture": {"input_modalities": ["text", "image"], "output_modalities": ["text"], "tokenizer": "Other"},
        "pricing": {"prompt": "0.000002", "completion": "0.000008", "request": "0", "image": "0"},
        "top_provider": {"context_length": window, "max_completion_tokens": output, "is_moderated": False},
        "supported_parameters": ["max_tokens", "temperature", "tools", "tool_choice", "reasoning", "response_format"],
    }
