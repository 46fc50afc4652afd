"""Google's error bodies: ``google.rpc.Status`` as JSON, the waiting time inside it."""

import json
from typing import Any

from tests.vendors.asgi import Reply
from tests.vendors.plan import Plan
from tests.vendors.shapes import Violation, brackets, listed

STATUS = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    408: ("DEADLINE_EXCEEDED", "The request timed out."),
    409: ("ABORTED", "The operation was aborted."),
    413: ("INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details."),
    500: ("INTERNAL", "An internal error has occurred. Please retry."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}
RPC = "type.googleapis.com/google.rpc."


def error_body(status: int, message: str | None = None, details: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """The JSON of an error with this HTTP status."""
    name, default = STATUS.get(status, ("UNAVAILABLE" if status >= 500 else "INVALID_ARGUMENT", "Request failed."))
    error: dict[str, Any] = {"code": status, "message": message or default, "status": name}
    if details:
        error["details"] = details
    return {"error": error}


def error_reply(
    status: int, message: str | None = None, details: list[dict[str, Any]] | None = None, *, streamed: str = ""
) -> Reply:
    """``streamed``: empty for a plain call; ``sse`` keeps the object but not its type; ``array`` wraps it in a list."""
    payload: Any = error_body(status, message, details)
    if streamed == "array":
        payload = [payload]
    kind = "text/event-stream" if streamed == "sse" else "application/json; charset=UTF-8"
    return Reply(
        status, {"content-type": kind, "server-timing": "gfet4t7; dur=7"}, json.dumps(payload, indent=2).encode()
    )


def planned_details(plan: Plan) -> list[dict[str, Any]]:
    """Quota and waiting time of a planned failure."""
    details: list[dict[str, Any]] = []
    if plan.status == 429:
        period = "PerDay" if plan.quota else "PerMinute"
        violation = {
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": f"GenerateRequests{period}PerProjectPerModel-FreeTier",
            "quotaValue": "50",
        }
        details.append({"@type": RPC + "QuotaFailure", "violations": [violation]})
    if plan.retry_after is not None:
        seconds = plan.retry_after / 1000 if plan.retry_form == "retry-after-ms" else plan.retry_after
        details.append({"@type": RPC + "RetryInfo", "retryDelay": f"{seconds:g}s"})
    return details


def key_details() -> list[dict[str, Any]]:
    """What comes with a key that is no key."""
    return [
        {
            "@type": RPC + "ErrorInfo",
            "reason": "API_KEY_INVALID",
            "domain": "googleapis.com",
            "metadata": {"service": "generativelanguage.googleapis.com"},
        }
    ]


def worded(violation: Violation) -> tuple[str, list[dict[str, Any]]]:
    """Message and details of a violation."""
    facts, where = violation.facts, brackets(violation.path)
    match violation.kind:
        case "unknown":
            holder = brackets(violation.path[:-1])
            place = f" at '{holder}'" if holder else ""
            said = f'Invalid JSON payload received. Unknown name "{violation.path[-1]}"{place}: Cannot find field.'
        case "type":
            said = f"Invalid value at '{where}': expected {facts['expected']}, got {facts['got']}"
        case "value":
            said = f"Invalid value at '{where}', \"{facts['got']}\"; known are {listed(facts['values'])}"
        case "missing":
            said = f"* {where}: is not specified"
        case "rule":
            said = facts["detail"]
        case _:
            said = f"* {where}: the value is out of range or malformed"
    violations = [{"field": where, "description": said}]
    return said, [{"@type": RPC + "BadRequest", "fieldViolations": violations}]
