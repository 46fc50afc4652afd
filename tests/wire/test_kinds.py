"""Kinds of faults at any place of an answer, in every dialect where they can occur, with the bytes cut anywhere."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers_app import dialects, streaming
from providers_app.types.chat import ChatResult, TextPart
from providers_app.types.events import TextDelta
from tests.wire.cutting import events_of, pieces
from tests.wire.speaking import CARRIER, NAMES, USAGE, answer, call, sent, texts

CALLING = [name for name in NAMES if name != "gemini_generate"]
TEXT = ["Whis", "per ", "now"]
SAID = "".join(TEXT)
HEARTBEATS = [
    b"data:\n\n",
    b"data: \n\n",
    b"data: ping\n\n",
    b"data: [HEARTBEAT]\n\n",
    b": still there\n\n",
    b"event: keepalive\ndata:\n\n",
]
ERRORS = {
    "code": b'data: {"code": "InvalidParameter", "message": "Too long."}',
    "type": b'data: {"type": "invalid_request_error", "message": "Too long."}',
    "detail": b'data: {"detail": "Too long."}',
    "list": b'data: {"errors": [{"message": "Too long."}]}',
    "status": b'data: {"base_resp": {"status_code": 1004, "status_msg": "Too long."}}',
    "member": b'data: {"error": {"code": "InvalidParameter", "message": "Too long."}}',
    "event": b'event: error\ndata: {"code": "InvalidParameter", "message": "Too long."}',
    "plain": b"event: error\ndata: Too long.",
    "string": b'event: error\ndata: "Too long."',
    "one newline": b'data: {"type": "ping"}\nevent: error\ndata: {"message": "Too long."}',
}
EMPTY_ERRORS: list[Any] = [None, {}, "", [], False, {"code": None, "message": ""}, {"code": 0}]
ARGUMENTS = {"city": "Rome", "days": [1, 2], "deep": {"name": "Caf\u00e9 \U0001f600"}}
cuts = st.lists(st.integers(0, 100_000), max_size=6)


def read(name: str, wire: list[bytes], at: list[int]) -> ChatResult:
    """The result, which is the same whole and cut at these places."""
    body, dialect = b"".join(wire), dialects.by_name(name)
    found = streaming.fold(events_of(dialect, pieces(body, [one % (len(body) + 1) for one in at])))
    assert found == streaming.fold(events_of(dialect, [body]))
    return found


def is_whole(name: str, found: ChatResult, text: str = SAID) -> None:
    assert (found.text, found.complete, found.finish_reason, found.error) == (text, True, "stop", None)
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens) == (8, 2)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(cuts, st.lists(st.tuples(st.integers(0, 9), st.sampled_from(HEARTBEATS)), max_size=5))
def test_a_heartbeat_anywhere_is_nothing(name: str, at: list[int], beats: list[tuple[int, bytes]]) -> None:
    events: list[Any] = answer(name, texts(name, TEXT))
    for place, beat in beats:
        events.insert(place % len(events), beat)
    is_whole(name, read(name, sent(events), at))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=15, deadline=None)
@given(cuts, st.integers(0, 3))
def test_one_newline_between_events_is_enough(name: str, at: list[int], blank: int) -> None:
    events = answer(name, texts(name, TEXT))
    wire = [*sent(events[:blank]), *sent(events[blank:], b"\n")]
    is_whole(name, read(name, [*wire, b"data: [DONE]\n"], at))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(cuts, st.text(max_size=5), st.characters(min_codepoint=0x10000), st.text(max_size=5))
def test_halves_of_a_character_in_two_events_are_one(
    name: str, at: list[int], before: str, character: str, after: str
) -> None:
    encoded = character.encode("utf-16-be")
    high, low = (chr(int.from_bytes(half, "big")) for half in (encoded[:2], encoded[2:]))
    found = read(name, sent(answer(name, texts(name, [f"x{before}{high}", f"{low}{after}"]))), at)
    is_whole(name, found, f"x{before}{character}{after}")


@pytest.mark.parametrize("name", CALLING)
@settings(max_examples=25, deadline=None)
@given(cuts, st.integers(0, 200), st.booleans())
def test_halves_of_a_character_in_arguments_are_one(name: str, at: list[int], cut: int, escaped: bool) -> None:
    whole = json.dumps(ARGUMENTS, ensure_ascii=escaped)
    encoded = whole.encode("utf-16-be")
    units = [chr(int.from_bytes(encoded[i : i + 2], "big")) for i in range(0, len(encoded), 2)]
    cut %= len(units)
    found = read(name, sent(answer(name, call(name, ["".join(units[:cut]), "".join(units[cut:])]))), at)
    assert [(one.name, one.arguments) for one in found.tool_calls] == [("w", ARGUMENTS)]


@pytest.mark.parametrize("name", CALLING)
@settings(max_examples=40, deadline=None)
@given(cuts, st.integers(1, 200), st.booleans(), st.integers(0, 200))
def test_arguments_that_come_again_whole_are_that_object_once(
    name: str, at: list[int], cut: int, spaced: bool, second: int
) -> None:
    tight, loose = json.dumps(ARGUMENTS, separators=(",", ":")), json.dumps(ARGUMENTS)
    first, again = (tight, loose) if spaced else (loose, tight)
    cut = cut % len(first) + 1
    second %= len(again)
    found = read(name, sent(answer(name, call(name, [first[:cut], again[:second], again[second:]]))), at)
    assert [(one.arguments, one.invalid_arguments) for one in found.tool_calls] == [(ARGUMENTS, None)]


@pytest.mark.parametrize("name", CALLING)
@settings(max_examples=15, deadline=None)
@given(cuts, st.integers(0, 200))
def test_arguments_in_a_string_are_the_object(name: str, at: list[int], cut: int) -> None:
    whole = json.dumps(json.dumps(ARGUMENTS))
    cut %= len(whole)
    found = read(name, sent(answer(name, call(name, [whole[:cut], whole[cut:]]))), at)
    assert [one.arguments for one in found.tool_calls] == [ARGUMENTS]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(cuts, st.lists(st.tuples(st.integers(0, 9), st.sampled_from(EMPTY_ERRORS)), min_size=1, max_size=3))
def test_an_empty_error_beside_a_good_answer_is_none(name: str, at: list[int], given_: list[tuple[int, Any]]) -> None:
    events = answer(name, texts(name, TEXT))
    for place, error in given_:
        events[place % len(events)]["error"] = error
    is_whole(name, read(name, sent(events), at))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(cuts, st.integers(0, 3), st.sampled_from(sorted(ERRORS)))
def test_an_error_in_any_form_is_the_servers_words(name: str, at: list[int], place: int, form: str) -> None:
    error = ERRORS[form] + b"\n\n"
    found = read(name, [*sent(answer(name, texts(name, TEXT))[:place]), error], at)
    assert (found.complete, found.finish_reason, SAID.startswith(found.text)) == (False, "error", True)
    assert found.error is not None and found.error.message == "Too long."


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "anthropic_messages"])
def test_usage_beside_an_error_is_counted(name: str, begun: bool) -> None:
    error: dict[str, Any] = {"error": {"code": "server_error", "message": "Overloaded."}}
    error[CARRIER.get(name, "usage")] = USAGE[name]
    if name == "openai_responses":
        error = {"type": "response.failed", "response": {"id": "r", "status": "failed", **error}}
    found = read(name, sent([*(answer(name, texts(name, TEXT))[:3] if begun else []), error]), [])
    assert found.error is not None and found.error.message == "Overloaded."
    assert found.usage is not None and (found.usage.input_tokens, found.usage.output_tokens) == (8, 2)


FOREIGN = [*USAGE.values(), {"inputTokens": 8, "outputTokens": 2}, {"promptTokens": 8, "completionTokens": 2}]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(cuts, st.sampled_from(FOREIGN), st.booleans(), st.booleans())
def test_usage_by_any_names_as_text_and_with_a_later_zero(
    name: str, at: list[int], usage: dict[str, int], as_text: bool, zeros: bool
) -> None:
    counted: dict[str, Any] = {key: str(value) if as_text else value for key, value in usage.items()}
    events = answer(name, texts(name, TEXT), counted)
    if zeros:
        carrier = CARRIER.get(name, "usage")
        first, last = events[0], events[-2 if name == "anthropic_messages" else -1]
        first = first.get("message") or first.get("response") or first
        last = last.get("response") or last
        first[carrier], last[carrier] = counted, dict.fromkeys(counted, 0)
    is_whole(name, read(name, sent(events), at))


@pytest.mark.parametrize("name", ["openai_chat", "gemini_generate"])
@settings(max_examples=15, deadline=None)
@given(cuts, st.integers(0, 3), st.booleans(), st.booleans())
def test_an_index_that_rises_by_chunk_is_one_answer(
    name: str, at: list[int], base: int, as_text: bool, roles: bool
) -> None:
    events = answer(name, texts(name, TEXT))
    for number, event in enumerate(events, base):
        (one,) = event.get("choices") or event["candidates"]
        one["index"] = str(number) if as_text else number
        if roles and "delta" in one:
            one["delta"]["role"] = "assistant"
    is_whole(name, read(name, sent(events), at))


@pytest.mark.parametrize("place", range(4))
def test_a_further_choice_that_was_not_asked_for_is_not_read(place: int) -> None:
    events = answer("openai_chat", texts("openai_chat", TEXT))
    events[0]["choices"][0]["delta"]["role"] = "assistant"
    for number, piece in enumerate(("An", "other")):
        delta = {"content": piece} | ({} if number else {"role": "assistant"})
        events.insert(1 + place % 3 + number * 2, {"model": "m", "choices": [{"index": 1, "delta": delta}]})
    is_whole("openai_chat", read("openai_chat", sent(events), []))


def repeated(name: str, text: str) -> list[dict[str, Any]]:
    """An answer whose end repeats all of it."""
    events = answer(name, texts(name, TEXT))
    if name == "openai_chat":
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        events[-1] = {"object": "chat.completion", "model": "m", "choices": [choice], "usage": USAGE[name]}
    elif name == "anthropic_messages":
        content = [{"type": "text", "text": text}]
        whole = {"id": "m", "model": "m", "content": content, "stop_reason": "end_turn", "usage": USAGE[name]}
        events[-1]["message"] = whole
    else:
        item = {"type": "message", "content": [{"type": "output_text", "text": text}]}
        events[-1]["response"]["output"] = [{"type": "reasoning", "summary": []}, item]
    return events


@pytest.mark.parametrize("name", CALLING)
@settings(max_examples=10, deadline=None)
@given(cuts)
def test_an_end_that_repeats_the_answer_does_not_double_it(name: str, at: list[int]) -> None:
    is_whole(name, read(name, sent(repeated(name, SAID)), at))


def test_a_closing_message_that_has_more_than_the_deltas_brings_the_rest() -> None:
    assert read("openai_chat", sent(repeated("openai_chat", f"{SAID}!")), []).text == f"{SAID}!"


@pytest.mark.parametrize("name", NAMES)
def test_the_model_is_that_of_a_fallback(name: str) -> None:
    events = answer(name, texts(name, TEXT))
    if name == "anthropic_messages":
        block = {"type": "fallback", "from": {"model": "m"}, "to": {"model": "other"}}
        events.insert(1, {"type": "content_block_start", "index": 7, "content_block": block})
        events.insert(2, {"type": "content_block_stop", "index": 7})
    elif name == "openai_responses":
        events[-1]["response"]["model"] = "other"
    elif name == "openai_chat":
        events[-1]["model"] = "other"
    else:
        events[0]["modelVersion"], events[-1]["modelVersion"] = "m", "other"
    assert read(name, sent(events), []).model == "other"


@pytest.mark.parametrize("content", [{"title": "A"}, [1, 2], {"text": {"deep": 1}}])
@pytest.mark.parametrize("name", NAMES)
def test_a_text_that_is_an_object_is_its_json(name: str, content: Any) -> None:
    found = read(name, sent(answer(name, texts(name, [content]))), [])
    is_whole(name, found, json.dumps(content, separators=(",", ":")))


def test_a_text_of_the_older_format_is_text() -> None:
    events = [{"model": "m", "choices": [{"index": 0, "text": one}]} for one in TEXT]
    is_whole("openai_chat", read("openai_chat", sent(answer("openai_chat", events)), []))


@pytest.mark.parametrize("name", ["openai_responses", "anthropic_messages", "gemini_generate"])
def test_separate_blocks_of_text_are_shown_apart(name: str) -> None:
    first, second = texts(name, ["One."]), texts(name, ["Two", "."])
    between: list[dict[str, Any]] = []
    if name == "gemini_generate":
        code = {"executableCode": {"language": "PYTHON", "code": "1"}}
        between = [{"candidates": [{"index": 0, "content": {"parts": [code]}}]}]
    for event in second:
        event.update({"output_index": 1, "item_id": "i1"} if name == "openai_responses" else {})
        event.update({"index": 1} if name == "anthropic_messages" else {})
    body = b"".join(sent(answer(name, [*first, *between, *second])))
    found = events_of(dialects.by_name(name), [body])
    assert "".join(one.text for one in found if isinstance(one, TextDelta)) == "One.\n\nTwo."
    result = streaming.fold(found)
    assert result.text == "One.Two.", "the words of the model alone"
    assert result.shown_text == "One.\n\nTwo.", "as the page shows them"
    sent_back = [part.text for part in result.parts if isinstance(part, TextPart)]
    assert sent_back == (["One.", "Two."] if between else ["One.\n\nTwo."])


def test_rounds_that_are_billed_are_added_and_kept() -> None:
    rounds = [{"type": "compaction", "input_tokens": 100, "output_tokens": 20, "cache_read_input_tokens": 5}]
    rounds.append({"type": "message", "input_tokens": 8, "output_tokens": 2})
    usage = {"input_tokens": 8, "output_tokens": 2, "iterations": rounds}
    found = read("anthropic_messages", sent(answer("anthropic_messages", texts("anthropic_messages", TEXT), usage)), [])
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens, found.usage.total_tokens) == (113, 22, 135)
    assert (found.usage.cached_input_tokens, found.usage.raw["iterations"]) == (5, rounds)


@pytest.mark.parametrize("end", [True, False])
@pytest.mark.parametrize(
    ("path", "pieces_", "arguments"),
    [
        ("$.a.b[1]", [{"numberValue": 3}], {"a": {"b": [3]}}),
        ("$['a b']", [{"stringValue": "Bos"}, {"stringValue": "ton"}], {"a b": "Boston"}),
        ("$.list[0].x", [{"boolValue": True}], {"list": [{"x": True}]}),
        ("$.none", [{"nullValue": "NULL_VALUE"}], {"none": None}),
    ],
)
def test_arguments_by_their_path(path: str, pieces_: list[Any], arguments: Any, end: bool) -> None:
    parts: list[dict[str, Any]] = [{"functionCall": {"name": "w", "willContinue": True}}]
    parts += [
        {"functionCall": {"partialArgs": [{"jsonPath": path, **piece}], "willContinue": True}} for piece in pieces_
    ]
    parts += [{"functionCall": {}}] if end else []
    middle = [{"candidates": [{"content": {"parts": [part]}}]} for part in parts]
    found = read("gemini_generate", sent(answer("gemini_generate", middle)), [])
    assert [(one.arguments, one.invalid_arguments) for one in found.tool_calls] == [(arguments, None)]
    cut = read("gemini_generate", sent(answer("gemini_generate", middle, finish="MAX_TOKENS")), [])
    assert end or cut.tool_calls[0].invalid_arguments


@pytest.mark.parametrize("known", ["at the start", "at the end", "never"])
@pytest.mark.parametrize("name", ["x_search", "mine"])
def test_a_custom_tool_that_was_not_declared_is_the_providers_own(name: str, known: str) -> None:
    item = {"type": "custom_tool_call", "id": "i", "call_id": "x", "name": name, "input": "q"}
    middle = [
        {"type": "response.output_item.added", "output_index": 0, "item": {**item, "input": ""}},
        {"type": "response.custom_tool_call_input.delta", "output_index": 0, "item_id": "i", "delta": "q"},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
    ]
    events = answer("openai_responses", middle)
    tools = [{"type": "x_search"}, {"type": "custom", "name": "mine"}]
    for place, told in ((0, known == "at the start"), (-1, known != "never")):
        events[place]["response"] |= {"tools": tools} if told else {}
    found = read("openai_responses", sent(events), [])
    ours = name == "mine" or known == "never"
    assert [one.arguments for one in found.tool_calls] == ([{"input": "q"}] if ours else [])
    assert [one.data for one in found.server_tools] == ([] if ours else [item])
    assert (found.finish_reason, found.complete) == ("tool_calls" if ours else "stop", True)


def test_blocks_that_all_have_one_index_are_several() -> None:
    name = "anthropic_messages"
    events = answer(name, [*texts(name, TEXT), *call(name, ['{"a":', "1}"])], finish="tool_use")
    tool = {"type": "tool_use", "id": "a", "name": "w", "input": {"a": 1}}
    events[-1]["message"] = {"content": [{"type": "text", "text": SAID}, tool], "stop_reason": "tool_use"}
    found = read(name, sent(events), [])
    assert (found.text, [one.arguments for one in found.tool_calls]) == (SAID, [{"a": 1}])


def test_a_block_that_was_whole_at_the_start_is_not_read_again() -> None:
    name = "anthropic_messages"
    events = answer(name, texts(name, TEXT))
    events[0]["message"]["content"] = [{"type": "text", "text": SAID}]
    is_whole(name, read(name, sent(events), []))
