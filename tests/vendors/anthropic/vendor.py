"""The endpoints: messages, count_tokens, models."""

import json
from typing import Any

from tests.vendors.anthropic.checks import (
    COUNT_BODY,
    MESSAGES_BODY,
    check_conversation,
    check_fields,
    check_prefill,
    read_ask,
)
from tests.vendors.anthropic.errors import error_reply, worded
from tests.vendors.anthropic.stream import broken, frames, message
from tests.vendors.anthropic.tokens import is_token, token_error
from tests.vendors.asgi import Reply, Request, Streamed
from tests.vendors.auth import Book
from tests.vendors.ledger import Entry, KeyState, Ledger
from tests.vendors.plan import ERRORS, Plan, read_plan
from tests.vendors.replies import bearer, foreign_reply, json_reply
from tests.vendors.script import compose
from tests.vendors.shapes import Check, Violation

VALID_KEY = "sk-ant-api03-" + "local-server-only-" * 5 + "AA"
VERSIONS = ("2023-06-01", "2026-10-21")
CURRENT = {
    "claude-opus-5": ("Claude Opus 5", 1_000_000, 128_000),
    "claude-sonnet-5": ("Claude Sonnet 5", 1_000_000, 128_000),
    "claude-haiku-4-5": ("Claude Haiku 4.5", 200_000, 64_000),
}
MODELS = {**CURRENT, **{f"claude-archive-{n:02d}": (f"Claude Archive {n}", 200_000, 8_192) for n in range(1, 43)}}
"""45 models: two pages and a bit at the default of 20."""


class AnthropicVendor:
    """Answers like ``api.anthropic.com``."""

    def __init__(self, book: Book | None = None) -> None:
        self.ledger = Ledger()
        self.book = book or Book("anthropic")

    def key_state(self, request: Request) -> KeyState:
        """``x-api-key`` counts before a bearer token."""
        if is_token(request):
            return "unchecked"
        key = request.headers.get("x-api-key") or bearer(request.headers)
        # Keys that were made from a login are in the book.
        made = self.book.accesses.get(key or "")
        right = read_plan(key or "", [VALID_KEY]) or (made is not None and made.kind == "api_key" and not made.revoked)
        return "missing" if not key else "right" if right else "wrong"

    def answer(self, request: Request, entry: Entry) -> Reply | Streamed:
        request_id = f"req_{request.number:024d}"
        if is_token(request):
            refused = token_error(request, self.book, request_id)
            entry.key = "wrong" if refused else "right"
            if refused is not None:
                return refused
        if entry.key == "missing":
            return error_reply(401, "x-api-key header is required", request_id=request_id)
        if entry.key == "wrong":
            return error_reply(401, request_id=request_id)
        version = request.headers.get("anthropic-version")
        if version is None:
            return error_reply(400, "anthropic-version: header is required", request_id=request_id)
        if version not in VERSIONS:
            said = f'anthropic-version: "{version}" is not a valid version'
            return error_reply(400, said, request_id=request_id)
        match request.method, request.path.split("/")[1:]:
            case "POST", ["v1", "messages"]:
                return self._post(request, entry, request_id, MESSAGES_BODY)
            case "POST", ["v1", "messages", "count_tokens"]:
                return self._post(request, entry, request_id, COUNT_BODY)
            case "GET", ["v1", "models"]:
                return self._models(request, request_id)
            case "GET", ["v1", "models", model_id]:
                return self._model(model_id, request_id)
        return error_reply(404, "Not found", request_id=request_id)

    def _post(self, request: Request, entry: Entry, request_id: str, check: Check) -> Reply | Streamed:
        if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
            return error_reply(400, "content-type: must be application/json", request_id=request_id)
        if len(request.body) > 32 * 1024 * 1024:
            return error_reply(413, request_id=request_id)
        try:
            body = json.loads(request.body)
        except ValueError:
            return error_reply(400, "The request body is not valid JSON", request_id=request_id)
        try:
            check(body, ())
            entry.model = body["model"]
            found = read_plan(body["model"], MODELS)
            if found is None:
                return error_reply(404, f"model: {body['model']}", request_id=request_id)
            base, plan = found
            check_fields(body, base, request.headers["anthropic-version"])
            check_conversation(body["messages"], prefilled=check_prefill(body, base))
        except Violation as violation:
            return error_reply(400, worded(violation), request_id=request_id)
        if not plan.failing(len(self.ledger.of_model(body["model"]))):
            plan = plan.healthy()
        failed = _failed(plan, request_id)
        if failed is not None:
            return failed
        return _counted(body, request_id) if check is COUNT_BODY else _answered(body, plan, request, request_id)

    def _models(self, request: Request, request_id: str) -> Reply:
        plan = _key_plan(request)
        failed = _failed(plan, request_id)
        if failed is not None:
            return failed
        unknown = set(request.query) - {"limit", "after_id", "before_id", "lifecycle"}
        if unknown:
            return error_reply(400, f"{unknown.pop()}: Extra inputs are not permitted", request_id=request_id)
        limit = request.query.get("limit", "20")
        if not limit.isdigit() or not 1 <= int(limit) <= 1000:
            return error_reply(400, "limit: Input should be between 1 and 1000", request_id=request_id)
        ids = list(MODELS)
        after = request.query.get("after_id")
        if after is not None and after not in ids:
            return error_reply(400, "after_id: not found", request_id=request_id)
        # The repeated cursor: whatever was asked for, the first page comes again and says that there is more.
        start = 0 if after is None or plan.repeat_cursor else ids.index(after) + 1
        # A server may give fewer than asked; 20 at most makes even a client that asks for 1000 follow the pages.
        page = ids[start : start + min(int(limit), 20)]
        payload = {
            "data": [_entry(model_id) for model_id in page],
            "has_more": plan.repeat_cursor or start + len(page) < len(ids),
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
        }
        return json_reply(200, payload, {"request-id": request_id}, plan)

    def _model(self, model_id: str, request_id: str) -> Reply:
        found = read_plan(model_id, MODELS)
        if found is None:
            return error_reply(404, f"model: {model_id}", request_id=request_id)
        return json_reply(200, {**_entry(found[0]), "id": model_id}, {"request-id": request_id})


def _key_plan(request: Request) -> Plan:
    found = read_plan(request.headers.get("x-api-key") or bearer(request.headers) or "", [VALID_KEY])
    return found[1] if found else Plan()


def _failed(plan: Plan, request_id: str) -> Reply | None:
    foreign = foreign_reply(plan)
    if foreign is not None or plan.status is None:
        return foreign
    return error_reply(plan.status, request_id=request_id, plan=plan)


def _counted(body: dict[str, Any], request_id: str) -> Reply:
    return json_reply(200, {"input_tokens": compose(Plan(), read_ask(body)).input_tokens}, {"request-id": request_id})


def _answered(body: dict[str, Any], plan: Plan, request: Request, request_id: str) -> Reply | Streamed:
    ask = read_ask(body)
    answer = compose(plan, ask)
    if not body.get("stream") or plan.plain:
        if plan.cut in ERRORS:
            return error_reply(529, request_id=request_id, plan=plan)
        return json_reply(
            200, message(answer, body["model"], request.number, plan, ask), {"request-id": request_id}, plan
        )
    headers = {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-cache",
        "request-id": request_id,
    }
    return Streamed(headers, frames(answer, body["model"], request.number, plan, ask), broken(), plan)


def _entry(model_id: str) -> dict[str, Any]:
    name, window, output = MODELS[model_id]
    entry: dict[str, Any] = {
        "type": "model",
        "id": model_id,
        "display_name": name,
        "created_at": "2026-06-29T00:00:00Z",
        "max_input_tokens": window,
        "max_tokens": output,
        "lifecycle": "active" if model_id in CURRENT else "deprecated",
    }
    if model_id in CURRENT:
        yes = {"supported": True}
        entry["capabilities"] = {
            "image_input": yes,
            "pdf_input": yes,
            "structured_outputs": yes,
            "thinking": {
                "supported": True,
                "types": {"adaptive": yes, "enabled": {"supported": model_id == "claude-haiku-4-5"}},
            },
        }
    return entry
