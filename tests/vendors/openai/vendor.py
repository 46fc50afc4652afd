"""The endpoints: responses, input_tokens, models."""

from tests.vendors.asgi import Reply, Request, Streamed
from tests.vendors.auth import Book
from tests.vendors.auth.records import Access
from tests.vendors.ledger import Entry, KeyState, Ledger
from tests.vendors.openai.background import Background
from tests.vendors.openai.checks import BODY, COUNT_BODY, check_fields, check_items, read_ask
from tests.vendors.openai.errors import Refused, error_reply, failed, held, key_error, parse_checked, unknown_model
from tests.vendors.openai.logins import (
    as_login,
    check_body,
    check_login,
    codex_models,
    key_account_error,
    login_of,
    plan_models,
)
from tests.vendors.openai.stream import broken, frames, response
from tests.vendors.plan import ERRORS, Plan, read_plan
from tests.vendors.replies import bearer, json_reply
from tests.vendors.script import compose

VALID_KEY = "sk-proj-" + "local-server-only-" * 6 + "T3Blbk"
MODELS = ("gpt-5.6", "gpt-5.6-mini", "gpt-4.1")
OTHERS = ("text-embedding-3-small", "gpt-image-2", "whisper-1")
"""Listed like every other model, but no Responses models."""


class OpenAIVendor:
    """Answers like ``api.openai.com``."""

    def __init__(self, book: Book | None = None) -> None:
        self.ledger = Ledger()
        self.book = book or Book("openai")
        self.background = Background()

    def key_state(self, request: Request) -> KeyState:
        key = bearer(request.headers)
        if login_of(request, self.book) is not None:
            return "unchecked"
        # Keys that were made from a login are in the book.
        made = self.book.accesses.get(key or "")
        right = read_plan(key or "", [VALID_KEY]) or (made is not None and not made.revoked)
        return "missing" if key is None else "right" if right else "wrong"

    def answer(self, request: Request, entry: Entry) -> Reply | Streamed:
        headers = {"x-request-id": f"req_{request.number:032d}", "openai-processing-ms": "7"}
        login = login_of(request, self.book)
        if login is not None:
            return self._signed_in(request, entry, login, headers)
        refused = key_error(entry.key, headers) or key_account_error(request, self.book, headers)
        if refused is not None:
            return refused
        try:
            match request.method, request.path.split("/")[1:]:
                case "POST", ["v1", "responses"]:
                    return self._respond(request, entry, headers)
                case "GET", ["v1", "responses", response_id]:
                    return self.background.read(request, entry, response_id, headers)
                case "POST", ["v1", "responses", response_id, "cancel"]:
                    return self.background.cancel(entry, response_id, headers)
                case "POST", ["v1", "responses", "input_tokens"]:
                    return self._count(request, entry, headers)
                case "GET", ["v1", "models"]:
                    return self._models(request, headers)
                case "GET", ["v1", "models", model_id]:
                    return self._model(model_id, headers)
        except Refused as refusal:
            return refusal.reply
        return error_reply(404, f"Invalid URL ({request.method} {request.path})", headers=headers)

    def _signed_in(self, request: Request, entry: Entry, login: Access, headers: dict[str, str]) -> Reply | Streamed:
        """The same with the token of a login."""
        entry.key = "wrong"
        try:
            check_login(request, login, self.book, headers)
            entry.key = "right"
            match request.method, request.path:
                case "GET", "/v1/models":
                    return plan_models(request, headers)
                case "GET", "/backend-api/codex/models":
                    return codex_models(request, headers)
                case "POST", "/v1/responses" | "/backend-api/codex/responses":
                    check_body(request, login, headers)
                    return as_login(self._respond(request, entry, headers), login)
        except Refused as refusal:
            return refusal.reply
        return error_reply(404, f"Invalid URL ({request.method} {request.path})", headers=headers)

    def _respond(self, request: Request, entry: Entry, headers: dict[str, str]) -> Reply | Streamed:
        body = parse_checked(request, BODY, headers)
        entry.model = body["model"]
        found = read_plan(body["model"], MODELS)
        if found is None:
            raise Refused(unknown_model(body["model"], headers))
        base, plan = found
        held(lambda: check_fields(body, base), headers)
        held(lambda: check_items(body["input"], body.get("store", True)), headers)
        if not plan.failing(len(self.ledger.of_model(body["model"]))):
            plan = plan.healthy()
        failure = failed(plan, headers)
        if failure is not None:
            return failure
        answer = compose(plan, read_ask(body))
        if not body.get("stream") or plan.plain:
            if plan.cut in ERRORS:
                plan = Plan(status=500)
                return failed(plan, headers) or error_reply(500, "unreachable")
            return json_reply(200, response(answer, body, request.number), headers, plan)
        head = {**headers, "content-type": "text/event-stream; charset=utf-8"}
        streamed = Streamed(head, frames(answer, body, request.number), broken(body, request.number, plan), plan)
        if not body.get("background"):
            return streamed
        return self.background.begin(body, response(answer, body, request.number), streamed)

    def _count(self, request: Request, entry: Entry, headers: dict[str, str]) -> Reply:
        body = parse_checked(request, COUNT_BODY, headers)
        entry.model = body["model"]
        if read_plan(body["model"], MODELS) is None:
            raise Refused(unknown_model(body["model"], headers))
        count = compose(Plan(), read_ask(body)).input_tokens
        return json_reply(200, {"object": "response.input_tokens", "input_tokens": count}, headers)

    def _models(self, request: Request, headers: dict[str, str]) -> Reply:
        found = read_plan(bearer(request.headers) or "", [VALID_KEY])
        plan = found[1] if found else Plan()
        failure = failed(plan, headers)
        if failure is not None:
            return failure
        data = [_entry(model_id) for model_id in (*MODELS, *OTHERS)]
        return json_reply(200, {"object": "list", "data": data}, headers, plan)

    def _model(self, model_id: str, headers: dict[str, str]) -> Reply:
        if read_plan(model_id, (*MODELS, *OTHERS)) is None:
            raise Refused(unknown_model(model_id, headers))
        return json_reply(200, _entry(model_id), headers)


def _entry(model_id: str) -> dict[str, object]:
    retiring = "2027-01-06" if model_id == "gpt-4.1" else None
    return {
        "id": model_id,
        "object": "model",
        "created": 1_780_000_000,
        "owned_by": "system",
        "shutdown_date": retiring,
    }
