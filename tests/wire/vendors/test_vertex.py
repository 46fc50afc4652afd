"""Vertex AI through the universal interface: every way in, with models of Google and of Anthropic."""

import json
from typing import Any

import pytest

from providers_app import errors, provider
from providers_app.types.chat import ImagePart, JsonSchema, Message, TextPart
from providers_app.types.events import ReasoningDelta, StreamEnd, StreamStart, TextDelta, UsageReport
from tests.vendors.script import REASONING, expected_text, instance_of
from tests.vendors.vertex import LISTED, VertexVendor
from tests.wire.vendors.connected import WEATHER, calls_of, replay, text_of
from tests.wire.vendors.vertex_desk import CASES, CLAUDE, GEMINI, LOGINS, VertexDesk, desk

__all__ = ["desk"]
EXPECTED = expected_text("Hello there.")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}-{case[1].partition('-')[0]}")
async def model(request: pytest.FixtureRequest, desk: VertexDesk) -> str:
    """A model that the session ``main`` can ask."""
    way, name = request.param
    await desk.connect(way)
    return str(name)


async def test_text_is_streamed_to_a_clean_end_with_usage(desk: VertexDesk, model: str) -> None:
    events = await desk.stream(model)
    assert isinstance(events[0], StreamStart)
    assert text_of(events) == EXPECTED
    assert sum(isinstance(event, TextDelta) for event in events) > 5
    assert events[-1].finish_reason == "stop"  # type: ignore[union-attr]
    usage = [event.usage for event in events if isinstance(event, UsageReport)][-1]
    assert usage.source == "provider"
    assert usage.input_tokens and usage.output_tokens
    entry = desk.api.ledger[-1]
    assert entry.key == "right" and entry.headers["user-agent"].startswith("Maestro/")
    assert ("authorization" in entry.headers) != ("x-goog-api-key" in entry.headers)


async def test_the_same_answer_not_streamed(desk: VertexDesk, model: str) -> None:
    result = await provider.complete_chat("vertex_ai", "main", "Hello there.", model=model)
    assert (result.text, result.finish_reason, result.complete) == (EXPECTED, "stop", True)
    streamed = [event.usage for event in await desk.stream(model) if isinstance(event, UsageReport)][-1]
    assert result.usage is not None
    assert (result.usage.input_tokens, result.usage.output_tokens) == (streamed.input_tokens, streamed.output_tokens)


async def test_two_parallel_tool_calls_and_the_answer_from_their_results(desk: VertexDesk, model: str) -> None:
    events = await desk.stream(f"{model}-tools", "Weather?", tools=[WEATHER])
    calls = calls_of(events)
    assert [call.arguments for call in calls] == [instance_of(WEATHER["parameters"], n) for n in (0, 1)]  # type: ignore[arg-type]
    assert events[-1].finish_reason == "tool_calls"  # type: ignore[union-attr]
    messages = replay("vertex_ai", "Weather?", events, ["18 degrees", "a storm"])
    after = await desk.stream(f"{model}-tools", messages, tools=[WEATHER])
    assert text_of(after) == "The tools answered: 18 degrees; a storm"


async def test_reasoning_is_shown_and_goes_back_with_the_calls(desk: VertexDesk, model: str) -> None:
    events = await desk.stream(f"{model}-reasoning", reasoning_effort="medium")
    assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == REASONING
    assert text_of(events) == EXPECTED
    more: dict[str, Any] = {"tools": [WEATHER], "reasoning_effort": "high"}
    events = await desk.stream(f"{model}-tools", "Weather?", **more)
    messages = replay("vertex_ai", "Weather?", events, ["fine", "wet"])
    assert text_of(await desk.stream(f"{model}-tools", messages, **more)) == "The tools answered: fine; wet"


async def test_structured_output_has_the_asked_shape(desk: VertexDesk, model: str) -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "count": {"type": "integer"}},
        "required": ["title", "count"],
        "additionalProperties": False,
    }
    events = await desk.stream(f"{model}-json", response_schema=JsonSchema("item", schema))
    assert json.loads(text_of(events)) == instance_of(schema)


async def test_a_picture_is_sent_along(desk: VertexDesk, model: str) -> None:
    asked = Message("user", (TextPart("What is this?"), ImagePart(media_type="image/png", data=PIXEL)))
    events = await desk.stream(model, (asked,))
    assert isinstance(events[-1], StreamEnd), events[-1]
    assert PIXEL in json.dumps(desk.api.ledger[-1].body)


async def test_a_switch_of_publishers_leaves_reasoning_and_signatures_behind(desk: VertexDesk) -> None:
    await desk.connect("service_account")
    more: dict[str, Any] = {"tools": [WEATHER], "reasoning_effort": "high"}
    for first, second in ((GEMINI, CLAUDE), (CLAUDE, GEMINI)):
        events = await desk.stream(f"{first}-tools", "Weather?", **more)
        messages = replay("vertex_ai", "Weather?", events, ["fine", "wet"])
        assert text_of(await desk.stream(second, messages, **more)) == "The tools answered: fine; wet"


async def test_a_refusal_is_a_content_filter_and_no_error(desk: VertexDesk, model: str) -> None:
    events = await desk.stream(f"{model}-refusal")
    assert isinstance(events[-1], StreamEnd) and events[-1].finish_reason == "content_filter"


async def test_tokens_are_counted_by_the_publisher(desk: VertexDesk, model: str) -> None:
    count = await provider.count_tokens("vertex_ai", "main", "Hello there.", model=model, tools=[WEATHER])
    assert count.n > 0 and count.source == "provider"
    path = desk.api.ledger[-1].path
    assert path.endswith(f"/{model}:countTokens" if model == GEMINI else "/anthropic/models/count-tokens:rawPredict")


@pytest.mark.parametrize("way", LOGINS)
async def test_models_are_listed_over_all_pages_of_both_publishers(desk: VertexDesk, way: str) -> None:
    await desk.connect(way)
    ids = [model.id for model in await provider.list_models("vertex_ai", "oauth", "main")]
    assert len(ids) == len(set(ids)) == sum(LISTED.values())
    assert {"gemini-2.5-flash", "claude-opus-5", "claude-haiku-4-5@20251001"} <= set(ids)
    assert not {"gemini-embedding-001", "gemini-2.5-flash-tts", "gemini-live-2.5-flash", "gemma-3"} & set(ids)
    pages = desk.api.ledger.of("/publishers/google/models")
    assert len(pages) == 3 and len(desk.api.ledger.of("/publishers/anthropic/models")) == 1
    billed = "ada-project" if way == "adc" else None
    assert {entry.headers.get("x-goog-user-project") for entry in pages} == {billed}
    one = await provider.get_model("vertex_ai", "main", "claude-haiku-4-5@20251001")
    assert one.id == "claude-haiku-4-5@20251001" and one.raw["launchStage"] == "GA"
    with pytest.raises(errors.UnknownModel):
        await provider.get_model("vertex_ai", "main", "gemini-no-such")


async def test_a_project_without_anthropics_list_still_has_googles(desk: VertexDesk) -> None:
    assert isinstance(desk.api.vendor, VertexVendor)
    desk.api.vendor.closed = {"anthropic"}
    await desk.connect("service_account")
    assert len(await provider.list_models("vertex_ai", "oauth", "main")) == LISTED["google"]
    listing = await provider.model_listing("vertex_ai", "oauth", "main")
    assert "Anthropic's list could not be read (upstream_permission)" in listing.lacks and listing.error is None
    desk.api.vendor.closed = set()
    assert not (await provider.model_listing("vertex_ai", "oauth", "main", refresh=True)).lacks
    desk.api.vendor.closed = {"google"}
    with pytest.raises(errors.PermissionDenied):
        await provider.list_models("vertex_ai", "oauth", "main", refresh=True)


async def test_a_list_that_does_not_end_is_a_bad_answer(desk: VertexDesk) -> None:
    assert isinstance(desk.api.vendor, VertexVendor)
    desk.api.vendor.endless = True
    await desk.connect("service_account")
    with pytest.raises(errors.BadAnswer):
        await provider.list_models("vertex_ai", "oauth", "main")
    assert len(desk.api.ledger) <= 3


async def test_express_mode_says_what_it_cannot_do(desk: VertexDesk) -> None:
    await desk.connect("express")
    with pytest.raises(errors.UnsupportedOperation, match="Google's own models only") as caught:
        await desk.stream(CLAUDE)
    assert "service account" in caught.value.hint
    shipped = await provider.list_models("vertex_ai", "api_key", "main")
    assert shipped and {model.source for model in shipped} == {"shipped"}
    assert len(desk.api.ledger) == 0, "express mode has no list, so nobody was asked for one"
