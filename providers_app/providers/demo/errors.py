"""Error bodies in the shape of Chat Completions."""

import msgspec

from providers_app.errors import Overloaded, RateLimited
from providers_app.providers.demo.knobs import Knobs
from providers_app.wire.status import class_of_status

# status: (type, code, message)
KINDS: dict[int, tuple[str, str | None, str]] = {
    400: ("invalid_request_error", "invalid_value", "The demo model refuses this request, as its name says."),
    401: ("invalid_request_error", "invalid_api_key", "The demo model refuses the key, as its name says."),
    402: ("billing_error", "billing_required", "The demo model asks for payment, as its name says."),
    403: ("permission_error", "permission_denied", "The demo model may not be used, as its name says."),
    404: ("invalid_request_error", "model_not_found", "The demo model is not there, as its name says."),
    408: ("timeout_error", "request_timeout", "The demo model took too long, as its name says."),
    409: ("conflict_error", "conflict", "Another request is in the way, as the model's name says."),
    413: ("invalid_request_error", "request_too_large", "The request is too large, as the model's name says."),
    429: ("rate_limit_error", "rate_limit_exceeded", "Too many requests, as the model's name says."),
    500: ("server_error", None, "The demo model failed, as its name says."),
    503: ("server_error", "service_unavailable", "There is no capacity, as the model's name says."),
    529: ("overloaded_error", "overloaded", "The demo model is overloaded, as its name says."),
}
WAITING = (RateLimited, Overloaded)
"""What the demo names a time for, as real servers do."""

PAGE = (
    b"<!doctype html>\n<html><head><title>502 Bad Gateway</title></head>\n"
    b"<body><h1>502 Bad Gateway</h1><p>The demo gateway could not reach the demo model.</p></body></html>\n"
)


def body(message: str, kind: str, code: str | None, param: str | None = None) -> bytes:
    """The JSON of one error."""
    return msgspec.json.encode({"error": {"message": message, "type": kind, "param": param, "code": code}})


def planned(knobs: Knobs, retry_after_s: int) -> tuple[int, dict[str, str], bytes] | None:
    """Status, headers and body of the refusal that the model's name asks for, else ``None``."""
    if knobs.status is None:
        return None
    headers = {"x-request-id": "req_demo"}
    if issubclass(class_of_status(knobs.status), WAITING):
        headers["retry-after"] = str(retry_after_s)
    if knobs.body == "html":
        return knobs.status, {**headers, "content-type": "text/html; charset=utf-8"}, PAGE
    if knobs.body == "empty":
        return knobs.status, {**headers, "content-type": "text/event-stream"}, b""
    kind, code, message = KINDS.get(knobs.status, ("server_error", None, "The demo model failed, as its name says."))
    return knobs.status, {**headers, "content-type": "application/json"}, body(message, kind, code)
