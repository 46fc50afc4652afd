"""Every dialect against recorded answers of our own making, cut at every place; runs without anything else."""

from collections.abc import AsyncIterator

import pytest

from providers_app import dialects, streaming
from providers_app.types.events import StreamEnd, StreamFailed, ToolCall, ToolCallDelta
from tests.wire import fixture_cases, recordings
from tests.wire.cutting import events_of, pieces, single_bytes
from tests.wire.fixture_cases import FixtureCase

ALL = fixture_cases.all_cases()
ANSWERED = [case for case in ALL if case.status < 400]
EVERY_DIALECT_HAS = {
    "text",
    "tools",
    "parallel_tools",
    "reasoning",
    "error_before_stream",
    "error_mid_stream",
    "truncated",
}


def _names(cases: list[FixtureCase]) -> list[str]:
    return [case.name for case in cases]


def test_the_fixtures_say_whether_recordings_ran_too(capsys: pytest.CaptureFixture[str]) -> None:
    beside = f"and the recordings of {recordings.ROOT}" if recordings.available() else "and no recordings (no folder)"
    with capsys.disabled():
        print(f"\nfixtures: {len(ALL)} answers run, {beside}")
    assert len(ALL) >= len(fixture_cases.DIALECTS) * len(EVERY_DIALECT_HAS)


def test_every_dialect_has_every_kind_of_answer() -> None:
    for dialect in fixture_cases.DIALECTS:
        have = {case.name.split("/")[1] for case in ALL if case.dialect == dialect}
        assert have >= EVERY_DIALECT_HAS, dialect


@pytest.mark.parametrize("case", ALL, ids=_names(ALL))
def test_answer_gives_the_expected_result(case: FixtureCase) -> None:
    result = streaming.parse_response("remote", case.body, case.status, case.headers, dialect=case.dialect)
    assert fixture_cases.seen_of(case, result) == case.result


@pytest.mark.parametrize("case", ANSWERED, ids=_names(ANSWERED))
def test_any_cut_gives_the_same_events(case: FixtureCase) -> None:
    dialect = dialects.by_name(case.dialect)
    whole = events_of(dialect, [case.body])
    assert events_of(dialect, single_bytes(case.body)) == whole
    for at in range(len(case.body)):
        assert events_of(dialect, pieces(case.body, [at])) == whole, f"cut at {at}"


@pytest.mark.parametrize("case", ANSWERED, ids=_names(ANSWERED))
def test_an_answer_that_breaks_off_anywhere_fails_once_and_runs_no_tool_of_less(case: FixtureCase) -> None:
    dialect = dialects.by_name(case.dialect)
    whole = streaming.fold(events_of(dialect, [case.body]))
    runnable = [call for call in whole.tool_calls if call.invalid_arguments is None]
    for at in range(len(case.body)):
        events = events_of(dialect, [case.body[:at]])
        ends = [event for event in events if isinstance(event, StreamEnd | StreamFailed)]
        assert ends == [events[-1]], f"broken off at {at}"
        part = streaming.fold(events)
        assert whole.text.startswith(part.text)
        if part.complete:
            assert (part.text, part.tool_calls) == (whole.text, whole.tool_calls), f"broken off at {at}"
        elif case.result.get("complete"):
            assert part.error is not None
            assert part.error.code == "stream_interrupted"
            assert part.finish_reason == "incomplete"
        assert part.usage is None or part.complete or part.usage.source == "partial"
        for event in events:
            if isinstance(event, ToolCall) and event.invalid_arguments is None:
                assert (event.name, event.arguments) in [(call.name, call.arguments) for call in runnable]


async def test_reading_stops_at_the_end_even_if_the_connection_stays_open() -> None:
    case = next(case for case in ALL if case.name == "openai_chat/text")

    async def endless() -> AsyncIterator[bytes]:
        yield case.body
        raise AssertionError("read on after the end")

    result = await streaming.collect(streaming.parse_stream("remote", endless(), dialect="openai_chat"))
    assert result.complete


async def test_an_answer_without_any_byte_is_interrupted() -> None:
    async def nothing() -> AsyncIterator[bytes]:
        return
        yield b""

    for name in fixture_cases.DIALECTS:
        result = await streaming.collect(streaming.parse_stream("remote", nothing(), dialect=name))
        assert (result.complete, result.finish_reason) == (False, "incomplete")
        assert result.error is not None
        assert result.error.code == "stream_interrupted"


@pytest.mark.parametrize("case", ANSWERED, ids=_names(ANSWERED))
def test_the_pieces_of_a_call_are_told_with_its_name_and_the_providers_id(case: FixtureCase) -> None:
    events = events_of(dialects.by_name(case.dialect), [case.body])
    whole = {event.index: (event.name, event.provider_id) for event in events if isinstance(event, ToolCall)}
    for event in events:
        if isinstance(event, ToolCallDelta) and event.index in whole:
            assert (event.name, event.provider_id) == whole[event.index]


def test_a_result_is_json_ready_with_the_names_of_the_interface() -> None:
    case = next(case for case in ALL if case.name == "anthropic_messages/parallel_tools")
    result = streaming.parse_response("remote", case.body, dialect="anthropic_messages").to_dict()
    assert {"text", "reasoning_text", "tool_calls", "finish_reason", "usage", "complete", "error"} <= set(result)
    assert {"id", "provider_id", "name", "arguments"} <= set(result["tool_calls"][0])
    assert result["usage"]["source"] == "provider", "else it is an estimate"
    again = streaming.parse_response("remote", case.body, dialect="anthropic_messages").to_dict()
    assert again["tool_calls"] == result["tool_calls"]  # ids are stable
