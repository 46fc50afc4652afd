"""What ChatGPT logins are refused with: both shapes, and the words of plans and limits, inside and outside a stream."""

import json
import time
from typing import Any

import pytest

from providers_app import errors
from providers_app.dialects.openai_responses import DIALECT
from providers_app.types.events import StreamFailed

STATUS: tuple[tuple[int, Any, type[errors.UpstreamError]], ...] = (
    (400, {"detail": "Unsupported parameter: max_output_tokens"}, errors.BadRequest),
    (400, {"detail": "Store must be set to false"}, errors.BadRequest),
    (401, {"detail": {"error_code": "invalid_token"}}, errors.AuthenticationFailed),
    (
        401,
        {"error": {"message": "ended", "type": "invalid_request_error", "code": "token_expired"}},
        errors.AuthenticationFailed,
    ),
    (401, {"error": {"code": "subscription_sharing_invalid_user"}}, errors.AuthenticationFailed),
    (429, {"error": {"type": "usage_limit_reached", "message": "limit"}}, errors.RateLimited),
    (429, {"error": {"type": "usage_not_included", "message": "no"}}, errors.PermissionDenied),
    (429, {"error": {"code": "subscription_sharing_usage_limit_exceeded"}}, errors.QuotaExhausted),
    (429, {"error": {"code": "rate_limit_exceeded"}}, errors.RateLimited),
    (403, {"error": {"code": "subscription_sharing_user_not_eligible"}}, errors.PermissionDenied),
    (403, {"error": {"code": "subscription_sharing_route_not_supported"}}, errors.BadRequest),
    (403, {"error": {"code": "chatpass_v2_scope_not_authorized"}}, errors.PermissionDenied),
    (400, {"error": {"code": "subscription_sharing_unsupported_capability", "param": "tools"}}, errors.BadRequest),
    (503, {"error": {"code": "subscription_sharing_usage_unavailable"}}, errors.Overloaded),
    (503, {"error": {"code": "server_is_overloaded"}}, errors.Overloaded),
    (400, {"error": {"code": "cyber_policy", "message": "no"}}, errors.ContentRefused),
)


@pytest.mark.parametrize(
    ("status", "body", "kind"), STATUS, ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else None
)
def test_an_error_answer_has_its_type(status: int, body: Any, kind: type[errors.UpstreamError]) -> None:
    error = DIALECT.error(status, {}, json.dumps(body).encode())
    assert type(error) is kind
    assert error.status == status and error.message


def test_the_words_of_both_shapes_are_kept() -> None:
    told = DIALECT.error(400, {}, b'{"detail": "Instructions are required"}')
    assert told.message == "Instructions are required"
    coded = DIALECT.error(401, {}, b'{"detail": {"error_code": "invalid_token", "message": "Token ended."}}')
    assert (coded.upstream_code, coded.message) == ("invalid_token", "Token ended.")


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({"resets_in_seconds": 600}, 600.0),
        ({"resets_in_seconds": 600, "resets_at": 5}, 600.0),
        ({"resets_at": 900}, 900.0),
        ({"resets_at": -900}, 0.0),
        ({"resets_in_seconds": -1}, 0.0),
        ({"resets_at": "soon"}, None),
        ({"resets_in_seconds": True}, None),
        ({}, None),
    ],
    ids=repr,
)
def test_a_limit_of_the_plan_says_when_it_ends(fields: dict[str, Any], seconds: float | None) -> None:
    """``resets_at`` is given here in seconds from now, and sent as the server says it."""
    at = fields.get("resets_at")
    fields = {**fields, "resets_at": time.time() + at} if isinstance(at, int) else fields
    body = {"error": {"type": "usage_limit_reached", "message": "limit", "plan_type": "plus", **fields}}
    found = DIALECT.error(429, {}, json.dumps(body).encode()).retry_after
    assert found == (None if seconds is None else pytest.approx(seconds, abs=60))
    assert DIALECT.error(429, {"retry-after": "7"}, json.dumps(body).encode()).retry_after == 7


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("subscription_sharing_usage_limit_exceeded", errors.QuotaExhausted),
        ("usage_limit_reached", errors.RateLimited),
        ("usage_not_included", errors.PermissionDenied),
        ("subscription_sharing_usage_unavailable", errors.Overloaded),
        ("server_is_overloaded", errors.Overloaded),
        ("token_expired", errors.AuthenticationFailed),
    ],
)
def test_the_same_words_inside_a_stream(code: str, kind: type[errors.UpstreamError]) -> None:
    failed = {"type": "response.failed", "response": {"status": "failed", "error": {"code": code, "message": "no"}}}
    (event,) = [event for event in read(failed) if isinstance(event, StreamFailed)]
    assert event.error.code == kind.code


def read(*payloads: dict[str, Any]) -> list[Any]:
    reducer = DIALECT.reducer()
    data = b"".join(b"data: " + json.dumps(payload).encode() + b"\n\n" for payload in payloads)
    return [*reducer.feed(data), *reducer.close()]
