"""What holds for every provider and auth type alike, asked through the universal interface.

Against the strict servers by default; with ``--mock-providers`` against recorded answers only (see ``replaying``).
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import Any

import pytest

from providers_app import errors, provider
from providers_app.types.chat import ImagePart, JsonSchema, Message, TextPart
from providers_app.types.events import StreamEnd, StreamFailed, StreamStart, TextDelta, UsageReport
from tests.vendors.script import instance_of
from tests.vendors.server import VendorServer
from tests.wire.cross import ROWS, Row, Sides
from tests.wire.cross_target import QUESTION, Replaying, Target, dialect_name, opened
from tests.wire.replaying import LOGIN
from tests.wire.vendors.connected import WEATHER, calls_of, replay, text_of

MAIN = {row.id: row for row in ROWS if not row.further}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
ITEM = {
    "type": "object",
    "properties": {"title": {"type": "string"}, "count": {"type": "integer"}},
    "required": ["title", "count"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def replaying() -> Iterator[Callable[[Row], VendorServer]]:
    """A server of recorded answers for a row; one for all tests of the row."""
    with ExitStack() as stack:

        @cache
        def started(name: str) -> VendorServer:
            row = MAIN[name]
            secret = row.key or (LOGIN if row.auth_type == "oauth" else "")
            server = VendorServer(Replaying(dialect_name(row), row.id, row.model, secret), path=row.path)
            return stack.enter_context(server)

        def cleared(row: Row) -> VendorServer:
            return started(row.id).fresh()

        yield cleared


@pytest.fixture(params=MAIN)
def vendor(request: pytest.FixtureRequest, replaying: Callable[[Row], VendorServer]) -> Iterator[Target]:
    """Each provider and auth type in turn."""
    row = MAIN[request.param]
    replayed = bool(request.config.getoption("--mock-providers"))
    with ExitStack() as stack:
        sides = Sides(*[replaying(row)] * 3) if replayed and row.api else row.sides(request)
        yield opened(row, sides, stack, replayed=replayed)


async def test_an_answer_is_streamed_to_a_clean_end_with_usage(vendor: Target) -> None:
    events = await vendor.stream()
    assert isinstance(events[0], StreamStart) and isinstance(events[-1], StreamEnd)
    assert events[-1].finish_reason == "stop"
    assert text_of(events) == vendor.expected if vendor.expected else text_of(events)
    assert sum(isinstance(event, TextDelta) for event in events) > 5
    usage = [event.usage for event in events if isinstance(event, UsageReport)][-1]
    assert usage.source == "provider" and usage.input_tokens and usage.output_tokens
    assert usage.total_tokens in (None, usage.input_tokens + usage.output_tokens)
    if vendor.sides.api is not None:
        entry = vendor.ledger[-1]
        assert entry.key in ("right", "unchecked") and entry.headers["user-agent"].startswith("Maestro/")
        assert entry.disconnected_at is None


async def test_the_whole_answer_is_the_streamed_one(vendor: Target) -> None:
    streamed = await vendor.stream()
    result = await provider.complete_chat(vendor.slug, "main", QUESTION, model=vendor.named())
    assert (result.text, result.finish_reason, result.complete) == (text_of(streamed), "stop", True)
    usage = [event.usage for event in streamed if isinstance(event, UsageReport)][-1]
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (usage.input_tokens, usage.output_tokens)


async def test_two_parallel_tool_calls_and_the_answer_from_their_results(vendor: Target) -> None:
    events = await vendor.stream("tools", "Weather?", tools=[WEATHER])
    calls = calls_of(events)
    assert [call.name for call in calls] == ["weather", "weather"] and len({call.id for call in calls}) == 2
    assert all(set(call.arguments) >= {"place"} and call.invalid_arguments is None for call in calls)
    if vendor.expected:
        expected = [instance_of(WEATHER["parameters"], salt) for salt in (0, 1)]  # type: ignore[arg-type]
        assert [call.arguments for call in calls] == expected
    assert events[-1].finish_reason == "tool_calls"
    messages = replay(vendor.slug, "Weather?", events, ["18 degrees", "a storm"])
    after = await vendor.stream("tools", messages, tools=[WEATHER])
    assert isinstance(after[-1], StreamEnd) and not calls_of(after)
    assert "18 degrees" in text_of(after) and "a storm" in text_of(after)


async def test_structured_output_has_the_asked_shape(vendor: Target) -> None:
    events = await vendor.stream("json", response_schema=JsonSchema("item", ITEM))
    found = json.loads(text_of(events))
    assert set(found) == {"title", "count"} and isinstance(found["count"], int) and isinstance(found["title"], str)


async def test_a_picture_is_sent_or_refused_as_declared(vendor: Target) -> None:
    asked = (Message("user", (TextPart("What is this?"), ImagePart("image/png", PIXEL))),)
    if "images_in" in provider.provider_capabilities(vendor.slug):
        events = await vendor.stream(messages=asked)
        assert isinstance(events[-1], StreamEnd) and text_of(events)
        assert PIXEL in json.dumps(vendor.ledger[-1].body)
        return
    try:
        events = await vendor.stream(messages=asked)
    except errors.ProviderError as error:
        assert error.code and error.message
    else:
        assert isinstance(events[0], StreamStart) and events[0].advice, "left out without a word"


ERRORS: dict[str, type[errors.UpstreamError]] = {
    "status-401": errors.AuthenticationFailed,
    "mystery": errors.UnknownModel,
    "status-429-retry-after-3": errors.RateLimited,
    "status-500": errors.ServerError,
    "html-502": errors.UpstreamError,
}


@pytest.mark.parametrize("fault", ERRORS)
async def test_a_refusal_is_its_typed_error(vendor: Target, fault: str) -> None:
    kinds: tuple[type[errors.ProviderError], ...] = (ERRORS[fault],)
    if fault == "status-401" and vendor.row.auth_type == "oauth":
        # A login is refreshed first, which this one cannot be, or not yet.
        kinds += (errors.NotRefreshable, errors.RefreshTooEarly)
    for _ in range(2):  # a 401 of a sign-in is tried once more with new tokens, and not for ever
        with pytest.raises(kinds) as caught:
            await vendor.stream(fault)
    error = caught.value
    assert error.message and "<" not in error.message and error.code
    if fault.startswith("status-429"):
        assert isinstance(error, errors.RateLimited) and error.retry_after and error.retry is errors.Retry.AFTER_WAIT
    if isinstance(error, errors.AuthenticationFailed | errors.UnknownModel):
        assert error.retry is errors.Retry.NEVER


async def test_a_wrong_login_is_an_authentication_error_that_does_not_quote_it(vendor: Target) -> None:
    if vendor.row.auth_type == "none":
        with pytest.raises(errors.InvalidCredential):
            await vendor.connect(key="a-key-that-nobody-asked-for")
        return
    right = vendor.row.key or LOGIN
    wrong = right[:12] + "WrongWrongWrongWrong"
    await vendor.connect(key=wrong)
    with pytest.raises(errors.AuthenticationFailed) as caught:
        await vendor.stream()
    error = caught.value
    assert wrong not in error.message + error.hint + repr(error)


async def test_an_answer_that_breaks_off_keeps_its_text_and_is_not_complete(vendor: Target) -> None:
    events = await vendor.stream("truncate")
    assert isinstance(events[-1], StreamFailed) and text_of(events)
    assert (events[-1].finish_reason, events[-1].error.code) == ("incomplete", "stream_interrupted")
    if vendor.expected:
        assert vendor.expected.startswith(text_of(events)) and text_of(events) != vendor.expected


async def test_leaving_a_stream_closes_it_upstream(vendor: Target) -> None:
    await vendor.connect()
    stream = provider.stream_chat(vendor.slug, "main", QUESTION, model=vendor.named("held"))
    async for event in stream:
        if isinstance(event, TextDelta):
            break
    await stream.aclose()
    if vendor.sides.api is not None:
        entry = await vendor.ledger.disconnect()
        assert entry.finished_at is None and entry.sent_frames > 0
    assert isinstance((await vendor.stream())[-1], StreamEnd), "the session can be used again"


async def test_models_are_listed_once_each(vendor: Target) -> None:
    await vendor.connect()
    kind = vendor.row.auth_type
    ids = [model.id for model in await provider.list_models(vendor.slug, kind, "main")]
    assert (vendor.row.listed_as or vendor.model) in ids and len(ids) == len(set(ids))
    seen = len(vendor.ledger) if vendor.sides.api is not None else 0
    await provider.list_models(vendor.slug, kind, "main")
    assert vendor.sides.api is None or len(vendor.ledger) == seen, "the list is kept"


async def test_what_is_declared_works_and_what_is_not_is_said(vendor: Target) -> None:
    declared = provider.provider_capabilities(vendor.slug)
    assert {"chat", "streaming"} <= declared.names
    if not vendor.replayed:
        await vendor.connect()
        count = await provider.count_tokens(vendor.slug, "main", QUESTION, model=vendor.named())
        assert count.n > 0 and (count.source == "estimated" or "count_tokens" in declared)
        if vendor.row.auth_type == "api_key":
            assert (count.source == "provider") is ("count_tokens" in declared)
    params: dict[str, Any] = {"reasoning_effort": "low"} if "reasoning" in declared else {}
    assert isinstance((await vendor.stream(**params))[-1], StreamEnd)
