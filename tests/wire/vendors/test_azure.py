"""Azure OpenAI with a key, on each of its surfaces and APIs, against its strict server.

What holds for every provider is imported from the common tests and runs here once for each of them.
"""

import pytest
from msgspec.structs import replace

from providers_app import errors, provider
from providers_app.types.events import Origin, ReasoningDelta, StreamEnd, UsageReport
from tests.vendors.azure import VALID_KEY
from tests.vendors.script import REASONING
from tests.vendors.server import VendorServer
from tests.wire.vendors.azure_desk import CLASSIC, RESPONSES, V1, Azure
from tests.wire.vendors.connected import WEATHER, Vendor, calls_of, replay, text_of
from tests.wire.vendors.memory_store import MemorySessions
from tests.wire.vendors.test_api_key_errors import (
    test_a_break_in_the_middle_keeps_the_text_and_says_so,  # noqa: F401
    test_a_cut_tool_call_is_not_handed_out,  # noqa: F401
    test_a_gateways_page_or_nothing_is_an_upstream_error,  # noqa: F401
    test_a_success_that_is_no_answer_is_never_a_clean_end,  # noqa: F401
    test_a_used_up_quota_is_not_worth_waiting_for,  # noqa: F401
    test_an_error_status_is_its_typed_error,  # noqa: F401
    test_an_unknown_model_is_named_as_such,  # noqa: F401
    test_the_waiting_time_of_a_rate_limit_is_known,  # noqa: F401
)
from tests.wire.vendors.test_api_key_providers import (
    test_a_call_without_arguments_is_an_empty_object,  # noqa: F401
    test_a_failing_list_of_models_is_a_typed_error,  # noqa: F401
    test_a_history_whose_first_question_was_excluded_is_accepted,  # noqa: F401
    test_a_rejected_key_is_an_authentication_error_that_does_not_quote_it,  # noqa: F401
    test_a_server_that_ignores_the_wish_for_a_stream,  # noqa: F401
    test_a_tool_can_be_forced_and_forbidden,  # noqa: F401
    test_create_verify_and_delete,  # noqa: F401
    test_structured_output_has_the_asked_shape,  # noqa: F401
    test_text_is_streamed_to_a_clean_end_with_usage,  # noqa: F401
    test_the_output_limit_ends_with_length,  # noqa: F401
    test_the_same_answer_not_streamed,  # noqa: F401
    test_two_parallel_tool_calls_and_the_answer_from_their_results,  # noqa: F401
)
from tests.wire.vendors.test_api_key_streams import (
    test_leaving_the_stream_closes_it_upstream,  # noqa: F401
    test_one_byte_per_packet_gives_the_same_answer,  # noqa: F401
    test_silence_ends_with_a_timeout_and_closes_upstream,  # noqa: F401
    test_the_loopback_address_is_refused_without_the_allow_list,  # noqa: F401
    test_the_preview_is_what_is_sent_to_the_byte_and_hides_the_key,  # noqa: F401
)

FORMS = {"classic": CLASSIC, "v1": V1, "responses": RESPONSES}
PATHS = {
    "classic": "/openai/deployments/chat-prod/chat/completions",
    "v1": "/openai/v1/chat/completions",
    "responses": "/openai/v1/responses",
}


def azure(server: VendorServer, store: MemorySessions, form: str) -> Azure:
    return Azure("azure_openai", server, VALID_KEY, "chat-prod", None, store, FORMS[form])


@pytest.fixture(params=FORMS)
def vendor(request: pytest.FixtureRequest, azure_server: VendorServer, store: MemorySessions) -> Azure:
    """The resource, spoken to in each of three ways."""
    return azure(azure_server, store, request.param)


@pytest.fixture
def responses(azure_server: VendorServer, store: MemorySessions) -> Azure:
    """The resource over the Responses API."""
    return azure(azure_server, store, "responses")


async def test_each_surface_has_its_own_address_and_the_key_its_own_header(vendor: Azure) -> None:
    await vendor.stream()
    (form,) = (name for name, settings in FORMS.items() if settings == vendor.settings)
    entry = vendor.ledger[-1]
    assert entry.path == PATHS[form]
    assert entry.query == ({"api-version": "2025-01-01-preview"} if form == "classic" else {})
    assert entry.headers["api-key"] == VALID_KEY
    assert "authorization" not in entry.headers
    assert entry.body["model"] == "chat-prod"


async def test_the_first_chunk_without_choices_and_the_filters_results_are_no_text(vendor: Azure) -> None:
    events = await vendor.stream()
    assert events[0].model == "gpt-4.1" if vendor.settings != RESPONSES else True  # type: ignore[union-attr]
    usage = [event.usage for event in events if isinstance(event, UsageReport)]
    assert len(usage) == 1 and usage[0].source == "provider"


async def test_a_prompt_that_the_filter_stops_is_a_content_filter_error(vendor: Azure) -> None:
    with pytest.raises(errors.ContentRefused) as caught:
        await vendor.stream(messages="[blocked] please")
    error = caught.value
    assert (error.status, error.upstream_code, error.retry) == (400, "content_filter", errors.Retry.NEVER)
    assert "content management policy" in error.message


async def test_an_answer_that_the_filter_ends_is_an_end_and_no_error(vendor: Azure) -> None:
    events = await vendor.stream("refusal")
    assert isinstance(events[-1], StreamEnd)
    assert events[-1].finish_reason in ("content_filter", "stop")


async def test_reasoning_is_shown_and_goes_on_over_tool_calls(responses: Azure) -> None:
    responses.model = "reasoner"
    more = {"tools": [WEATHER], "reasoning_effort": "high"}
    events = await responses.stream("tools", "Weather?", **more)
    assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == REASONING
    assert len(calls_of(events)) == 2
    after = await responses.stream("tools", replay("azure_openai", "Weather?", events, ["fine", "wet"]), **more)
    assert text_of(after) == "The tools answered: fine; wet"
    assert [item["type"] for item in responses.ledger[-1].body["input"][1:4]] == [
        "reasoning",
        "function_call",
        "function_call",
    ]


async def test_reasoning_of_another_provider_is_not_sent(responses: Azure) -> None:
    responses.model = "reasoner"
    events = await responses.stream("tools", "Weather?", tools=[WEATHER], reasoning_effort="high")
    question, said, answered = replay("azure_openai", "Weather?", events, ["fine", "wet"])
    elsewhere = Origin("openai", "reasoner")
    parts = tuple(replace(part, origin=elsewhere) if hasattr(part, "origin") else part for part in said.parts)
    assert parts != said.parts
    await responses.stream("tools", (question, replace(said, parts=parts), answered), tools=[WEATHER])
    assert all(item.get("type") != "reasoning" for item in responses.ledger[-1].body["input"])


@pytest.mark.parametrize("form", ["classic", "v1"])
async def test_reasoning_over_chat_is_counted_and_not_shown(
    form: str, azure_server: VendorServer, store: MemorySessions
) -> None:
    vendor = azure(azure_server, store, form)
    vendor.model = "reasoner"
    events = await vendor.stream("reasoning", reasoning_effort="medium", max_output_tokens=500)
    assert not any(isinstance(event, ReasoningDelta) for event in events)
    usage = next(event.usage for event in events if isinstance(event, UsageReport))
    assert usage.reasoning_tokens
    assert vendor.ledger[-1].body["reasoning_effort"] == "medium"
    assert vendor.ledger[-1].body["max_completion_tokens"] == 500


@pytest.mark.parametrize("form", ["classic", "v1"])
async def test_a_filter_that_comes_late_ends_the_answer_as_filtered(
    form: str, azure_server: VendorServer, store: MemorySessions
) -> None:
    vendor: Vendor = azure(azure_server, store, form)
    vendor.model = "filtered"
    events = await vendor.stream()
    assert isinstance(events[-1], StreamEnd)
    assert (events[-1].finish_reason, events[-1].finish_reason_raw) == ("content_filter", "content_filter")
    assert text_of(events)
    result = await provider.complete_chat("azure_openai", "main", "Hello there.", model="chat-prod")
    assert result.finish_reason == "stop"
