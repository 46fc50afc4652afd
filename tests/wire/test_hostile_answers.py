"""Answers that are made to take much memory or time: each ends early, whatever the dialect."""

import json
from typing import Any

import pytest

from providers_app.dialects import by_name
from providers_app.dialects.answer import MAX_CALLS, MAX_PARTS
from providers_app.dialects.reader import AnswerReader
from providers_app.errors import AnswerTooLarge
from providers_app.types.events import ToolCall
from providers_app.wire import payload


def sse(value: Any) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def chat(**delta: Any) -> Any:
    return {"id": "1", "model": "m", "choices": [{"index": 0, "delta": delta}]}


def call(number: int, **function: Any) -> Any:
    return chat(tool_calls=[{"index": number, "id": f"c{number}", "function": function}])


def block(index: int, **content: Any) -> Any:
    return {"type": "content_block_start", "index": index, "content_block": content}


def function(path: str, **more: Any) -> Any:
    name = {} if more.pop("goes_on", False) else {"name": "f"}
    piece = {"functionCall": {**name, "partialArgs": [{"jsonPath": path, **more}], "willContinue": True}}
    return {"candidates": [{"content": {"parts": [piece]}}]}


MANY = range(MAX_PARTS * 10 + 10)
HOSTILE = {
    "calls": ("openai_chat", (call(n, name="f", arguments="") for n in MANY), f"more than {MAX_CALLS} tool calls"),
    "a name in pieces": ("openai_chat", (call(0, name="f" * n) for n in MANY), "names a tool"),
    "details that show nothing": (
        "openai_chat",
        (chat(reasoning_details=[{"type": "reasoning.encrypted", "data": "x"}] * 100) for n in MANY),
        f"more than {MAX_PARTS} parts",
    ),
    "blocks": ("anthropic_messages", (block(n, type="text") for n in MANY), f"more than {MAX_PARTS} parts"),
    "items": (
        "openai_responses",
        ({"type": "response.output_item.added", "output_index": n, "item": {"type": "message"}} for n in MANY),
        f"more than {MAX_PARTS} parts",
    ),
    "steps of arguments": (
        "gemini_generate",
        (function(f"$.a{n}", numberValue=1, goes_on=n > 0) for n in range(MAX_PARTS * 11)),
        f"more than {MAX_PARTS} parts",
    ),
    "levels of arguments": ("gemini_generate", (function("$" + ".a" * 500, numberValue=1) for n in MANY), "200 levels"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_grows_without_showing_anything_is_ended(name: str) -> None:
    dialect, values, match = HOSTILE[name]
    reader = AnswerReader(by_name(dialect))
    with pytest.raises(AnswerTooLarge, match=match):
        for value in values:
            reader.feed(sse(value))


def test_pieces_of_a_long_string_become_one_argument() -> None:
    reader = AnswerReader(by_name("gemini_generate"))
    for number in range(3):
        reader.feed(sse(function("$.text", stringValue="ab", goes_on=number > 0)))
    last = {"functionCall": {}}
    end = {"candidates": [{"content": {"parts": [last]}, "finishReason": "STOP"}]}
    events = [*reader.feed(sse(end)), *reader.close()]
    assert [event.arguments for event in events if isinstance(event, ToolCall)] == [{"text": "ababab"}]


def test_a_closing_message_that_repeats_the_text_adds_its_rest_only() -> None:
    reader = AnswerReader(by_name("openai_chat"))
    reader.feed(sse(chat(content="Gr\u00fc")))
    reader.feed(sse(chat(content="\u00dfe")))
    closing = {"choices": [{"index": 0, "message": {"content": "Gr\u00fc\u00dfe, Welt"}, "finish_reason": "stop"}]}
    other = {"choices": [{"index": 0, "message": {"content": "Something else"}, "finish_reason": "stop"}]}
    assert [getattr(event, "text", None) for event in reader.feed(sse(closing))] == [", Welt"]
    assert reader.feed(sse(other)) == []


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 201 + b"]" * 201,
        b'{"a":' * 201 + b"1" + b"}" * 201,
        b"[" * 100_000,
        b"[" * 201 + b"NaN" + b"]" * 201,
        b"[" + b"1," * payload.MAX_VALUES + b"1]",
        b"[" + b"[]," * payload.MAX_VALUES + b"1]",
    ],
    ids=["arrays", "objects", "cut", "lenient", "values", "empty arrays"],
)
def test_json_that_is_too_deep_or_has_too_many_values_is_none(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"nested too deeply|too many values"):
        payload.decode(data)


def test_json_that_is_deep_and_wide_enough_for_anybody_is_read() -> None:
    assert payload.decode(b"[" * 200 + b"]" * 200)
    assert len(payload.decode(b"[" + b"[]," * 1000 + b"1]")) == 1001
    assert payload.decode(b'{"a":[1,NaN]}') == {"a": [1, None]}


def test_a_long_text_is_not_read_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payload, "MAX_LENIENT", 5)
    with pytest.raises(ValueError, match="not valid"):
        payload.decode(b"[1,NaN]")


def test_arguments_that_are_very_long_are_not_searched_for_a_repetition() -> None:
    twice = '{"a": "%s"}'
    short, long = twice % "x", twice % ("x" * payload.MAX_REPEATED)
    assert payload.arguments(short[:-1] + short) == ({"a": "x"}, None)
    assert payload.arguments(long[:-1] + long) == ({}, long[:-1] + long)


def test_halves_of_characters_do_not_pile_up() -> None:
    halves: payload.Halves = {}
    for number in range(payload.MAX_HALVES + 10):
        payload.decode(b'{"a%d": "\\ud83d"}' % number, halves)
    assert len(halves) == payload.MAX_HALVES
