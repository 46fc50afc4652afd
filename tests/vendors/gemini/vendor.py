"""The endpoints: generateContent, streamGenerateContent, countTokens, models."""

import json
from collections.abc import Callable
from typing import Any

from tests.vendors.asgi import Reply, Request, Streamed
from tests.vendors.auth import Book
from tests.vendors.gemini.checks import BODY, COUNT_BODY, check_contents, read_ask
from tests.vendors.gemini.errors import error_reply, key_details, planned_details, worded
from tests.vendors.gemini.stream import as_array, broken, frames, response
from tests.vendors.gemini.tokens import token_error
from tests.vendors.ledger import Entry, KeyState, Ledger
from tests.vendors.plan import ERRORS, Plan, read_plan
from tests.vendors.replies import bearer, foreign_reply, json_reply
from tests.vendors.script import compose
from tests.vendors.shapes import Violation

VALID_KEY = "AIzaSy" + "LocalServerOnly" * 2 + "Key"
CHAT = {
    "gemini-3-pro": (1_048_576, 65_536),
    "gemini-3-flash": (1_048_576, 65_536),
    "gemini-2.5-flash": (1_048_576, 65_536),
}
OTHERS = {"gemini-embedding-001": ["embedContent"], "imagen-4": ["predict"]}
ARCHIVE = tuple(f"gemini-archive-{n:03d}" for n in range(1, 61))
MODELS = (*CHAT, *OTHERS, *ARCHIVE)
"""65 models: two pages at the default of 50."""


class GeminiVendor:
    """Answers like ``generativelanguage.googleapis.com``."""

    def __init__(self, book: Book | None = None) -> None:
        self.ledger = Ledger()
        self.book = book or Book("google")

    def key_state(self, request: Request) -> KeyState:
        if bearer(request.headers) is not None:
            return "unchecked"
        key = _key(request)
        return "missing" if not key else "right" if read_plan(key, [VALID_KEY]) else "wrong"

    def answer(self, request: Request, entry: Entry) -> Reply | Streamed:
        streaming = request.path.endswith(":streamGenerateContent")
        shape = ("sse" if request.query.get("alt") == "sse" else "array") if streaming else ""

        def refuse(status: int, message: str | None = None, details: list[dict[str, Any]] | None = None) -> Reply:
            return error_reply(status, message, details, streamed=shape)

        if entry.key == "unchecked":
            refused = token_error(request, self.book, streamed=shape)
            entry.key = "wrong" if refused else "right"
            if refused is not None:
                return refused
        if entry.key == "missing":
            said = (
                "Method doesn't allow unregistered callers. Please use API Key or other form of API consumer identity."
            )
            return refuse(403, said)
        if entry.key == "wrong":
            return refuse(400, "API key not valid. Please pass a valid API key.", key_details())
        match request.method, request.path.split("/")[1:]:
            case "GET", ["v1beta" | "v1", "models"]:
                return self._models(request, refuse)
            case "GET", ["v1beta" | "v1", "models", model_id]:
                if read_plan(model_id, MODELS) is None:
                    return refuse(404, _unknown(model_id))
                return json_reply(200, {**_entry(model_id), "name": f"models/{model_id}"})
            case "POST", ["v1beta" | "v1", "models", call] if ":" in call:
                model, _, method = call.rpartition(":")
                entry.model = model
                if method in ("generateContent", "streamGenerateContent", "countTokens"):
                    return self._call(request, model, method, refuse)
        return refuse(404)

    def _call(self, request: Request, model: str, method: str, refuse: Callable[..., Reply]) -> Reply | Streamed:
        found = read_plan(model, [*CHAT, *ARCHIVE])
        if found is None:
            return refuse(404, _unknown(model))
        base, plan = found
        try:
            body = json.loads(request.body)
        except ValueError:
            return refuse(400, "Invalid JSON payload received. Unexpected end of string.")
        try:
            if method == "countTokens":
                COUNT_BODY(body, ())
                full = body.get("generateContentRequest") or body
                return json_reply(200, {"totalTokens": compose(Plan(), read_ask(full)).input_tokens})
            BODY(body, ())
            check_contents(body, base)
        except Violation as violation:
            return refuse(400, *worded(violation))
        if not plan.failing(len(self.ledger.of_model(model))):
            plan = plan.healthy()
        failed = _failed(plan, refuse)
        if failed is not None:
            return failed
        answer = compose(plan, read_ask(body))
        if method == "generateContent" or plan.plain:
            if plan.cut in ERRORS:
                return refuse(503)
            return json_reply(200, response(answer, model, request.number, plan), plan=plan)
        whole = frames(answer, model, request.number, plan)
        if request.query.get("alt") != "sse":
            return Streamed({"content-type": "application/json; charset=UTF-8"}, as_array(whole), broken(plan), plan)
        return Streamed({"content-type": "text/event-stream"}, whole, broken(plan), plan)

    def _models(self, request: Request, refuse: Callable[..., Reply]) -> Reply:
        found = read_plan(_key(request), [VALID_KEY])
        plan = found[1] if found else Plan()
        failed = _failed(plan, refuse)
        if failed is not None:
            return failed
        size, token = request.query.get("pageSize", "50"), request.query.get("pageToken", "")
        if not size.isdigit() or not 1 <= int(size) <= 1000:
            return refuse(400, "Page size must be between 1 and 1000.")
        if token and not token.removeprefix("page-").isdigit():
            return refuse(400, "Page token is not valid.")
        # The repeated cursor: the first page for ever, always with the same token.
        start = 0 if not token or plan.repeat_cursor else int(token.removeprefix("page-"))
        # A server may give fewer than asked; 30 at most makes even a client that asks for 1000 follow the pages.
        page = MODELS[start : start + min(int(size), 30)]
        payload: dict[str, Any] = {"models": [_entry(model_id) for model_id in page]}
        following = 30 if plan.repeat_cursor else start + len(page)
        if plan.repeat_cursor or following < len(MODELS):
            payload["nextPageToken"] = f"page-{following}"
        return json_reply(200, payload, plan=plan)


def _key(request: Request) -> str:
    return request.headers.get("x-goog-api-key") or request.query.get("key") or ""


def _unknown(model: str) -> str:
    said = "is not found for API version v1beta, or is not supported for generateContent."
    return f"models/{model} {said} Call ListModels to see the list of available models."


def _failed(plan: Plan, refuse: Callable[..., Reply]) -> Reply | None:
    foreign = foreign_reply(plan)
    if foreign is not None or plan.status is None:
        return foreign
    return refuse(plan.status, None, planned_details(plan))


def _entry(model_id: str) -> dict[str, Any]:
    window, output = CHAT.get(model_id, (32_768, 8_192))
    return {
        "name": f"models/{model_id}",
        "version": "001",
        "displayName": model_id.replace("-", " ").title(),
        "description": "A model of the local server.",
        "inputTokenLimit": window,
        "outputTokenLimit": output,
        "supportedGenerationMethods": OTHERS.get(model_id, ["generateContent", "countTokens"]),
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
        "thinking": model_id in CHAT,
    }
