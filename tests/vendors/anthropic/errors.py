"""Anthropic's error bodies."""

from typing import Any

from tests.vendors.asgi import Reply
from tests.vendors.plan import Plan
from tests.vendors.replies import json_reply, retry_headers
from tests.vendors.shapes import Violation, dots, listed

TYPES = {
    400: ("invalid_request_error", "The request is invalid."),
    401: ("authentication_error", "invalid x-api-key"),
    402: ("billing_error", "Your credit balance is too low to access the Anthropic API."),
    403: ("permission_error", "Your API key does not have permission to use the specified resource."),
    404: ("not_found_error", "The requested resource could not be found."),
    408: ("timeout_error", "Request timed out."),
    409: ("conflict_error", "The request conflicts with another one."),
    413: ("request_too_large", "Request exceeds the maximum size"),
    429: ("rate_limit_error", "This request would exceed your organization's rate limit of 50 requests per minute."),
    500: ("api_error", "Internal server error"),
    503: ("api_error", "Service temporarily unavailable"),
    504: ("timeout_error", "The request took too long to process."),
    529: ("overloaded_error", "Overloaded"),
}


def error_body(
    status: int, message: str | None = None, request_id: str = "req_test", quota: bool = False
) -> dict[str, Any]:
    """The JSON of an error with this status."""
    kind, default = TYPES.get(status, ("invalid_request_error" if status < 500 else "api_error", "Request failed."))
    error: dict[str, Any] = {"type": kind, "message": message or default}
    if quota:
        error["message"] = "You have reached your specified API usage limits."
        error["details"] = {"error_code": "enforced_spend_limit_reached"}
    return {"type": "error", "error": error, "request_id": request_id}


def error_reply(status: int, message: str | None = None, *, request_id: str, plan: Plan | None = None) -> Reply:
    """The answer with this error and the headers that come with it."""
    plan = plan or Plan()
    retryable = status in (408, 409, 429) or status >= 500
    headers = {
        "request-id": request_id,
        "x-should-retry": "true" if retryable and not plan.quota else "false",
        **retry_headers(plan),
    }
    if status == 429:
        headers |= {
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "0",
            "anthropic-ratelimit-requests-reset": "2026-11-20T12:00:00Z",
        }
    return json_reply(status, error_body(status, message, request_id, plan.quota), headers)


def worded(violation: Violation) -> str:
    """The message for a violation."""
    facts = violation.facts
    where = dots(violation.path)
    match violation.kind:
        case "missing":
            said = "Field required"
        case "unknown":
            said = "Extra inputs are not permitted"
        case "type":
            said = f"Input should be {facts['expected']}".replace("a string", "a valid string").replace(
                "an int", "a valid int"
            )
        case "value":
            said = f"Input should be {listed(facts['values'])}"
        case "short":
            said = f"List should have at least {facts['limit']} item after validation, not {facts['got']}"
        case "long":
            said = f"String should have at most {facts['limit']} characters"
        case "pattern":
            said = f"String should match pattern '{facts['pattern']}'"
        case "low":
            said = f"Input should be greater than or equal to {facts['limit']}"
        case "high":
            said = f"Input should be less than or equal to {facts['limit']}"
        case _:
            said = facts["detail"]
    return f"{where}: {said}" if where else said
