"""What Anthropic's answers to access tokens mean (https://github.com/anthropics/claude-code/issues have the texts)."""

import json

import pytest

from providers_app import errors
from providers_app.dialects.anthropic_messages import DIALECT
from providers_app.errors import UpstreamError

CODE_ONLY = "This credential is only authorized for use with Claude Code and cannot be used for other API requests."
TABLE: list[tuple[int, str, str, type[UpstreamError], str]] = [
    (400, "invalid_request_error", CODE_ONLY, errors.PermissionDenied, "API key"),
    (400, "invalid_request_error", "max_tokens: Field required", errors.BadRequest, ""),
    (
        401,
        "authentication_error",
        "OAuth token has expired. Please obtain a new token or refresh your existing token.",
        errors.AuthenticationFailed,
        "Sign in again",
    ),
    (401, "authentication_error", "Invalid authentication credentials", errors.AuthenticationFailed, "Sign in again"),
    (401, "authentication_error", "Invalid bearer token", errors.AuthenticationFailed, "Sign in again"),
    (401, "authentication_error", "invalid x-api-key", errors.AuthenticationFailed, "Replace it"),
    (401, "authentication_error", "OAuth authentication is currently not supported.", errors.BadRequest, "OAUTH__BETA"),
    (
        401,
        "authentication_error",
        "OAuth authentication is currently not allowed for this organization.",
        errors.PermissionDenied,
        "API key",
    ),
    (
        403,
        "permission_error",
        "OAuth token has been revoked. Please obtain a new token.",
        errors.AuthenticationFailed,
        "Sign in again",
    ),
    (
        403,
        "permission_error",
        "OAuth token does not meet scope requirement user:profile",
        errors.PermissionDenied,
        "Sign in again",
    ),
    (403, "forbidden", "Request not allowed", errors.PermissionDenied, ""),
    (403, "permission_error", "Your API key may not.", errors.PermissionDenied, ""),
    # Only an answer with that status means it: a model may repeat the text.
    (500, "api_error", CODE_ONLY, errors.ServerError, ""),
    (404, "not_found_error", CODE_ONLY, errors.UnknownModel, ""),
]


@pytest.mark.parametrize(("status", "kind", "said", "expected", "hint"), TABLE)
def test_an_answer_is_what_its_text_says(
    status: int, kind: str, said: str, expected: type[UpstreamError], hint: str
) -> None:
    body = {"type": "error", "error": {"type": kind, "message": said}, "request_id": "req_1"}
    error = DIALECT.error(status, {"Request-Id": "req_2", "retry-after": "7"}, json.dumps(body).encode())
    assert type(error) is expected
    assert (error.message, error.status, error.type) == (said, status, kind)
    assert (error.request_id, error.retry_after) == ("req_2", 7.0)
    assert hint in error.hint
