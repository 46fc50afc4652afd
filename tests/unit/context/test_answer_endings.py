"""How an answer ends in the store: its state, its result, and how much it holds until then."""

from typing import Any

import pytest
from django.utils import timezone

from context_app.streams import transcript
from context_app.streams.transcript import MAX_ADVICE, MAX_ADVICE_CHARS, Transcript, decode, encode
from providers_app.types.advice import Advice
from providers_app.types.events import (
    ErrorInfo,
    Event,
    ReasoningDelta,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageReport,
)

BROKEN = ErrorInfo(code="overloaded", message="It broke.")


def gathered(*events: Event) -> Transcript:
    made = Transcript("demo")
    for event in events:
        made.add(event, 100)
    return made


@pytest.mark.parametrize(
    ("last", "cut", "state", "reason", "code"),
    [
        (StreamEnd("stop"), None, "complete", "stop", None),
        (StreamEnd("length"), BROKEN, "complete", "length", None),
        (None, None, "interrupted", "incomplete", "interrupted"),
        (None, BROKEN, "failed", "incomplete", "overloaded"),
        (None, ErrorInfo(code="interrupted", message="x"), "interrupted", "incomplete", "interrupted"),
        (StreamFailed(error=BROKEN), None, "failed", "error", "overloaded"),
        (StreamFailed(error=BROKEN, finish_reason="cancelled"), None, "cancelled", "cancelled", "overloaded"),
    ],
)
def test_the_state_and_the_result_of_an_answer(
    last: Event | None, cut: ErrorInfo | None, state: str, reason: str, code: str | None
) -> None:
    made = gathered(StreamStart("demo"), TextDelta("Hi"), *([last] if last else []))
    at = timezone.now()
    ending = made.ending(at, cut=cut)
    assert (ending.state, ending.at) == (state, at)
    assert (ending.result["text"], ending.result["complete"]) == ("Hi", state == "complete")
    assert ending.result["finish_reason"] == reason
    assert (ending.result.get("error") or {}).get("code") == code
    assert made.ending(at) == ending, "made again, it is the same"


def test_nothing_follows_the_end_and_the_last_usage_counts() -> None:
    made = gathered(
        TextDelta("Hi"),
        UsageReport(Usage(input_tokens=7)),
        ToolCallDelta(0, "look", "{"),
        UsageReport(Usage(input_tokens=9)),
        StreamEnd("stop"),
        TextDelta(" and more"),
        StreamFailed(error=BROKEN),
    )
    result = made.ending(timezone.now()).result
    assert (result["text"], result["usage"]["input_tokens"], result["complete"]) == ("Hi", 9, True)
    assert result["tool_calls"] == [] and isinstance(made.terminal, StreamEnd)


@pytest.mark.parametrize("fold", [1, 4, 16 * 1024])
def test_text_is_whole_however_it_was_cut_and_stays_apart_where_it_differs(
    monkeypatch: pytest.MonkeyPatch, fold: int
) -> None:
    monkeypatch.setattr(transcript, "FOLD_CHARS", fold)
    made = gathered(
        *(ReasoningDelta(word) for word in ("Let ", "me ", "see.")),
        ReasoningDelta("Then.", part=1),
        *(TextDelta(word) for word in ("Fine", " 🚢", " day", ".")),
        TextDelta("No.", refusal=True),
        ToolCall(0, "c", "look", {}),
        TextDelta("Done", opaque={"signature": "s"}),
        StreamEnd("stop"),
    )
    found: list[Any] = [(chunk.kind, chunk.content) for chunk in made.ending(timezone.now()).chunks]
    assert [content for kind, content in found if kind == "assistant"] == ["Fine 🚢 day.No.", "Done"] or found == [
        ("assistant", "Fine 🚢 day."),
        ("assistant", "No."),
        ("tool_call", "{}"),
        ("assistant", "Done"),
    ]


def test_what_an_answer_holds_is_its_text_and_what_is_around_each_run_of_it() -> None:
    made = Transcript("demo")
    made.add(TextDelta("abc"), 30)
    assert made.size == 30
    made.add(TextDelta("de"), 29)
    assert made.size == 32, "of one that goes on its text alone is kept"
    made.add(ReasoningDelta("fg"), 40)
    assert made.size == 72
    made.add(UsageReport(Usage(input_tokens=1)), 50)
    made.add(ToolCallDelta(0, "look", "{"), 60)
    assert made.size == 72
    made.add(ToolCall(0, "c", "look", {}), 70)
    assert made.size == 142
    made.add(TextDelta("hij"), 1)
    assert made.size == 145


@pytest.mark.parametrize("beyond", [0, 1])
def test_notes_are_stored_whole_up_to_their_limits(beyond: int) -> None:
    note = Advice(
        level="hint", field="top_p", what="w" * (MAX_ADVICE_CHARS + beyond), why="y" * (MAX_ADVICE_CHARS + beyond),
        nearest="n" * (MAX_ADVICE_CHARS + beyond),
    )  # fmt: skip
    event, _ = encode(StreamStart("m", advice=(note,) * (MAX_ADVICE + beyond)))
    assert isinstance(event, StreamStart)
    if not beyond:
        assert event.advice == (note,) * MAX_ADVICE
        return
    *kept, more = event.advice
    cut = "… (1 more characters)"
    assert {(one.what, one.why, one.nearest) for one in kept} == {
        ("w" * MAX_ADVICE_CHARS + cut, "y" * MAX_ADVICE_CHARS + cut, None)
    }
    assert len(kept) == MAX_ADVICE
    assert (more.level, more.field, more.code, more.what) == (
        "hint",
        "messages",
        "more",
        "1 more notes are not stored.",
    )


@pytest.mark.parametrize(("texts", "left"), [(("abcd",), ["abcd"]), (("abcde",), []), (("ab", "cd", "e"), [])])
def test_of_a_long_run_few_pieces_are_held(monkeypatch: pytest.MonkeyPatch, texts: Any, left: list[str]) -> None:
    monkeypatch.setattr(transcript, "FOLD_CHARS", 4)
    made = gathered(*(TextDelta(text) for text in texts))
    run: Any = made._events[0]
    assert run.pieces == left
    made.add(TextDelta("No.", refusal=True))
    assert run.pieces == [], "of a run that is over none"
    made.add(TextDelta("abcd", refusal=True))
    made.add(TextDelta("ef", refusal=True))
    assert made._events[1].pieces == ["ef"], "counted anew"  # type: ignore[union-attr]


def test_text_that_no_database_holds_is_replaced_in_every_part_of_an_event() -> None:
    clean = {"ke\ufffdy": ["a\ufffd", 7, None, {"x": "\ufffdb"}], "ok": "🚢"}
    event, data = encode(ToolCall(0, "c", "look", {"ke\x00y": ["a\ud800", 7, None, {"x": "\x00b"}], "ok": "🚢"}))
    assert isinstance(event, ToolCall) and event.arguments == clean
    assert b"\\u0000" not in data and decode(data) == event
    same = TextDelta("fine 🚢")
    assert encode(same)[0] is same
    assert encode(TextDelta("a\x00b"))[0] == TextDelta("a\ufffdb")
    start = StreamStart("demo")
    assert encode(start)[0] is start
