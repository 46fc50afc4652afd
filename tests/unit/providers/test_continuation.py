"""The requests of one answer that a provider pauses: shown as one, numbered on, counted together."""

import msgspec
import pytest

from providers_app.dispatch.events import ROUNDS, Continuation, added
from providers_app.types.chat import ChatRequest, Message, ReasoningPart, TextPart, ToolCallPart
from providers_app.types.events import (
    Event,
    ReasoningDelta,
    StreamEnd,
    StreamStart,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageReport,
)

CHAT = ChatRequest(model="m", messages=(Message("user", (TextPart("Go on."),)),))


def usage(sent: int | None, generated: int, cached: int | None = None) -> Usage:
    return Usage(input_tokens=sent, output_tokens=generated, cached_input_tokens=cached, raw={"sent": sent})


def answer(name: str, finish: str, counted: Usage | None) -> list[Event]:
    events: list[Event] = [
        StreamStart("m"),
        ReasoningDelta("hm ", 0),
        ReasoningDelta(name, 1),
        TextDelta(name),
        ToolCallDelta(0, "f", "{}"),
        ToolCall(0, f"c-{name}", "f", {}),
        ToolCall(1, f"d-{name}", "f", {}),
    ]
    if counted is not None:
        events.append(UsageReport(counted))
    return [*events, StreamEnd(finish, model=name)]  # type: ignore[arg-type]


def test_an_answer_of_one_request_is_shown_as_it_is() -> None:
    rounds = Continuation(CHAT)
    events = answer("a", "stop", usage(1, 2))
    assert rounds.shown(list(events)) == events
    assert rounds.next_chat() is None


def test_a_paused_answer_goes_on_with_all_of_it_and_is_shown_as_one() -> None:
    rounds = Continuation(CHAT)
    first, second = answer("a", "pause", usage(5, 2, 1)), answer("b", "stop", usage(9, 3))
    assert rounds.shown(list(first)) == first[:-1]
    chat = rounds.next_chat()
    assert chat is not None and rounds.next_chat() is None
    parts = (ReasoningPart("hm "), ReasoningPart("a"), TextPart("a"))
    calls = (ToolCallPart("c-a", "f", {}), ToolCallPart("d-a", "f", {}))
    assert chat == msgspec.structs.replace(CHAT, messages=(*CHAT.messages, Message("assistant", (*parts, *calls))))
    raw = {"rounds": [{"sent": 5}, {"sent": 9}]}
    assert rounds.shown(list(second)) == [
        TextDelta("\n\n", aside=True),
        ReasoningDelta("hm ", 2),
        ReasoningDelta("b", 3),
        TextDelta("b"),
        ToolCallDelta(2, "f", "{}"),
        ToolCall(2, "c-b", "f", {}),
        ToolCall(3, "d-b", "f", {}),
        UsageReport(Usage(input_tokens=14, output_tokens=5, cached_input_tokens=1, raw=raw)),
        StreamEnd("stop", model="b"),
    ]
    assert rounds.next_chat() is None


def test_so_many_requests_and_no_more_make_one_answer() -> None:
    rounds, chats = Continuation(CHAT), [CHAT]
    for _ in range(ROUNDS - 1):
        assert rounds.shown(answer("a", "pause", None))[-1] != StreamEnd("pause", model="a")
        chat = rounds.next_chat()
        assert chat is not None
        chats.append(chat)
    assert rounds.shown(answer("a", "pause", None))[-1] == StreamEnd("pause", model="a")
    assert rounds.next_chat() is None
    assert [len(chat.messages) for chat in chats] == [1, *[2] * (ROUNDS - 1)]
    assert [len(chat.messages[-1].parts) for chat in chats[1:]] == sorted(len(c.messages[-1].parts) for c in chats[1:])
    assert ROUNDS == 5


@pytest.mark.parametrize("counted", [[usage(1, 2)], [usage(None, 2), usage(None, 3)], [usage(None, 2), usage(4, 3, 0)]])
def test_tokens_are_added_where_any_request_counts_them(counted: list[Usage]) -> None:
    found = added(counted)
    if len(counted) == 1:
        assert found is counted[0]
        return
    known = [one.input_tokens for one in counted if one.input_tokens is not None]
    assert found.input_tokens == (sum(known) if known else None)
    assert (found.output_tokens, found.reasoning_tokens, found.total_tokens) == (5, None, None)
    assert found.cached_input_tokens == counted[-1].cached_input_tokens
    assert found.raw == {"rounds": [one.raw for one in counted]}
