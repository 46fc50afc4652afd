"""The endpoints of one resource: chat completions on both surfaces, responses on ``v1``, models on both."""

from typing import Any
from urllib.parse import unquote

from tests.vendors.asgi import Reply, Request, Streamed
from tests.vendors.auth.book import Book
from tests.vendors.azure import errors
from tests.vendors.azure.checks import BODY, VERSIONS, check_model, check_version
from tests.vendors.azure.stream import chunks, failing, whole
from tests.vendors.chat.checks import check_fields, check_messages, read_ask
from tests.vendors.ledger import Entry, KeyState, Ledger
from tests.vendors.openai import checks as responses
from tests.vendors.openai.errors import Refused, held, parse_checked
from tests.vendors.openai.stream import broken, frames, response
from tests.vendors.plan import ERRORS, Plan, read_plan
from tests.vendors.replies import bearer, json_reply
from tests.vendors.script import compose

VALID_KEY = "4f6c0ca1" * 10 + "ACOG"
DEPLOYMENTS = {"chat-prod": "gpt-4.1", "reasoner": "gpt-5.6", "filtered": "gpt-4.1"}
"""Deployment -> model. The filter of ``filtered`` runs beside the text and stops it late."""
MODELS = ("gpt-4.1", "gpt-5.6", "gpt-4o-2024-08-06")
BLOCKED = "[blocked]"
"""A prompt with this in it is stopped by the filter."""
AUDIENCES = ("https://cognitiveservices.azure.com", "https://ai.azure.com")


class AzureVendor:
    """Answers like ``https://R.openai.azure.com``."""

    def __init__(self, book: Book | None = None) -> None:
        self.ledger = Ledger()
        self.book = book or Book("entra")
        self.keys_disabled = False

    def key_state(self, request: Request) -> KeyState:
        key, token = request.headers.get("api-key"), bearer(request.headers)
        if key is not None and token is not None:
            return "wrong"
        if key is None and token is None:
            return "missing"
        # The surface v1 takes a key as a bearer token as well.
        as_key = key or (token if request.path.startswith("/openai/v1") else None)
        if as_key is not None and read_plan(as_key, [VALID_KEY]):
            return "right"
        return "right" if token is not None and self._token_state(token) != "wrong" else "wrong"

    def _token_state(self, token: str) -> str:
        """Access tokens are for an audience: ``right``, ``no_role`` or ``wrong``."""
        with self.book.lock:
            found = self.book.accesses.get(token)
            if found is None or found.revoked or found.expires_at <= self.book.now():
                return "wrong"
            if not any(scope.rstrip("/").removesuffix("/.default") in AUDIENCES for scope in found.scopes):
                return "wrong"
            return self.book.accounts[found.account_id].limit or "right"

    def answer(self, request: Request, entry: Entry) -> Reply | Streamed:
        headers = {"apim-request-id": f"apim-{request.number:032d}", "x-ms-region": "Local"}
        refused = self._unauthorized(request, entry, headers)
        if refused is not None:
            return refused
        try:
            return self._routed(request, entry, headers)
        except Refused as refusal:
            return refusal.reply

    def _unauthorized(self, request: Request, entry: Entry, headers: dict[str, str]) -> Reply | None:
        token = bearer(request.headers)
        if entry.key == "missing":
            return errors.error(401, "401", errors.MISSING, headers)
        if token is not None and not read_plan(token, [VALID_KEY]):
            self.book.access(token)  # noted as presented
            state = self._token_state(token)
            if state == "wrong":
                return errors.gateway(401, errors.WRONG_TOKEN, headers)
            return errors.error(401, "PermissionDenied", errors.NO_ROLE, headers) if state == "no_role" else None
        if entry.key == "wrong":
            return errors.error(401, "401", errors.WRONG_KEY, headers)
        return errors.error(403, *errors.KINDS[403], headers) if self.keys_disabled else None

    def _routed(self, request: Request, entry: Entry, headers: dict[str, str]) -> Reply | Streamed:
        match request.method, request.path.split("/")[1:]:
            case "POST", ["openai", "deployments", name, "chat", "completions"]:
                self._check_version(request, headers)
                return self._chat(request, entry, headers, unquote(name), classic=True)
            case "POST", ["openai", "v1", "chat", "completions"]:
                return self._chat(request, entry, headers, "", classic=False)
            case "POST", ["openai", "v1", "responses"]:
                return self._respond(request, entry, headers)
            case "GET", ["openai", "v1", "models", *rest] if len(rest) < 2:
                return self._models(request, headers, rest)
            case "GET", ["openai", "models", *rest] if len(rest) < 2:
                self._check_version(request, headers)
                return self._models(request, headers, rest)
        return errors.error(404, *errors.KINDS[404], headers)

    def _check_version(self, request: Request, headers: dict[str, str]) -> None:
        """A version that is missing or not known is a resource that is not found."""
        if set(request.query) != {"api-version"} or request.query["api-version"] not in VERSIONS:
            raise Refused(errors.error(404, *errors.KINDS[404], headers))

    def _deployment(self, name: str, headers: dict[str, str]) -> tuple[str, Plan]:
        found = read_plan(name, DEPLOYMENTS)
        if found is None:
            raise Refused(errors.error(404, "DeploymentNotFound", errors.NO_DEPLOYMENT, headers))
        base, plan = found
        return base, plan if plan.failing(len(self.ledger.of_model(name))) else plan.healthy()

    def _chat(
        self, request: Request, entry: Entry, headers: dict[str, str], name: str, *, classic: bool
    ) -> Reply | Streamed:
        body = parse_checked(request, BODY, headers)
        name = entry.model = name if classic else str(body.get("model") or "")
        base, plan = self._deployment(name, headers)
        model = DEPLOYMENTS[base]
        held(lambda: check_version(body, request.query["api-version"] if classic else "9999-12-31"), headers)
        held(lambda: check_model(body, model), headers)
        held(lambda: check_fields(body), headers)
        held(lambda: check_messages(body["messages"]), headers)
        failure = errors.planned(plan, headers, by_gateway=classic)
        if failure is not None:
            return failure
        ask = read_ask(body)
        if BLOCKED in ask.last_text:
            return errors.filtered_prompt(headers)
        answer = compose(plan, ask)
        if not body.get("stream") or plan.plain:
            if plan.cut in ERRORS:
                return errors.error(500, *errors.KINDS[500], headers)
            return json_reply(200, whole(answer, model, request.number), headers, plan)
        usage = bool((body.get("stream_options") or {}).get("include_usage"))
        made = chunks(answer, model, request.number, include_usage=usage, late=base == "filtered")
        return Streamed({**headers, "content-type": "text/event-stream"}, made, failing(plan), plan)

    def _respond(self, request: Request, entry: Entry, headers: dict[str, str]) -> Reply | Streamed:
        body = parse_checked(request, responses.BODY, headers)
        entry.model = body["model"]
        base, plan = self._deployment(body["model"], headers)
        held(lambda: responses.check_fields(body, DEPLOYMENTS[base]), headers)
        held(lambda: responses.check_items(body["input"], body.get("store", True)), headers)
        failure = errors.planned(plan, headers, by_gateway=False)
        if failure is not None:
            return failure
        ask = responses.read_ask(body)
        if BLOCKED in ask.last_text:
            return errors.filtered_prompt(headers)
        answer = compose(plan, ask)
        if not body.get("stream") or plan.plain:
            if plan.cut in ERRORS:
                return errors.error(500, *errors.KINDS[500], headers)
            return json_reply(200, response(answer, body, request.number), headers, plan)
        head = {**headers, "content-type": "text/event-stream; charset=utf-8"}
        return Streamed(head, frames(answer, body, request.number), broken(body, request.number, plan), plan)

    def _models(self, request: Request, headers: dict[str, str], rest: list[str]) -> Reply:
        found = read_plan(request.headers.get("api-key", ""), [VALID_KEY])
        plan = found[1] if found else Plan()
        failure = errors.planned(plan, headers, by_gateway=True)
        if failure is not None:
            return failure
        if rest:
            if rest[0] not in MODELS:
                return errors.error(404, "model_not_found", "The requested model was not found.", headers)
            return json_reply(200, _entry(rest[0]), headers)
        data = [*map(_entry, MODELS), _entry("text-embedding-3-small", chat=False)]
        return json_reply(200, {"object": "list", "data": data}, headers, plan)


def _entry(model_id: str, *, chat: bool = True) -> dict[str, Any]:
    """As ``GET /openai/models`` has it: what can be deployed, not what is."""
    return {
        "id": model_id,
        "object": "model",
        "status": "succeeded",
        "created_at": 1_780_000_000,
        "updated_at": 1_780_000_000,
        "capabilities": {
            "fine_tune": False,
            "inference": True,
            "completion": False,
            "chat_completion": chat,
            "embeddings": not chat,
        },
        "lifecycle_status": "preview" if model_id == "gpt-5.6" else "generally-available",
        "deprecation": {"inference": 1_830_297_600},
    }
