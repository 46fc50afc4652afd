"""``generateContent`` as Vertex AI takes it: no ids of calls, and tokens counted without a wrapper."""

import json
from typing import Any

from tests.vendors.asgi import Reply, Request, Streamed
from tests.vendors.gemini.checks import BODY, CONTENT, FIELDS, check_contents, read_ask
from tests.vendors.gemini.errors import error_reply, planned_details, worded
from tests.vendors.gemini.stream import as_array, broken, frames, response
from tests.vendors.ledger import Ledger
from tests.vendors.plan import ERRORS, Plan
from tests.vendors.replies import foreign_reply, json_reply
from tests.vendors.script import compose
from tests.vendors.shapes import Violation, array, obj

COUNT = obj(
    {"contents": array(CONTENT)}, {name: FIELDS[name] for name in ("systemInstruction", "tools", "generationConfig")}
)
METHODS = ("generateContent", "streamGenerateContent", "countTokens")


def answer(
    request: Request, model: str, base: str, method: str, plan: Plan, ledger: Ledger, *, streamed: str
) -> Reply | Streamed:
    """One question to a model, or its count."""
    try:
        body = json.loads(request.body)
        (COUNT if method == "countTokens" else BODY)(body, ())
        without_ids(body)
        if method == "countTokens":
            return json_reply(200, {"totalTokens": compose(Plan(), read_ask(body)).input_tokens})
        check_contents(body, base)
    except ValueError:
        return error_reply(400, "Invalid JSON payload received.", streamed=streamed)
    except Violation as violation:
        return error_reply(400, *worded(violation), streamed=streamed)
    if not plan.failing(len(ledger.of_model(model))):
        plan = plan.healthy()
    foreign = foreign_reply(plan)
    if foreign is not None:
        return foreign
    if plan.status is not None:
        return error_reply(plan.status, None, planned_details(plan), streamed=streamed)
    said = compose(plan, read_ask(body))
    if method == "generateContent" or plan.plain:
        if plan.cut in ERRORS:
            return error_reply(503)
        return json_reply(200, response(said, base, request.number), plan=plan)
    whole = frames(said, base, request.number)
    if request.query.get("alt") != "sse":
        return Streamed({"content-type": "application/json; charset=UTF-8"}, as_array(whole), broken(plan), plan)
    return Streamed({"content-type": "text/event-stream"}, whole, broken(plan), plan)


def without_ids(body: dict[str, Any]) -> None:
    """Raises ``Violation`` for an id of a call or of its result, which is not known here."""
    for at, content in enumerate(body.get("contents", [])):
        for number, part in enumerate(content["parts"]):
            for field in ("functionCall", "functionResponse"):
                if "id" in part.get(field, {}):
                    raise Violation(("contents", at, "parts", number, field, "id"), "unknown")
