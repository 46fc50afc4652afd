"""OpenAI's error bodies, which its compatible servers share."""

import json
from collections.abc import Callable
from typing import Any

from tests.vendors.asgi import Reply, Request
from tests.vendors.plan import Plan
from tests.vendors.replies import foreign_reply, json_reply, retry_headers
from tests.vendors.shapes import Check, Violation, brackets, listed

KINDS = {
    400: ("invalid_request_error", "invalid_value", "The request is invalid."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: (
        "invalid_request_error",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    404: ("invalid_request_error", "not_found", "The requested resource was not found."),
    408: ("server_error", "timeout", "Request timed out."),
    409: ("invalid_request_error", "conflict", "The resource was updated by another request."),
    413: ("invalid_request_error", "payload_too_large", "Request body is too large."),
    429: (
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for requests per min (RPM): Limit 3, Used 3, Requested 1.",
    ),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    503: ("server_error", "server_overloaded", "The engine is currently overloaded, please try again later"),
    504: ("server_error", "timeout", "The upstream model timed out."),
}
QUOTA = (
    "insufficient_quota",
    "insufficient_quota",
    "You exceeded your current quota, please check your plan and billing.",
)


class Refused(Exception):
    """A request that is answered with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def error_reply(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    """All four keys are always there."""
    error = {"message": message, "type": kind, "param": param, "code": code}
    return json_reply(status, {"error": error}, headers)


def planned_error(plan: Plan) -> tuple[str, str | None, str]:
    """Type, code and message of the error that the plan asks for."""
    assert plan.status is not None
    if plan.quota:
        return QUOTA
    return KINDS.get(plan.status, ("server_error", None, "The server had an error."))


def failed(plan: Plan, headers: dict[str, str]) -> Reply | None:
    """The planned failure, else ``None``."""
    foreign = foreign_reply(plan)
    if foreign is not None or plan.status is None:
        return foreign
    kind, code, message = planned_error(plan)
    extra = {**headers, **retry_headers(plan)}
    if plan.status == 429 and plan.retry_form != "retry-after-ms":  # a wait that short is none of a limit a minute
        extra |= {
            "x-ratelimit-limit-requests": "3",
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "6m0s",
        }
    return error_reply(plan.status, message, kind=kind, code=code, headers=extra)


def key_error(state: str, headers: dict[str, str]) -> Reply | None:
    """The answer to a key that is missing or wrong."""
    if state == "missing":
        said = "You didn't provide an API key. Send it in an Authorization header using Bearer auth."
        return error_reply(401, said, headers=headers)
    if state == "wrong":
        return error_reply(401, "Incorrect API key provided: sk-wr***ong.", code="invalid_api_key", headers=headers)
    return None


def unknown_model(model: str, headers: dict[str, str]) -> Reply:
    """The 404 for a model that this key cannot see."""
    said = f"The model `{model}` does not exist or you do not have access to it."
    return error_reply(404, said, param=None, code="model_not_found", headers=headers)


def parse_checked(request: Request, check: Check, headers: dict[str, str]) -> dict[str, Any]:
    """The JSON body when it has the shape. Raises ``Refused``."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        said = "Unsupported content type. Send the request with Content-Type: application/json."
        raise Refused(error_reply(415, said, code="unsupported_content_type", headers=headers))
    try:
        body = json.loads(request.body)
    except ValueError:
        raise Refused(error_reply(400, "We could not parse the JSON body of your request.", headers=headers)) from None
    held(lambda: check(body, ()), headers)
    assert isinstance(body, dict)
    return body


def held(run: Callable[[], None], headers: dict[str, str]) -> None:
    """Run checks; a violation becomes ``Refused``."""
    try:
        run()
    except Violation as violation:
        message, code = worded(violation)
        param = violation.facts.get("param") or brackets(violation.path) or None
        raise Refused(error_reply(400, message, param=param, code=code, headers=headers)) from None


def worded(violation: Violation) -> tuple[str, str | None]:
    """Message and code of a violation."""
    facts, where = violation.facts, brackets(violation.path)
    match violation.kind:
        case "missing":
            return f"Missing required parameter: '{where}'.", "missing_required_parameter"
        case "unknown":
            return f"Unknown parameter: '{where}'.", "unknown_parameter"
        case "type":
            said = f"expected {facts['expected']}, but got {facts['got']} instead."
            return f"Invalid type for '{where}': {said}", "invalid_type"
        case "value":
            return f"Invalid value: '{facts['got']}'. Supported values are: {listed(facts['values'])}.", "invalid_value"
        case "short":
            said = f"too short. Expected a minimum length {facts['limit']}, but got {facts['got']} instead."
            return f"Invalid '{where}': {said}", "empty_array"
        case "long":
            said = (
                f"Expected a string with maximum length {facts['limit']}, but got a string with length {facts['got']}"
            )
            return f"Invalid '{where}': string too long. {said} instead.", "string_above_max_length"
        case "pattern":
            said = f"Expected a string that matches the pattern '{facts['pattern']}'."
            return f"Invalid '{where}': string does not match pattern. {said}", "invalid_value"
        case "low":
            said = f"Expected a value >= {facts['limit']}, but got {facts['got']} instead."
            return f"Invalid '{where}': integer below minimum value. {said}", "integer_below_min_value"
        case "high":
            said = f"Expected a value <= {facts['limit']}, but got {facts['got']} instead."
            return f"Invalid '{where}': decimal above maximum value. {said}", "decimal_above_max_value"
    return facts["detail"], facts.get("code")
