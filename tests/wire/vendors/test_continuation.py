"""An answer that the provider pauses goes on by itself, with the very blocks it gave, and is one answer."""

from typing import Any

import pytest

from providers_app import conf, provider
from providers_app.dispatch import dispatcher
from providers_app.dispatch import events as request_events
from providers_app.dispatch.events import Continuation
from providers_app.streaming import fold
from providers_app.types.chat import ChatRequest, ChatResult, Message, TextPart
from providers_app.types.events import (
    Event,
    ReasoningDelta,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
    ToolCall,
    Usage,
    UsageReport,
)
from tests.vendors.anthropic.stream import SOURCE
from tests.wire.vendors.connected import Vendor

ONLY = pytest.mark.parametrize("vendor", ["anthropic"], indirect=True)


@ONLY
async def test_a_paused_answer_is_one_answer_with_the_tokens_of_both_requests(vendor: Vendor) -> None:
    events = await vendor.stream("paused", "When does the ferry run?")
    found = fold(events)
    assert (found.complete, found.finish_reason) == (True, "stop")
    assert "I look it up." in found.text and "The ferry runs daily." in found.text
    assert [event.kind for event in found.server_tools] == ["server_tool_use", "web_search_tool_result"]
    assert [(one.url, one.quote) for one in found.citations] == [(SOURCE, "Ferries daily.")]
    assert sum(isinstance(event, StreamStart) for event in events) == 1
    assert sum(isinstance(event, StreamEnd | StreamFailed) for event in events) == 1
    assert len(vendor.ledger) == 2
    single = fold(await vendor.stream("search", "When does the ferry run?")).usage
    assert found.usage is not None and single is not None
    assert (found.usage.input_tokens or 0) > 1.9 * (single.input_tokens or 0), "what both requests cost"
    assert len(found.usage.raw["rounds"]) == 2


@ONLY
async def test_the_same_in_one_piece_and_again_in_the_next_turn(vendor: Vendor) -> None:
    await vendor.connect()
    model = f"{vendor.model}-paused"
    found = await provider.complete_chat("anthropic", "main", "When?", model=model)
    assert (found.finish_reason, len(found.server_tools), len(found.citations)) == ("stop", 2, 1)
    history = [Message("user", (TextPart("When?"),)), found.message, Message("user", (TextPart("And back?"),))]
    again = await provider.complete_chat("anthropic", "main", history, model=vendor.model)
    assert again.complete, "the strict server takes the blocks back as they were"


@ONLY
async def test_a_pause_without_end_ends_after_some_requests(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_events, "ROUNDS", 1)
    found = fold(await vendor.stream("paused", "When?"))
    assert (found.finish_reason, len(vendor.ledger)) == ("pause", 1)


@ONLY
async def test_a_later_round_that_is_refused_keeps_what_was_shown(vendor: Vendor, monkeypatch: Any) -> None:
    monkeypatch.setattr(Continuation, "next_chat", _broken)
    seen = await vendor.stream("paused", "When?")
    assert isinstance(seen[-1], StreamFailed) and seen[-1].error.code == "upstream_bad_request"
    assert fold(seen).text.startswith("I look it up.")


@ONLY
@pytest.mark.parametrize("whole", [True, False])
async def test_the_requests_of_one_answer_share_its_limit_of_text(vendor: Vendor, whole: bool) -> None:
    with conf.use(conf.current().model_copy(update={"max_answer_text_bytes": 1000})):
        found = await _asked(vendor, whole)
    assert found.error is not None and found.error.code == "answer_too_large", "of both together"
    assert found.text.startswith("I look it up.") and len(found.text) <= 1000
    assert len(vendor.ledger) == 2


@ONLY
@pytest.mark.parametrize("whole", [True, False])
async def test_the_requests_of_one_answer_share_its_deadline(vendor: Vendor, whole: bool, monkeypatch: Any) -> None:
    class Slow(dispatcher.Request):
        async def begin(self, *, whole: bool = False) -> list[Event]:
            events = await super().begin(whole=whole)
            if self._before is not None:
                return events
            assert 0 < self._left_s < self._seconds
            self._left_s = 0  # as slow as it may be; there is one further request
            return events

    monkeypatch.setattr(dispatcher, "Request", Slow)
    found = await _asked(vendor, whole)
    assert found.error is not None and found.error.code == "upstream_timeout"
    assert found.text == "I look it up."


async def _asked(vendor: Vendor, whole: bool) -> ChatResult:
    if not whole:
        return fold(await vendor.stream("paused", "When?"))
    await vendor.connect()
    return await provider.complete_chat("anthropic", "main", "When?", model=f"{vendor.model}-paused")


def _broken(rounds: Continuation) -> ChatRequest | None:
    """A request that the server refuses, once: an assistant speaks first."""
    if not rounds._paused:
        return None
    rounds._paused = False
    return ChatRequest(model="claude-opus-5", messages=(Message("assistant", (TextPart("x"),)),) * 2)


def test_numbers_go_on_and_tokens_add_up() -> None:
    chat = ChatRequest(model="m", messages=(Message("user", (TextPart("q"),)),))
    rounds = Continuation(chat)
    first: list[Event] = [
        StreamStart("m"),
        ReasoningDelta("a", 0),
        ToolCall(0, "c0", "t", {}),
        UsageReport(Usage(input_tokens=10, output_tokens=1, raw={"n": 1})),
        StreamEnd("pause", "pause_turn"),
    ]
    assert not any(isinstance(event, StreamEnd) for event in rounds.shown(first))
    going = rounds.next_chat()
    assert going is not None and going.messages[-1].role == "assistant" and len(going.messages[-1].parts) == 2
    second: list[Event] = [
        StreamStart("m"),
        ReasoningDelta("b", 0),
        TextDelta("x"),
        ToolCall(0, "c1", "t", {}),
        UsageReport(Usage(input_tokens=20, output_tokens=2, raw={"n": 2})),
        StreamEnd("stop", "end_turn"),
    ]
    shown = rounds.shown(second)
    assert shown[0] == TextDelta("\n\n", aside=True), "what is shown of two rounds is apart"
    assert [event.part for event in shown if isinstance(event, ReasoningDelta)] == [1]
    assert [event.index for event in shown if isinstance(event, ToolCall)] == [1]
    (usage,) = [event.usage for event in shown if isinstance(event, UsageReport)]
    assert (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens) == (30, 3, None)
    assert isinstance(shown[-1], StreamEnd) and rounds.next_chat() is None
