"""The endpoints: chat completions, models."""

from tests.vendors.asgi import Reply, Request, Streamed
from tests.vendors.chat.checks import BODY, check_fields, check_messages, read_ask
from tests.vendors.chat.stream import broken, completion, frames
from tests.vendors.ledger import Entry, KeyState, Ledger
from tests.vendors.openai.errors import Refused, error_reply, failed, held, key_error, parse_checked, unknown_model
from tests.vendors.plan import ERRORS, Plan, read_plan
from tests.vendors.replies import bearer, json_reply
from tests.vendors.script import compose

VALID_KEY = "local-key-" + "server-only-" * 3
MODELS = {"local-large": 131_072, "local-small": 32_768}


class ChatVendor:
    """Answers like a self-hosted server with the OpenAI layer; a ``keyless`` one was started without a key."""

    def __init__(self, *, key: str = VALID_KEY, keyless: bool = False) -> None:
        self.ledger = Ledger()
        self._key = key
        self._keyless = keyless

    def key_state(self, request: Request) -> KeyState:
        key = bearer(request.headers)
        if self._keyless and key is None:
            return "unchecked"
        return "missing" if key is None else "right" if read_plan(key, [self._key]) else "wrong"

    def answer(self, request: Request, entry: Entry) -> Reply | Streamed:
        headers = {"x-request-id": f"req_{request.number:032d}"}
        refused = key_error(entry.key, headers)
        if refused is not None:
            return refused
        try:
            match request.method, request.path.split("/")[1:]:
                case "POST", ["v1", "chat", "completions"]:
                    return self._complete(request, entry, headers)
                case "GET", ["v1", "models"]:
                    return self._models(request, headers)
                case "GET", ["v1", "models", model_id]:
                    if read_plan(model_id, MODELS) is None:
                        raise Refused(unknown_model(model_id, headers))
                    return json_reply(200, _entry(model_id), headers)
        except Refused as refusal:
            return refusal.reply
        return error_reply(404, f"Invalid URL ({request.method} {request.path})", headers=headers)

    def _complete(self, request: Request, entry: Entry, headers: dict[str, str]) -> Reply | Streamed:
        body = parse_checked(request, BODY, headers)
        model = entry.model = body["model"]
        found = read_plan(model, MODELS)
        if found is None:
            raise Refused(unknown_model(model, headers))
        plan = found[1]
        held(lambda: check_fields(body), headers)
        held(lambda: check_messages(body["messages"]), headers)
        if not plan.failing(len(self.ledger.of_model(model))):
            plan = plan.healthy()
        failure = failed(plan, headers)
        if failure is not None:
            return failure
        answer = compose(plan, read_ask(body))
        if not body.get("stream") or plan.plain:
            if plan.cut in ERRORS:
                # Some gateways put an error into a body that they already called a success.
                error = {"message": "Provider returned error", "code": 502}
                return json_reply(200, {"error": error}, headers)
            return json_reply(200, completion(answer, model, request.number), headers, plan)
        head = {**headers, "content-type": "text/event-stream"}
        include_usage = (body.get("stream_options") or {}).get("include_usage", False)
        return Streamed(head, frames(answer, model, request.number, include_usage), broken(plan), plan)

    def _models(self, request: Request, headers: dict[str, str]) -> Reply:
        found = read_plan(bearer(request.headers) or "", [self._key])
        plan = found[1] if found else Plan()
        failure = failed(plan, headers)
        if failure is not None:
            return failure
        data = [_entry(model_id) for model_id in MODELS]
        return json_reply(200, {"object": "list", "data": data}, headers, plan)


def _entry(model_id: str) -> dict[str, object]:
    found = read_plan(model_id, MODELS)
    window = MODELS[found[0]] if found else None
    return {"id": model_id, "object": "model", "created": 1_780_000_000, "owned_by": "vllm", "max_model_len": window}
