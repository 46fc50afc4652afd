"""OpenRouter with a key, through the universal interface against its strict server.

What holds for every provider is in ``test_cross_provider``; further common tests are imported and run here.
"""

import json

import pytest

from providers_app import conf, errors, provider
from providers_app.registry.settings import build_model
from providers_app.types.events import StreamEnd, StreamFailed, StreamStart, UsageReport
from tests.vendors import chat
from tests.vendors.openrouter import VALID_KEY
from tests.vendors.script import expected_text
from tests.vendors.server import VendorServer
from tests.wire.vendors.connected import SETTINGS, Vendor, text_of
from tests.wire.vendors.memory_store import MemorySessions
from tests.wire.vendors.test_api_key_errors import (
    test_a_break_in_the_middle_keeps_the_text_and_says_so,  # noqa: F401
    test_a_cut_tool_call_is_not_handed_out,  # noqa: F401
    test_a_gateways_page_or_nothing_is_an_upstream_error,  # noqa: F401
    test_a_success_that_is_no_answer_is_never_a_clean_end,  # noqa: F401
    test_an_error_status_is_its_typed_error,  # noqa: F401
    test_the_waiting_time_of_a_rate_limit_is_known,  # noqa: F401
)
from tests.wire.vendors.test_api_key_providers import (
    test_a_call_without_arguments_is_an_empty_object,  # noqa: F401
    test_a_failing_list_of_models_is_a_typed_error,  # noqa: F401
    test_a_history_whose_first_question_was_excluded_is_accepted,  # noqa: F401
    test_a_rejected_key_is_an_authentication_error_that_does_not_quote_it,  # noqa: F401
    test_a_tool_can_be_forced_and_forbidden,  # noqa: F401
    test_create_verify_and_delete,  # noqa: F401
    test_models_are_listed_over_all_pages,  # noqa: F401
    test_reasoning_comes_apart_from_the_text,  # noqa: F401
    test_reasoning_with_tools_is_replayed_as_the_provider_wants_it,  # noqa: F401
    test_system_parameters_and_history_are_accepted,  # noqa: F401
    test_the_output_limit_ends_with_length,  # noqa: F401
)
from tests.wire.vendors.test_api_key_streams import (
    test_one_byte_per_packet_gives_the_same_answer,  # noqa: F401
    test_silence_ends_with_a_timeout_and_closes_upstream,  # noqa: F401
    test_the_preview_is_what_is_sent_to_the_byte_and_hides_the_key,  # noqa: F401
)

EXPECTED = expected_text("Hello there.")


@pytest.fixture
def vendor(openrouter_server: VendorServer, store: MemorySessions) -> Vendor:
    """OpenRouter, with its key."""
    return Vendor("openrouter", openrouter_server, VALID_KEY, "openai/gpt-5.6", 2, store)


async def test_a_key_is_tested_where_it_is_asked_for(vendor: Vendor) -> None:
    await vendor.connect()
    account = await provider.test_session("openrouter", "api_key", "main")
    assert [(entry.method, entry.path) for entry in vendor.ledger] == [("GET", "/api/v1/key")]
    assert account.label == "sk-or-v1-012...def"
    assert account.models is None


async def test_the_list_of_models_is_the_accounts_own(vendor: Vendor) -> None:
    await vendor.connect()
    listed = [model.id for model in await provider.list_models("openrouter", "api_key", "main")]
    assert listed == ["anthropic/claude-opus-5", "openai/gpt-5.6"], "one is left out by the account's own settings"
    await vendor.connect("wrong", key="sk-or-v1-" + "f" * 64)
    with pytest.raises(errors.AuthenticationFailed):
        await provider.list_models("openrouter", "api_key", "wrong")
    with pytest.raises(errors.AuthenticationFailed):
        await provider.test_session("openrouter", "api_key", "wrong")


async def test_where_only_the_public_list_is_that_one_counts(vendor: Vendor, chat_server: VendorServer) -> None:
    await provider.create_session(
        "openrouter", "api_key", name="proxy", api_key=chat.VALID_KEY, base_url=chat_server.base_url
    )
    assert len(await provider.list_models("openrouter", "api_key", "proxy")) == 2
    assert [entry.path for entry in chat_server.ledger] == ["/v1/models/user", "/v1/models"]


async def test_a_session_routes_and_names_itself_and_the_caller_wins(vendor: Vendor) -> None:
    options = {
        "app_title": "Team A",
        "provider_order": "anthropic, google-vertex",
        "data_collection": "deny",
        "allow_fallbacks": "false",
    }
    await provider.create_session(
        "openrouter", "api_key", name="main", api_key=VALID_KEY, base_url=vendor.server.base_url, settings=options
    )
    await vendor.stream(extra={"provider": {"data_collection": "allow", "sort": "price"}, "top_k": 5})
    sent = vendor.ledger[-1]
    assert sent.headers["x-openrouter-title"] == "Team A"
    assert sent.body["provider"] == {
        "order": ["anthropic", "google-vertex"],
        "data_collection": "allow",
        "allow_fallbacks": False,
        "sort": "price",
    }
    assert sent.body["top_k"] == 5
    with pytest.raises(errors.InvalidOption, match="short names"):
        await provider.create_session(
            "openrouter", "api_key", name="other", api_key=VALID_KEY, settings={"provider_only": "An thropic"}
        )


async def test_payment_is_asked_for_once_or_after_a_while(vendor: Vendor) -> None:
    await vendor.connect()
    for fault, wait, retry in (
        ("status-402", None, errors.Retry.NEVER),
        ("status-402-retry-after-7", 7.0, "after_wait"),
    ):
        with pytest.raises(errors.BillingRequired) as found:
            await vendor.stream(fault)
        assert (found.value.retry_after, found.value.retry) == (wait, retry)
        assert found.value.request_id and found.value.request_id.startswith("gen-")


async def test_an_answers_id_is_its_generations(vendor: Vendor) -> None:
    events = await vendor.stream()
    assert isinstance(events[0], StreamStart) and events[0].response_id


async def test_models_have_prices_windows_and_capabilities(vendor: Vendor) -> None:
    await vendor.connect()
    model = await provider.get_model("openrouter", "main", "anthropic/claude-opus-5")
    assert (model.input_price, model.output_price) == (2.0, 8.0)
    assert (model.context_window, model.max_output_tokens) == (1_000_000, 128_000)
    assert model.name == "Anthropic: Claude Opus 5"
    assert {"chat", "streaming", "tools", "reasoning", "images_in"} <= set(model.capabilities)


async def test_requests_name_the_application_as_configured(vendor: Vendor) -> None:
    await vendor.stream()
    assert vendor.ledger[-1].headers["x-openrouter-title"] == "Maestro"
    assert "http-referer" not in vendor.ledger[-1].headers
    own = {"app_title": "Our Maestro", "app_url": "https://maestro.example"}
    conf.configure(build_model()(**{**SETTINGS.model_dump(), "openrouter": own}))
    await vendor.stream()
    assert vendor.ledger[-1].headers["x-openrouter-title"] == "Our Maestro"
    assert vendor.ledger[-1].headers["http-referer"] == "https://maestro.example"
    conf.configure(build_model()(**{**SETTINGS.model_dump(), "openrouter": {"app_title": ""}}))
    await vendor.stream()
    assert "x-openrouter-title" not in vendor.ledger[-1].headers


async def test_comments_are_no_text_and_the_usage_comes_unasked(vendor: Vendor) -> None:
    events = await vendor.stream()
    assert text_of(events) == EXPECTED
    assert "stream_options" not in vendor.ledger[-1].body
    usage = next(event.usage for event in reversed(events) if isinstance(event, UsageReport))
    assert usage.source == "provider" and usage.raw["cost"] == 0.00042


async def test_an_error_in_the_middle_ends_the_answer_with_its_type(vendor: Vendor) -> None:
    events = await vendor.stream("midstream-error")
    assert text_of(events) and text_of(events) != EXPECTED
    failed = [event for event in events if isinstance(event, StreamFailed)]
    assert len(failed) == 1 and events[-1] is failed[0]
    assert not any(isinstance(event, StreamEnd) for event in events)
    error = failed[0].error
    assert (error.code, error.type, error.upstream_code) == ("upstream_server_error", "provider_unavailable", "502")
    assert error.message == "Provider disconnected unexpectedly"


async def test_credits_that_run_out_in_the_middle_are_named(vendor: Vendor) -> None:
    events = await vendor.stream("midstream-error-quota")
    assert isinstance(events[-1], StreamFailed)
    assert events[-1].error.code == "upstream_billing"


async def test_a_whole_answer_that_is_an_error_fails(vendor: Vendor) -> None:
    await vendor.connect()
    model = f"{vendor.model}-midstream-error"
    with pytest.raises(errors.ServerError, match="Provider returned error"):
        await provider.complete_chat("openrouter", "main", "Hello", model=model)


async def test_reasoning_is_asked_for_in_openrouters_own_field(vendor: Vendor) -> None:
    await vendor.stream("reasoning", reasoning_effort="low")
    assert vendor.ledger[-1].body["reasoning"] == {"effort": "low"}
    await vendor.connect("second")
    prepared = await provider.preview_request("openrouter", "second", "Hello", model=vendor.model, max_output_tokens=9)
    assert json.loads(prepared.body)["max_tokens"] == 9
