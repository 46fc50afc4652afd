"""Asking with OpenAI logins, through the universal interface and against the strict servers: every mode, both ways."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from providers_app import errors, provider
from providers_app.types.events import StreamEnd, StreamFailed
from tests.vendors.script import expected_text
from tests.vendors.server import VendorServer
from tests.wire.vendors.connected import WEATHER, calls_of, replay, text_of
from tests.wire.vendors.openai_logins import QUESTION, OpenAIDesk

MODES = {"plan": "chatgpt", "chatgpt": "codex", "api_key": "device"}
"""Mode: the flow that it is reached by."""
LOGINS = ["plan", "chatgpt"]
EXPECTED = expected_text(QUESTION)


@pytest.fixture
async def desk(openai_auth: VendorServer, openai_server: VendorServer) -> Any:
    found = OpenAIDesk(openai_auth, openai_server)
    with found.configured():
        yield found


@pytest.fixture
def plans(desk: OpenAIDesk) -> Iterator[OpenAIDesk]:
    desk.book.add_account("acct-1", "ada@example.com", plan="plus")
    desk.book.add_account("acct-w", "w@work.example", plan="enterprise", organization_id="org-w", project_id="proj-w")
    yield desk


async def connect(desk: OpenAIDesk, mode: str) -> None:
    desk.book.signed_in = "acct-w" if mode == "api_key" else "acct-1"
    tokens = await desk.sign_in(MODES[mode])
    assert tokens.facts["mode"] == mode
    await desk.connect(tokens)


@pytest.mark.parametrize("mode", MODES)
async def test_a_streamed_answer(plans: OpenAIDesk, mode: str) -> None:
    await connect(plans, mode)
    events = await plans.stream(system="Be brief.", reasoning_effort="low")
    assert isinstance(events[-1], StreamEnd)
    assert text_of(events) == EXPECTED
    seen = plans.api.ledger[-1]
    assert seen.headers["user-agent"].startswith("Maestro/"), "whatever the mode, Maestro names itself"
    assert ("chatgpt-account-id" in seen.headers) is (mode == "chatgpt")
    assert ("openai-organization" in seen.headers) is (mode == "api_key")


@pytest.mark.parametrize("mode", MODES)
async def test_the_same_events_in_every_mode(plans: OpenAIDesk, mode: str) -> None:
    await connect(plans, mode)
    first = await plans.stream(tools=[WEATHER], model="gpt-5.6-tools")
    calls = calls_of(first)
    assert [call.name for call in calls] == ["weather"] * len(calls) and all(call.arguments for call in calls)
    messages = replay("openai", QUESTION, first, ["Sunny."] * len(calls))
    second = await plans.stream(messages=messages, tools=[WEATHER])
    assert isinstance(second[-1], StreamEnd) and text_of(second)


@pytest.mark.parametrize("mode", MODES)
async def test_an_answer_in_one_piece(plans: OpenAIDesk, mode: str) -> None:
    await connect(plans, mode)
    result = await provider.complete_chat("openai", "main", QUESTION, model="gpt-5.6")
    assert result.text == EXPECTED and result.complete and result.finish_reason == "stop"
    assert result.usage is not None and result.usage.source == "provider"
    assert plans.api.ledger[-1].body["stream"] is (mode != "api_key")


@pytest.mark.parametrize("mode", LOGINS)
async def test_what_the_endpoint_refuses_is_taken_out_and_said(plans: OpenAIDesk, mode: str) -> None:
    await connect(plans, mode)
    params: dict[str, Any] = {"max_output_tokens": 400, "temperature": 0.5, "top_p": 0.9}
    extra = {"metadata": {"a": "b"}, "user": "u", "truncation": "auto", "store": True}
    assert text_of(await plans.stream(**params, extra=extra)) == EXPECTED
    sent = plans.api.ledger[-1].body
    assert sent["store"] is False and {*params, "metadata", "user", "truncation"}.isdisjoint(sent)
    prepared = await provider.preview_request("openai", "main", QUESTION, model="gpt-5.6", **params, extra=extra)
    assert json.loads(prepared.body) == sent
    said = {item.field for item in prepared.advice if item.level == "warning"}
    assert said == {*params, *extra}
    assert prepared.headers["authorization"] == "***"


@pytest.mark.parametrize("mode", MODES)
async def test_models_tokens_and_the_connection_test(plans: OpenAIDesk, mode: str) -> None:
    await connect(plans, mode)
    listed = [model.id for model in await provider.list_models("openai", "oauth", "main")]
    if mode == "api_key":
        assert listed == sorted(listed) and "gpt-4.1" in listed
    else:
        assert listed == ["gpt-5.6", "gpt-5.6-mini"], "hidden ones are left out, the order is kept"
        (found,) = [await provider.get_model("openai", "main", "gpt-5.6")]
        assert found.context_window == 272_000
        with pytest.raises(errors.UnknownModel):
            await provider.get_model("openai", "main", "gpt-5.6-internal")
    assert (await provider.test_session("openai", "oauth", "main")).models
    counted = await provider.count_tokens("openai", "main", QUESTION, model="gpt-5.6")
    assert counted.source == ("provider" if mode == "api_key" else "estimated") and counted.n > 0


@pytest.mark.parametrize("mode", LOGINS)
@pytest.mark.parametrize(
    ("limit", "kind"),
    [
        ("usage_limit_reached", errors.RateLimited),
        ("usage_not_included", errors.PermissionDenied),
        ("subscription_sharing_usage_limit_exceeded", errors.QuotaExhausted),
    ],
)
async def test_limits_of_the_plan(plans: OpenAIDesk, mode: str, limit: str, kind: type[errors.UpstreamError]) -> None:
    await connect(plans, mode)
    plans.book.accounts["acct-1"].limit = limit
    with pytest.raises(kind) as caught:
        await plans.stream()
    assert type(caught.value) is kind and caught.value.status == 429
    assert caught.value.retry_after == (3600 if limit == "usage_limit_reached" else None)


async def test_an_account_that_may_not_use_its_plan(desk: OpenAIDesk) -> None:
    desk.book.add_account("acct-1", "ada@example.com", plan="free")
    await connect(desk, "plan")
    with pytest.raises(errors.PermissionDenied) as caught:
        await desk.stream()
    assert caught.value.upstream_code == "subscription_sharing_user_not_eligible"


async def test_another_account_s_header_is_refused(plans: OpenAIDesk) -> None:
    plans.book.signed_in = "acct-1"
    tokens = await plans.sign_in("codex")
    wrong = msgspec.structs.replace(tokens, facts={**tokens.facts, "account_id": "acct-2"})
    await plans.connect(wrong)
    with pytest.raises(errors.PermissionDenied, match="does not belong"):
        await plans.stream()


async def test_a_model_that_the_plan_has_not(plans: OpenAIDesk) -> None:
    await connect(plans, "chatgpt")
    with pytest.raises(errors.UnknownModel, match="not supported"):
        await plans.stream(model="gpt-4.1")


@pytest.mark.parametrize("mode", LOGINS)
async def test_a_broken_stream_is_no_answer(plans: OpenAIDesk, mode: str) -> None:
    await connect(plans, mode)
    events = await plans.stream(model="gpt-5.6-midstream-error")
    assert isinstance(events[-1], StreamFailed)
    result = await provider.complete_chat("openai", "main", QUESTION, model="gpt-5.6-midstream-error")
    assert not result.complete


async def test_a_mode_that_was_only_assumed_is_said(plans: OpenAIDesk) -> None:
    plans.book.accounts["acct-w"].plan = "platinum"
    await connect(plans, "api_key")
    prepared = await provider.preview_request("openai", "main", QUESTION, model="gpt-5.6")
    (warned,) = prepared.advice
    assert warned.field == "mode" and "platinum" in warned.message
