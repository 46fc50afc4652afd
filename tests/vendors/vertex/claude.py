"""``rawPredict``: the Messages format with the model in the address; what Google refuses, Google words."""

import json
from typing import Any

from tests.vendors.anthropic.checks import (
    COUNTED,
    NEEDED,
    OPTIONS,
    check_conversation,
    check_fields,
    check_prefill,
    read_ask,
)
from tests.vendors.anthropic.errors import error_reply, worded
from tests.vendors.anthropic.stream import broken, frames, message
from tests.vendors.asgi import Reply, Request, Streamed
from tests.vendors.gemini.errors import error_reply as google_reply
from tests.vendors.gemini.errors import planned_details
from tests.vendors.ledger import Ledger
from tests.vendors.plan import ERRORS, Plan
from tests.vendors.replies import foreign_reply, json_reply
from tests.vendors.script import compose
from tests.vendors.shapes import Violation, integer, obj, one_of

VERSION = one_of("vertex-2023-10-16")
MESSAGES = obj({"anthropic_version": VERSION, "messages": NEEDED["messages"], "max_tokens": integer(0)}, OPTIONS)
COUNT = obj({"anthropic_version": VERSION, **NEEDED}, COUNTED)
BY_GOOGLE = (401, 403, 404, 429)
"""The statuses that are answered before Anthropic's model is asked."""


def answer(request: Request, model: str, base: str, plan: Plan, ledger: Ledger) -> Reply | Streamed:
    """One question to a model."""
    request_id = f"req_vrtx_{request.number:020d}"
    streamed = request.path.endswith(":streamRawPredict")
    try:
        body = json.loads(request.body)
        MESSAGES(body, ())
        if streamed != bool(body.get("stream")):
            return error_reply(400, "stream: must be true for streamRawPredict, and only there", request_id=request_id)
        name = base.partition("@")[0]
        check_fields(body, name, "2023-06-01")
        check_conversation(body["messages"], prefilled=check_prefill(body, name))
    except ValueError:
        return google_reply(400, "Invalid JSON payload received.")
    except Violation as violation:
        return error_reply(400, worded(violation), request_id=request_id)
    if not plan.failing(len(ledger.of_model(model))):
        plan = plan.healthy()
    failed = failure(plan, request_id)
    if failed is not None:
        return failed
    said, name = compose(plan, read_ask(body)), base.replace("@", "-")
    if not streamed or plan.plain:
        if plan.cut in ERRORS:
            return error_reply(529, request_id=request_id, plan=plan)
        return json_reply(200, message(said, name, request.number), {"request-id": request_id}, plan)
    headers = {"content-type": "text/event-stream; charset=utf-8", "request-id": request_id}
    return Streamed(headers, frames(said, name, request.number, plan), broken(), plan)


def count(request: Request, known: dict[str, Any]) -> Reply:
    """The tokens of a request; the model is in its body."""
    request_id = f"req_vrtx_{request.number:020d}"
    try:
        body = json.loads(request.body)
        COUNT(body, ())
        check_conversation(body["messages"])
    except ValueError:
        return google_reply(400, "Invalid JSON payload received.")
    except Violation as violation:
        return error_reply(400, worded(violation), request_id=request_id)
    if not any(body["model"].startswith(name) for name in known):
        return error_reply(404, f"model: {body['model']}", request_id=request_id)
    return json_reply(200, {"input_tokens": compose(Plan(), read_ask(body)).input_tokens})


def failure(plan: Plan, request_id: str) -> Reply | None:
    """The planned failure, in the words of whoever would say it."""
    foreign = foreign_reply(plan)
    if foreign is not None or plan.status is None:
        return foreign
    if plan.status in BY_GOOGLE:
        return google_reply(plan.status, details=planned_details(plan))
    return error_reply(plan.status, request_id=request_id, plan=plan)
