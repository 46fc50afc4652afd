"""What is kept of a running answer, when a checkpoint is due, and which ways are open to go on."""

import pytest

from providers_app import errors
from providers_app.resilience.checkpoint import Buffer, Pace, StreamCheckpoint
from providers_app.resilience.retry import wait_before_going_on
from providers_app.types.chat import ChatRequest
from providers_app.types.continuing import Continuing, Cursor, open_ways
from providers_app.types.events import (
    Event,
    GeneratedFile,
    ReasoningDelta,
    StreamEnd,
    StreamStart,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageReport,
)

ALL = Continuing(ways=("cursor", "prefix", "instruct", "restart"))
CURSOR = Cursor(response_id="r", after=3)


def buffered(*events: Event, most: int = 100) -> Buffer:
    buffer = Buffer(most)
    for event in events:
        buffer.add(event)
    return buffer


def test_runs_of_deltas_become_one_event_and_the_last_usage_counts() -> None:
    first, last = Usage(input_tokens=1), Usage(input_tokens=2)
    buffer = buffered(
        StreamStart("m"),
        ReasoningDelta("a", 0),
        ReasoningDelta("b", 0),
        ReasoningDelta("c", 1),
        UsageReport(first),
        TextDelta("x"),
        TextDelta("y"),
        TextDelta("", {"signature": "s"}),
        TextDelta("z"),
        TextDelta("\n\n", aside=True),
        ToolCallDelta(0, "t", "{"),
        ToolCallDelta(0, "t", "}"),
        UsageReport(last),
    )
    assert buffer.index == 13
    expected: list[Event] = [
        StreamStart("m"),
        ReasoningDelta("ab", 0),
        ReasoningDelta("c", 1),
        TextDelta("xy"),
        TextDelta("", {"signature": "s"}),
        TextDelta("z"),
        TextDelta("\n\n", aside=True),
        ToolCallDelta(0, "t", "{}"),
        UsageReport(last),
    ]
    assert list(buffer.events()) == expected == list(buffer.events())
    buffer.add(StreamEnd("stop"))
    assert [type(event) for event in buffer.events()][-2:] == [UsageReport, StreamEnd]
    checkpoint = StreamCheckpoint(
        owner=1, provider="p", session="s", model="m", request=ChatRequest(model="m", messages=()),
        events=buffer.events(), last_index=buffer.index, response_id="r", sequence=4,
    )  # fmt: skip
    assert (checkpoint.text, checkpoint.ended, checkpoint.cursor) == ("xyz", StreamEnd("stop"), None)


def test_a_full_buffer_keeps_nothing_and_goes_on_counting() -> None:
    buffer = buffered(TextDelta("a"), TextDelta("b"), ReasoningDelta("c"), most=2)
    assert not buffer.full and len(buffer.events()) == 2
    buffer.add(TextDelta("d"))
    buffer.add(TextDelta("e"))
    assert buffer.full and buffer.events() == () and buffer.index == 5


def test_a_checkpoint_is_due_after_so_many_events_or_so_long() -> None:
    pace = Pace(10, 2.0)
    assert pace.due(1, 100.0), "the first one at once"
    assert not pace.due(1, 200.0), "nothing came"
    assert not pace.due(10, 101.0)
    assert pace.due(11, 101.0) and not pace.due(12, 102.9)
    assert pace.due(12, 103.0)


@pytest.mark.parametrize(
    ("events", "cursor", "ways"),
    [
        ([TextDelta("a")], CURSOR, ALL.ways),
        ([TextDelta("a")], None, ("prefix", "instruct", "restart")),
        ([TextDelta("a"), ReasoningDelta("b")], None, ("instruct", "restart")),
        ([TextDelta("a"), GeneratedFile("image/png")], None, ("instruct", "restart")),
        ([TextDelta(" \n"), TextDelta("x", aside=True)], None, ("restart",)),
        ([ReasoningDelta("b")], CURSOR, ("cursor", "restart")),
        ([TextDelta("a"), ToolCallDelta(0, "t", "{")], None, ("prefix", "instruct", "restart")),
        ([TextDelta("a"), ToolCall(0, "c", "t", {}, None, "{")], None, ("prefix", "instruct", "restart")),
        ([TextDelta("a"), ToolCall(0, "c", "t", {})], None, ("stop",)),
        ([TextDelta("a"), ToolCall(0, "c", "t", {})], CURSOR, ("cursor",)),
        ([TextDelta("a", refusal=True)], None, ("stop",)),
    ],
)
def test_what_an_answer_holds_closes_ways(events: list[Event], cursor: Cursor | None, ways: tuple[str, ...]) -> None:
    assert open_ways(ALL, events, cursor) == ways
    assert open_ways(Continuing(ways=()), events, cursor) == ("stop",)


def test_a_declaration_names_known_ways_the_best_first() -> None:
    assert ALL.fault == "" == Continuing().fault
    assert "'fly'" in Continuing(ways=("fly",)).fault  # type: ignore[arg-type]
    assert "'stop'" in Continuing(ways=("prefix", "stop")).fault
    assert "best" in Continuing(ways=("instruct", "prefix")).fault


@pytest.mark.parametrize(
    ("error", "tries", "wait"),
    [
        (errors.StreamInterrupted("x"), 0, 0.0),
        (errors.StreamInterrupted("x"), 1, 0.5),
        (errors.UpstreamTimeout("x"), 2, 1.0),
        (errors.Overloaded("x", retry_after=2.0), 0, 2.1),
        (errors.RateLimited("x", retry_after=90.0), 0, None),
        (errors.QuotaExhausted("x"), 0, None),
        (errors.BadAnswer("x"), 0, None),
        (errors.AnswerTooLarge("x"), 0, None),
        (errors.Cancelled("x"), 0, None),
        (errors.AuthenticationFailed("x"), 0, None),
        (errors.CircuitOpen("x"), 0, None),
    ],
)
def test_an_answer_goes_on_only_after_what_another_request_may_mend(
    error: errors.ProviderError, tries: int, wait: float | None
) -> None:
    found = wait_before_going_on(error, tries, 60.0, lambda: 0.5)
    assert found == (None if wait is None else pytest.approx(wait))
