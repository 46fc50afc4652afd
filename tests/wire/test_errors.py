"""Error answers become typed errors: the status first, the provider's words second, whatever the body is."""

import email.utils
import json
import time
from typing import Any

import pytest

from providers_app import dialects, errors, streaming
from providers_app.types.dialect import Dialect
from providers_app.wire.error_body import fields_of, plain_text
from providers_app.wire.status import retry_after

ALL = [dialects.by_name(name) for name in dialects.NAMES]
NAMES = list(dialects.NAMES)
BY_STATUS = {
    400: errors.BadRequest,
    401: errors.AuthenticationFailed,
    402: errors.BillingRequired,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    405: errors.BadRequest,
    408: errors.RequestTimeout,
    409: errors.Conflict,
    413: errors.RequestTooLarge,
    422: errors.BadRequest,
    429: errors.RateLimited,
    500: errors.ServerError,
    502: errors.ServerError,
    503: errors.Overloaded,
    504: errors.UpstreamTimeout,
    524: errors.ServerError,
    529: errors.Overloaded,
}
BODIES = {
    b"": "The provider answered with status {status} and said nothing.",
    b"<html><head><title>Bad\n Gateway</title><style>a{}</style></head><body>nginx</body></html>": "Bad Gateway",
    b"<p>no <b>title</b></p><script>alert(1)</script>": "no title",
    b"upstream connect error": "upstream connect error",
    b'{"error":{"message":"M"}}': "M",
    b'{"error":"M"}': "M",
    b'{"message":"M"}': "M",
    b'{"detail":"M"}': "M",
    b'{"detail":[{"msg":"M","loc":["body"]}]}': "M",
    b'{"errors":[{"message":"M"}]}': "M",
    b'{"fault":{"faultstring":"M"}}': "M",
    b'{"title":"M","status":400}': "M",
    b'[{"error":{"message":"M"}}]': "M",
    b'data: {"error":{"message":"M"}}\n\n': "M",
    b'"M"': "M",
    b'{"error":{"message":"cut': '{"error":{"message":"cut',
    b"\xff\xfe": "��",
}


@pytest.mark.parametrize("dialect", ALL, ids=NAMES)
@pytest.mark.parametrize("status", BY_STATUS)
def test_the_status_decides_whatever_the_body_is(dialect: Dialect, status: int) -> None:
    for body, message in BODIES.items():
        error = dialect.error(status, {"X-Request-Id": "r-1"}, body)
        assert type(error) is BY_STATUS[status], body
        assert error.message == message.replace("{status}", str(status))
        assert (error.status, error.request_id) == (status, "r-1")


def openai(code: str | None = None, type: str | None = None, **more: Any) -> bytes:
    return json.dumps({"error": {"message": "M", "type": type, "code": code, "param": None, **more}}).encode()


def gemini(status: str, *details: dict[str, Any]) -> bytes:
    return json.dumps({"error": {"code": 1, "message": "M", "status": status, "details": list(details)}}).encode()


@pytest.mark.parametrize(
    ("dialect", "status", "body", "kind"),
    [
        ("openai_chat", 429, openai("insufficient_quota"), errors.QuotaExhausted),
        ("openai_chat", 429, openai("rate_limit_exceeded"), errors.RateLimited),
        ("openai_chat", 404, openai("model_not_found"), errors.UnknownModel),
        ("openai_responses", 400, openai("model_not_found"), errors.UnknownModel),
        ("openai_chat", 404, openai("DeploymentNotFound"), errors.UnknownModel),
        ("openai_chat", 404, openai(type="not_found_error"), errors.UnknownModel),
        ("openai_chat", 404, b'{"detail":"Not Found"}', errors.NotFound),
        ("openai_chat", 400, openai("content_filter"), errors.ContentRefused),
        ("openai_chat", 403, openai(metadata={"reasons": ["violence"]}), errors.ContentRefused),
        ("openai_chat", 400, openai("context_length_exceeded"), errors.PromptTooLong),
        ("openai_chat", 401, openai("invalid_request_error", "authentication_error"), errors.AuthenticationFailed),
        ("anthropic_messages", 404, b'{"type":"error","error":{"type":"not_found_error"}}', errors.UnknownModel),
        (
            "anthropic_messages",
            400,
            b'{"error":{"type":"invalid_request_error","details":{"error_code":"enforced_spend_limit_reached"}}}',
            errors.QuotaExhausted,
        ),
        (
            "gemini_generate",
            400,
            gemini("INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"}),
            errors.AuthenticationFailed,
        ),
        ("gemini_generate", 400, gemini("INVALID_ARGUMENT"), errors.BadRequest),
        ("gemini_generate", 404, gemini("NOT_FOUND"), errors.UnknownModel),
        ("gemini_generate", 404, b"<html>no such page</html>", errors.NotFound),
        (
            "gemini_generate",
            429,
            gemini("RESOURCE_EXHAUSTED", {"violations": [{"quotaId": "PerMinute", "quotaValue": "0"}]}),
            errors.QuotaExhausted,
        ),
        ("openai_chat", 500, openai("insufficient_quota"), errors.ServerError),
    ],
)
def test_words_refine_the_status(dialect: str, status: int, body: bytes, kind: type[errors.UpstreamError]) -> None:
    error = dialects.by_name(dialect).error(status, {}, body)
    assert type(error) is kind
    assert error.status == status


def test_the_providers_own_code_is_kept() -> None:
    error = dialects.by_name("openai_responses").error(
        400, {}, openai("context_length_exceeded", "invalid_request_error")
    )
    info = error.info()
    assert (info.upstream_code, info.type) == ("context_length_exceeded", "invalid_request_error")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": email.utils.formatdate(1030, usegmt=True)}, 30.0),
        ({"retry-after": email.utils.formatdate(10, usegmt=True)}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "0", "retry-after": "1"}, 1.0),
        ({"retry-after-ms": "0"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
    ],
)
def test_the_wait_is_read_from_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, now=1000.0) == seconds


def test_the_wait_of_gemini_is_in_the_body_and_a_header_beats_it() -> None:
    body = gemini("RESOURCE_EXHAUSTED", {"@type": "RetryInfo", "retryDelay": "46s"})
    dialect = dialects.by_name("gemini_generate")
    assert dialect.error(429, {}, body).retry_after == 46.0
    assert dialect.error(429, {"Retry-After": "3"}, body).retry_after == 3.0


def test_the_wrapped_cause_of_an_intermediary_is_shown() -> None:
    raw = json.dumps({"error": {"message": "upstream is busy"}})
    body = openai(metadata={"raw": raw, "provider_name": "P"})
    assert "upstream is busy" in dialects.by_name("openai_chat").error(502, {}, body).info().hint


@pytest.mark.parametrize(
    "key", ["sk-proj-abcdefghijklmnopqrstuvwx", "AIzaSyA0123456789abcdefghij", "xai-0123456789abcdefghijkl"]
)
def test_a_key_that_the_server_repeats_is_shown_nowhere(key: str) -> None:
    for body in (openai(None, metadata={"raw": f"bad {key}"}), f"bad key {key}".encode()):
        body = body.replace(b'"M"', json.dumps(f"Incorrect API key provided: {key}.").encode())
        error = dialects.by_name("openai_chat").error(401, {}, body)
        assert key not in f"{error} {error.info()} {error.body!r}"


@pytest.mark.parametrize("name", NAMES)
def test_an_error_object_in_a_200_fails_the_answer(name: str) -> None:
    for body in (b'{"error":{"message":"M","type":"t"}}', b'{"error":"M"}', b'{"detail":"M"}'):
        result = streaming.parse_response("remote", body, dialect=name)
        assert result.complete is False
        assert result.error is not None
        assert (result.error.message, result.error.status) == ("M", None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "body",
    [b"<html>login</html>", b"Internal Server Error\n", b'{"a":1}\n{"b":2}\n', b'{"models":[]}', b"data: {broken}\n\n"],
)
def test_a_body_that_is_no_answer_says_so(name: str, body: bytes) -> None:
    result = streaming.parse_response("remote", body, dialect=name)
    assert result.complete is False
    assert result.error is not None
    assert result.error.code == "upstream_bad_answer"


@pytest.mark.parametrize("delay", ["infs", "nans", "1e999s", "s", "xs", 5])
def test_a_delay_that_is_no_number_of_seconds_is_not_passed_on(delay: Any) -> None:
    body = json.dumps({"error": {"message": "M", "details": [{"retryDelay": delay}]}}).encode()
    assert dialects.by_name("gemini_generate").error(429, {}, body).retry_after is None


def test_a_date_without_a_zone_is_universal_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        assert retry_after({"retry-after": "Wed, 21 Oct 2037 07:28:00"}, now=2139722870.0) == 10.0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_a_server_says_is_bounded_and_storable() -> None:
    said = {"message": "m\0" * 1_000_000, "type": "t" * 1_000_000, "code": "c" * 1_000_000}
    error = dialects.by_name("openai_chat").error(400, {}, json.dumps({"error": said}).encode())
    assert "\0" not in error.message
    assert len(str(error.info())) < 6000


def test_causes_wrapped_in_causes_are_not_followed_for_ever() -> None:
    wrapped: dict[str, Any] = {"message": "the first"}
    for _ in range(5000):
        wrapped = {"error": {"message": "M", "metadata": {"raw": wrapped}}}
    fields = fields_of(wrapped)
    assert (fields.message, fields.detail) == ("M", "M")


@pytest.mark.parametrize("piece", [b"<head>", b"<title>", b"<", b"<style", b"sk-"])
def test_a_page_made_to_be_slow_to_read_is_not(piece: bytes) -> None:
    began = time.process_time()
    plain_text(piece * 200_000)
    assert time.process_time() - began < 1.0  # quadratic, it takes minutes
