"""An answer that is read a second time from its beginning: what was shown is left out, whatever pieces it comes in."""

import random
from typing import Any

import pytest
from msgspec.structs import replace

from providers_app.errors import CannotContinue
from providers_app.resilience.repetition import Repetition
from providers_app.types.events import (
    ErrorInfo,
    Event,
    OpaqueBlock,
    ReasoningDelta,
    StreamContinued,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageReport,
)

FAILED = StreamFailed(ErrorInfo(code="stream_interrupted", message="cut"))
WHOLE: list[Event] = [
    StreamStart("m", "r", resumable=True),
    ReasoningDelta("first thought", 0),
    ReasoningDelta("second", 1),
    ReasoningDelta("", 1, {"encrypted": "x"}),
    TextDelta("A sentence, "),
    UsageReport(Usage(input_tokens=1)),
    TextDelta("and its end."),
    TextDelta("\n\n", aside=True),
    TextDelta("last", {"annotation": 1}),
    OpaqueBlock(kind="search", data={"a": 1}),
    ToolCallDelta(0, "look", ""),
    ToolCallDelta(0, "look", '{"at": 1}'),
    ToolCall(0, "c1", "look", {"at": 1}),
    UsageReport(Usage(input_tokens=1, output_tokens=9)),
    StreamEnd("tool_calls"),
]
FIELDS: dict[type, str] = {TextDelta: "text", ReasoningDelta: "text", ToolCallDelta: "arguments"}


def pieces(events: list[Event], draw: random.Random) -> list[Event]:
    """The same answer in other pieces: each text cut anew; what is attached to it stays with its last piece."""
    found: list[Event] = []
    for event in events:
        name = FIELDS.get(type(event), "")
        rest = str(getattr(event, name)) if name else ""
        while len(rest) > 1 and draw.random() < 0.7:
            cut = draw.randrange(1, len(rest))
            changed: dict[str, Any] = {name: rest[:cut]} | ({} if name == "arguments" else {"opaque": None})
            found.append(replace(event, **changed))
            rest = rest[cut:]
        found.append(replace(event, **{name: rest}) if name else event)
    return found


def content(events: list[Event]) -> list[Any]:
    """What the events say, wherever they are cut."""
    found: list[Any] = []
    for event in events:
        if isinstance(event, StreamStart | UsageReport | StreamContinued | StreamEnd | StreamFailed):
            continue
        name = FIELDS.get(type(event), "")
        if not name:
            found.append(event)
            continue
        marks = {name: ""} | ({} if name == "arguments" else {"opaque": None})
        kind, opaque = replace(event, **marks), getattr(event, "opaque", None)
        if found and isinstance(found[-1], list) and found[-1][0] == kind:
            found[-1][1] += getattr(event, name)
        else:
            found.append([kind, getattr(event, name)])
        if opaque is not None:
            found.append(opaque)
    return found


@pytest.mark.parametrize("seed", range(300))
def test_what_was_shown_and_what_is_new_are_the_whole_answer_once(seed: int) -> None:
    draw = random.Random(seed)
    first, again = pieces(WHOLE, draw), pieces(WHOLE, draw)
    shown = first[: draw.randrange(len(first))]
    repetition = Repetition([*shown, StreamContinued("cursor", 3), FAILED])
    new = [rest for event in again if (rest := repetition.rest(event)) is not None]
    assert repetition.over and content([*shown, *new]) == content(WHOLE)
    assert new[-1] == WHOLE[-1]
    assert Repetition(again[:-1]).rest(again[1]) is None


def test_an_answer_that_breaks_again_says_so_and_shows_nothing_twice() -> None:
    repetition = Repetition(WHOLE[:6])
    assert [repetition.rest(event) for event in (WHOLE[0], WHOLE[1], FAILED)] == [None, None, FAILED]
    assert not repetition.over and repetition.rest(TextDelta("")) is None


@pytest.mark.parametrize(
    "other",
    [
        [TextDelta("Another")],
        [TextDelta("A sentences")],
        [TextDelta("A sentence", refusal=True)],
        [ReasoningDelta("A sentence", 0)],
        [TextDelta("A sen"), StreamEnd("stop")],
        [TextDelta("A sentence and more")],
        [ToolCall(0, "c1", "look", {})],
    ],
)
def test_another_answer_is_not_joined_to_it(other: list[Event]) -> None:
    repetition = Repetition([TextDelta("A sentence"), ToolCall(0, "c0", "find", {})])
    with pytest.raises(CannotContinue, match="not the one"):
        for event in other:
            repetition.rest(event)


def test_a_tool_call_is_the_same_under_another_id_of_ours() -> None:
    repetition = Repetition([ToolCall(0, "c1", "look", {"at": 1})])
    assert repetition.rest(ToolCall(0, "c2", "look", {"at": 1})) is None and repetition.over
