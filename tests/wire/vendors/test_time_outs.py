"""The three time-outs of an answer, for all providers and for one; the tokens of answers that end uncounted."""

from typing import Any

import pytest

from providers_app import conf, errors, provider
from providers_app.streaming import fold
from providers_app.types.events import StreamFailed
from tests.wire.vendors.connected import Vendor
from tests.wire.vendors.signing_in import settings

QUESTION = "How do I put Stripe into FastAPI?"
ONLY = pytest.mark.parametrize("vendor", ["remote"], indirect=True)
ALL = {"first_byte_timeout_s": 0.2, "idle_timeout_s": 30.0, "total_timeout_s": None}


def limited(**seconds: float | None) -> Any:
    return conf.use(conf.current().model_copy(update={**ALL, **seconds}))


@ONLY
async def test_an_answer_that_does_not_begin(vendor: Vendor) -> None:
    with limited(), pytest.raises(errors.FirstByteTimeout, match=r"did not answer within 0\.2 s"):
        await vendor.stream("hang")
    with (
        limited(first_byte_timeout_s=None, idle_timeout_s=0.3),
        pytest.raises(errors.FirstByteTimeout, match=r"0\.3 s"),
    ):
        await vendor.stream("hang")


@ONLY
async def test_an_answer_that_goes_silent_keeps_its_text_and_has_estimated_tokens(vendor: Vendor) -> None:
    with limited(first_byte_timeout_s=None, idle_timeout_s=0.3):
        events = await vendor.stream("silence", QUESTION)
    found = fold(events)
    assert found.error is not None and (found.error.code, "0.3 s" in found.error.message) == ("idle_timeout", True)
    assert found.text and found.usage is not None and found.usage.source == "estimated"
    assert found.usage.output_tokens == -(-len(found.text.encode()) // 4) and found.usage.input_tokens


@ONLY
async def test_an_answer_that_takes_too_long_as_a_whole(vendor: Vendor) -> None:
    with limited(total_timeout_s=0.4):
        events = await vendor.stream("slow-20", QUESTION)
    found = fold(events)
    assert isinstance(events[-1], StreamFailed) and events[-1].error.code == "total_timeout"
    assert found.text and "0.4 s" in events[-1].error.message
    with limited(total_timeout_s=30):
        assert fold(await vendor.stream("slow-1", QUESTION)).complete


@ONLY
async def test_a_provider_has_its_own(vendor: Vendor) -> None:
    await vendor.connect()
    with settings("remote", total_timeout_s=0.3, first_byte_timeout_s=0.2):
        events = await vendor.stream("slow-20", QUESTION)
        assert isinstance(events[-1], StreamFailed) and events[-1].error.code == "total_timeout"
        with pytest.raises(errors.FirstByteTimeout, match=r"0\.2 s"):
            await vendor.stream("hang")


@pytest.mark.parametrize("vendor", ["anthropic"], indirect=True)
async def test_requests_that_go_on_share_the_time_of_the_answer(vendor: Vendor) -> None:
    vendor.model = "claude-haiku-4-5"
    with limited(total_timeout_s=0.5):
        events = await vendor.stream("times-2-slow-20-reset", QUESTION)
    assert isinstance(events[-1], StreamFailed) and events[-1].error.code == "total_timeout"


@pytest.mark.parametrize("vendor", ["anthropic", "openai", "gemini", "remote"], indirect=True)
async def test_what_a_provider_did_not_count_is_estimated_and_said_so(vendor: Vendor) -> None:
    found = fold(await vendor.stream("reset", QUESTION))
    assert found.usage is not None and found.usage.input_tokens and found.usage.output_tokens
    assert found.usage.source == ("partial" if vendor.slug == "anthropic" else "estimated")
    assert (await provider.complete_chat(vendor.slug, "main", "Hi", model=vendor.model)).usage.source == "provider"  # type: ignore[union-attr]
