"""Every error class of the API-key providers, before an answer and in its middle."""

import pytest

from providers_app import errors, provider
from providers_app.types.events import StreamFailed
from tests.vendors.script import expected_text
from tests.wire.vendors.connected import WEATHER, Vendor, calls_of, text_of

EXPECTED = expected_text("Hello there.")
HALF = EXPECTED[: len(EXPECTED) // 3]


ERRORS = {
    400: errors.BadRequest,
    401: errors.AuthenticationFailed,
    403: errors.PermissionDenied,
    404: errors.NotFound,
    408: errors.RequestTimeout,
    409: errors.Conflict,
    413: errors.RequestTooLarge,
    429: errors.RateLimited,
    500: errors.ServerError,
    503: errors.UpstreamError,
    504: errors.UpstreamError,
    529: errors.Overloaded,
}


@pytest.mark.parametrize(("status", "kind"), ERRORS.items())
async def test_an_error_status_is_its_typed_error(
    vendor: Vendor, status: int, kind: type[errors.UpstreamError]
) -> None:
    with pytest.raises(kind) as caught:
        await vendor.stream(f"status-{status}")
    error = caught.value
    assert error.status == status
    assert error.message
    assert (error.retry is errors.Retry.NEVER) == (status in (400, 401, 403, 404, 413))
    with pytest.raises(kind):
        await provider.complete_chat(vendor.slug, "main", "Hello", model=f"{vendor.model}-status-{status}")


@pytest.mark.parametrize(("form", "wait"), [("retry-after-3", 3.0), ("retry-after-ms-1500", 1.5)])
async def test_the_waiting_time_of_a_rate_limit_is_known(vendor: Vendor, form: str, wait: float) -> None:
    with pytest.raises(errors.RateLimited) as caught:
        await vendor.stream(f"status-429-{form}")
    assert caught.value.retry_after == pytest.approx(wait)
    assert caught.value.retry is errors.Retry.AFTER_WAIT


@pytest.mark.parametrize("vendor", ["anthropic", "openai", "remote"], indirect=True)
async def test_a_waiting_time_may_be_a_date(vendor: Vendor) -> None:
    with pytest.raises(errors.RateLimited) as caught:
        await vendor.stream("status-429-retry-after-date-30")
    assert caught.value.retry_after == pytest.approx(30, abs=3)


async def test_a_used_up_quota_is_not_worth_waiting_for(vendor: Vendor) -> None:
    with pytest.raises(errors.QuotaExhausted) as caught:
        await vendor.stream("status-429-quota")
    assert caught.value.retry is errors.Retry.NEVER


async def test_an_unknown_model_is_named_as_such(vendor: Vendor) -> None:
    with pytest.raises(errors.UnknownModel):
        await vendor.stream("mystery")


@pytest.mark.parametrize("fault", ["html-502", "empty-500", "html-503"])
async def test_a_gateways_page_or_nothing_is_an_upstream_error(vendor: Vendor, fault: str) -> None:
    with pytest.raises(errors.UpstreamError) as caught:
        await vendor.stream(fault)
    assert caught.value.status == int(fault[-3:])
    assert "<" not in caught.value.message


@pytest.mark.parametrize("fault", ["html-200", "empty-200"])
async def test_a_success_that_is_no_answer_is_never_a_clean_end(vendor: Vendor, fault: str) -> None:
    with pytest.raises((errors.BadAnswer, errors.StreamInterrupted)):
        await vendor.stream(fault)


@pytest.mark.parametrize("fault", ["midstream-error", "truncate", "truncate-clean", "reset"])
async def test_a_break_in_the_middle_keeps_the_text_and_says_so(vendor: Vendor, fault: str) -> None:
    events = await vendor.stream(fault)
    end = events[-1]
    assert isinstance(end, StreamFailed)
    text = text_of(events)
    assert text.startswith(HALF)
    assert EXPECTED.startswith(text) and text != EXPECTED
    expected = {"midstream-error": ("error", None)}.get(fault, ("incomplete", "stream_interrupted"))
    assert end.finish_reason == expected[0]
    if expected[1]:
        assert end.error.code == expected[1]
    else:
        assert end.error.code in ("upstream_overloaded", "upstream_server_error")
        assert end.error.message
    assert isinstance(await vendor.outcome(), errors.UpstreamError)


@pytest.mark.parametrize(
    ("vendor", "form", "code"),
    [
        ("openai", "flat", "upstream_server_error"),
        ("openai", "failed", "upstream_server_error"),
        ("remote", "choice", "upstream_server_error"),
        ("remote", "empty", "stream_interrupted"),
        ("gemini", "data", "upstream_overloaded"),
    ],
    indirect=["vendor"],
)
async def test_other_forms_of_an_error_in_the_middle(vendor: Vendor, form: str, code: str) -> None:
    events = await vendor.stream(f"midstream-error-{form}")
    assert sum(isinstance(event, StreamFailed) for event in events) == 1
    assert isinstance(events[-1], StreamFailed)
    assert events[-1].error.code == code
    assert text_of(events).startswith(HALF)


async def test_a_cut_tool_call_is_not_handed_out(vendor: Vendor) -> None:
    events = await vendor.stream("tools-truncate-clean", tools=[WEATHER])
    assert isinstance(events[-1], StreamFailed)
    assert len(calls_of(events)) < 2
