"""Every fault of the demo models ends in the right event or error, through the dialect that all such servers share."""

import asyncio

import pytest

from providers_app.providers.demo.streaming import BEHAVIOUR
from providers_app.types.events import Event, StreamEnd, StreamFailed, TextDelta, UsageReport
from tests.unit.demo.demo_chat import answer, body, events, request, text_of

ERRORS = {
    400: "upstream_bad_request",
    401: "upstream_authentication",
    402: "upstream_billing",
    403: "upstream_permission",
    404: "unknown_model",
    408: "upstream_request_timeout",
    409: "upstream_conflict",
    413: "upstream_request_too_large",
    429: "upstream_rate_limit",
    500: "upstream_server_error",
    529: "upstream_overloaded",
}


@pytest.mark.parametrize(("status", "code"), ERRORS.items())
async def test_an_error_status_becomes_its_typed_error(status: int, code: str) -> None:
    refused = await answer(request(f"demo-error-{status}"))
    assert refused.status == status
    error = BEHAVIOUR.dialect.error(status, refused.headers, b"".join([data async for data in refused.chunks]))
    assert (error.code, error.status) == (code, status)


@pytest.mark.parametrize("status", [429, 503, 529])
async def test_a_refusal_that_passes_says_when(status: int) -> None:
    refused = await answer(request(f"demo-error-{status}"))
    error = BEHAVIOUR.dialect.error(status, refused.headers, b"".join([data async for data in refused.chunks]))
    assert error.retry_after == 3.0


async def test_an_html_page_is_no_answer_and_is_not_quoted() -> None:
    refused = await answer(request("demo-html-502"))
    assert refused.headers["content-type"].startswith("text/html")
    error = BEHAVIOUR.dialect.error(502, refused.headers, b"".join([data async for data in refused.chunks]))
    assert "<html" not in error.message


async def failed(model: str) -> tuple[StreamFailed, str]:
    found = await events(request(model))
    assert isinstance(found[-1], StreamFailed)
    assert sum(isinstance(event, StreamEnd | StreamFailed) for event in found) == 1
    return found[-1], text_of(found)


async def test_an_error_in_the_middle_keeps_the_first_half() -> None:
    end, text = await failed("demo-instant-midstream-error")
    assert end.finish_reason == "error"
    assert text.startswith("Hello!")


@pytest.mark.parametrize("fault", ["truncated", "bad-json"])
async def test_a_cut_answer_is_never_a_clean_end(fault: str) -> None:
    end, text = await failed(f"demo-instant-{fault}")
    assert end.finish_reason in ("incomplete", "error")
    assert text.startswith("Hello!")


async def test_an_empty_body_is_no_answer() -> None:
    end, text = await failed("demo-empty-200")
    assert text == ""
    assert end.error.code


async def test_a_reset_comes_after_the_first_half() -> None:
    received = b""
    with pytest.raises(ConnectionResetError):
        async for data in (await answer(request("demo-instant-reset"))).chunks:
            received += data
    assert b"Hello" in received


async def test_an_unreachable_server_refuses_before_any_answer() -> None:
    with pytest.raises(ConnectionRefusedError):
        await answer(request("demo-unreachable"))


@pytest.mark.parametrize("model", ["demo-instant-silence", "demo-instant-hang"])
async def test_silence_lasts_and_can_be_cancelled(model: str) -> None:
    task = asyncio.create_task(body(request(model)))
    done, _ = await asyncio.wait({task}, timeout=0.1)
    assert not done
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_closing_the_answer_early_ends_its_generator() -> None:
    chunks = (await answer(request("demo-instant"))).chunks
    await anext(chunks)
    await chunks.aclose()  # type: ignore[attr-defined]
    with pytest.raises(StopAsyncIteration):
        await anext(chunks)


@pytest.mark.parametrize(
    "quirk", ["one-byte", "crlf", "json-200", "no-done", "keepalive-comments", "usage-every-chunk"]
)
async def test_a_quirk_changes_the_bytes_and_not_the_answer(quirk: str) -> None:
    plain = await events(request("demo-instant"))
    odd = await events(request(f"demo-instant-{quirk}"))
    assert text_of(odd) == text_of(plain)
    assert isinstance(odd[-1], StreamEnd)
    assert odd[-1].finish_reason == "stop"
    assert await body(request("demo-instant")) != await body(request(f"demo-instant-{quirk}"))


async def test_usage_is_missing_only_where_the_name_says_so() -> None:
    def reports(found: list[Event]) -> int:
        return sum(isinstance(event, UsageReport) for event in found)

    assert reports(await events(request("demo-instant-no-usage"))) == 0
    assert reports(await events(request("demo-instant"))) == 1


@pytest.mark.parametrize(
    ("model", "reason"), [("demo-instant-length", "length"), ("demo-instant-content-filter", "content_filter")]
)
async def test_endings_other_than_stop(model: str, reason: str) -> None:
    found = await events(request(model))
    assert isinstance(found[-1], StreamEnd)
    assert found[-1].finish_reason == reason
    assert any(isinstance(event, TextDelta) for event in found)


async def test_an_unknown_finish_reason_ends_the_answer_and_is_kept() -> None:
    found = await events(request("demo-instant-unknown-finish"))
    assert isinstance(found[-1], StreamEnd)
    assert found[-1].finish_reason_raw == "curtain_fell"


async def test_too_much_context_is_refused_as_such() -> None:
    refused = await answer(request("demo-small-window", "word " * 4000))
    error = BEHAVIOUR.dialect.error(400, refused.headers, b"".join([data async for data in refused.chunks]))
    assert refused.status == 400
    assert "context" in error.message
