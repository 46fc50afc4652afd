"""The two doors for bytes, ``parse_stream`` and ``parse_response``, with input that is no answer."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from providers_app import dialects, streaming
from providers_app.errors import InvalidRequest
from providers_app.types.events import Event, ReasoningDelta, StreamEnd, StreamStart, TextDelta, ToolCall, Usage

ALL = sorted(dialects.NAMES)
WHOLE = b'{"id":"1","model":"m","choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}'


async def stream_of(*parts: Any) -> AsyncIterator[Any]:
    for part in parts:
        yield part


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("given", ["{}", None, 5, [b"{}"]], ids=repr)
async def test_what_is_no_bytes_is_an_invalid_request(dialect: str, given: Any) -> None:
    with pytest.raises(InvalidRequest):
        streaming.parse_response("remote", given, dialect=dialect)
    with pytest.raises(InvalidRequest):
        await streaming.collect(streaming.parse_stream("remote", stream_of(given), dialect=dialect))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_every_kind_of_bytes_is_read(kind: Any) -> None:
    assert streaming.parse_response("remote", kind(WHOLE)).text == "hi"
    halves = stream_of(kind(WHOLE[:30]), kind(b""), kind(WHOLE[30:]))
    assert (await streaming.collect(streaming.parse_stream("remote", halves))).complete


@pytest.mark.parametrize("status", [None, "200", True, 0, 99, 1000, -1])
def test_what_is_no_status_is_an_invalid_request(status: Any) -> None:
    with pytest.raises(InvalidRequest):
        streaming.parse_response("remote", WHOLE, status)


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("status", [100, 301, 302, 304, 399])
@pytest.mark.parametrize("body", [b"", b"<html>Moved</html>", WHOLE])
def test_an_answer_that_is_no_success_is_never_complete(dialect: str, status: int, body: bytes) -> None:
    result = streaming.parse_response("remote", body, status, dialect=dialect)
    assert not result.complete
    assert result.error is not None
    assert (result.error.code, result.error.status) == ("upstream_bad_answer", status)


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize(
    "body",
    [b"", b"\n\n", b"null", b"true", b"5", b"[]", b"{}", b'""', b"<html>", b"data: [DONE]\n\n", b'{"choices":[]}'],
)
def test_a_body_without_an_answer_is_never_complete(dialect: str, body: bytes) -> None:
    result = streaming.parse_response("remote", body, dialect=dialect)
    assert not result.complete
    assert result.error is not None
    assert result.finish_reason in ("error", "incomplete")


@pytest.mark.parametrize("dialect", ALL)
@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"a":' * 100_000, b"data: " + b"[" * 100_000 + b"\n\n"])
def test_deep_nesting_breaks_nothing(dialect: str, body: bytes) -> None:
    assert not streaming.parse_response("remote", body, dialect=dialect).complete
    assert streaming.parse_response("remote", body, 500, dialect=dialect).error is not None


def test_a_response_that_is_still_under_way_was_not_cancelled_by_anybody() -> None:
    body = b'{"object":"response","status":"in_progress","output":[]}'
    result = streaming.parse_response("openai", body)
    assert result.error is not None
    assert (result.error.code, result.finish_reason) == ("stream_interrupted", "incomplete")


def test_negative_counts_are_no_counts() -> None:
    body = WHOLE[:-1] + b',"usage":{"prompt_tokens":-1,"completion_tokens":3,"total_tokens":2}}'
    usage = streaming.parse_response("remote", body).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (None, 3)


def test_encoded_events_carry_only_what_they_say_and_come_back_the_same() -> None:
    call = ToolCall(0, "call_1", "f", {})
    events = [StreamStart(), TextDelta("hi"), ReasoningDelta(opaque={"signature": "s"}), call, StreamEnd("stop")]
    data = msgspec.json.encode(events)
    assert data.count(b"null") == data.count(b'"purpose":null') == 1, "an intent says that it has no purpose"
    assert b'{"type":"text_delta","text":"hi"}' in data
    assert msgspec.json.decode(data, type=list[Event]) == events
    assert "input_tokens" in streaming.ChatResult(usage=Usage()).to_dict()["usage"], "results keep all their names"
