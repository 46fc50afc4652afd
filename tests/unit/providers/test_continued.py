"""The requests of an answer that goes on, without a network: what of a second break is shown."""

import pytest

from providers_app.dialects.openai_chat import OpenAIChat, RequestForm
from providers_app.dispatch.continued import Continued
from providers_app.resilience.checkpoint import StreamCheckpoint
from providers_app.types.chat import ChatRequest, Message, TextPart
from providers_app.types.events import (
    ErrorInfo,
    Event,
    StreamContinued,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
    Usage,
    UsageReport,
)

CHAT = ChatRequest(model="m", messages=(Message("user", (TextPart("Count."),)),))
DIALECT = OpenAIChat(request=RequestForm(prefix="flag", echo=True), continues=True)
SHOWN = "One two three four "
FIRST, SECOND = (StreamFailed(ErrorInfo(code="stream_interrupted", message=which)) for which in ("first", "second"))


def going_on(way: str) -> Continued:
    checkpoint = StreamCheckpoint(
        owner=1,
        provider="p",
        session="s",
        model="m",
        request=CHAT,
        events=(StreamStart("m"), TextDelta(SHOWN), UsageReport(Usage(input_tokens=3, output_tokens=4)), FIRST),
        last_index=4,
    )
    rounds = Continued(1, CHAT, replay=False)
    chat = rounds.resume(checkpoint, way, DIALECT)  # type: ignore[arg-type]
    assert chat.messages[1] == Message("assistant", (TextPart(SHOWN.rstrip()),))
    return rounds


def texts(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


@pytest.mark.parametrize(("way", "begun"), [("prefix", "One two"), ("instruct", "three f")])
def test_a_break_within_the_repetition_shows_nothing_of_it_and_keeps_the_first_reason(way: str, begun: str) -> None:
    found = going_on(way).shown([StreamStart("m"), TextDelta(begun), SECOND])
    assert found == [FIRST]


@pytest.mark.parametrize(("way", "again"), [("prefix", SHOWN), ("instruct", "One two three four ")])
def test_a_break_behind_it_shows_what_is_new_and_the_new_reason(way: str, again: str) -> None:
    found = going_on(way).shown([StreamStart("m"), TextDelta(f"{again}five"), SECOND])
    assert found == [StreamContinued(way, len(SHOWN), "first"), TextDelta("five"), SECOND]  # type: ignore[arg-type]


def test_the_end_of_an_answer_that_was_not_counted_has_estimated_tokens_on_top() -> None:
    found = going_on("prefix").shown([StreamStart("m"), TextDelta(f"{SHOWN}five six"), StreamEnd("stop")])
    assert texts(found) == "five six" and isinstance(found[-1], StreamEnd)
    (usage,) = [event.usage for event in found if isinstance(event, UsageReport)]
    assert usage.source == "estimated" and len(usage.raw["rounds"]) == 2
    assert (usage.input_tokens or 0) > 3 and (usage.output_tokens or 0) == 4 + 2
