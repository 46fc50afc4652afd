"""What servers that resemble Chat Completions do differently, and what becomes of it."""

import json
from typing import Any

import pytest

from providers_app import streaming
from providers_app.dialects.openai_chat import OpenAIChat
from providers_app.types.chat import ChatResult
from providers_app.types.events import (
    Citation,
    Event,
    GeneratedFile,
    ReasoningDelta,
    StreamStart,
    TextDelta,
    ToolCallDelta,
)
from tests.wire.cutting import events_of, single_bytes

DONE = b"data: [DONE]\n\n"


def chunk(delta: Any = None, finish: str | None = None, **more: Any) -> bytes:
    value = {"id": "c", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def tool(**fields: Any) -> bytes:
    return chunk({"tool_calls": [fields]})


def events(*parts: bytes, dialect: OpenAIChat | None = None) -> list[Event]:
    spoken, body = dialect or OpenAIChat(), b"".join(parts)
    found = events_of(spoken, [body])
    assert events_of(spoken, single_bytes(body)) == found
    return found


def result(*parts: bytes, dialect: OpenAIChat | None = None) -> ChatResult:
    return streaming.fold(events(*parts, dialect=dialect))


def calls(*parts: bytes) -> list[tuple[str, Any, str | None]]:
    return [
        (call.name, call.arguments if call.invalid_arguments is None else call.invalid_arguments, call.provider_id)
        for call in result(*parts, chunk({}, "tool_calls"), DONE).tool_calls
    ]


def test_tool_fragments_without_index_follow_the_id_or_the_last_call() -> None:
    assert calls(
        tool(id="a", function={"name": "f", "arguments": '{"x":'}),
        tool(function={"arguments": "1}"}),
        tool(id="b", function={"name": "g", "arguments": "{}"}),
    ) == [("f", {"x": 1}, "a"), ("g", {}, "b")]


def test_calls_without_index_and_id_are_told_apart_by_their_name() -> None:
    assert calls(
        tool(function={"name": "f", "arguments": '{"x":1}'}), tool(function={"name": "f", "arguments": '{"x":2}'})
    ) == [("f", {"x": 1}, None), ("f", {"x": 2}, None)]


def test_a_closing_message_completes_the_call_with_its_id_wherever_it_stands() -> None:
    whole = {"tool_calls": [{"id": "b", "function": {"name": "g", "arguments": '{"y": 2}'}}]}
    closing = {"id": "c", "model": "m", "choices": [{"index": 0, "message": whole, "finish_reason": "tool_calls"}]}
    assert calls(
        tool(index=0, id="a", function={"name": "f", "arguments": '{"x": 1}'}),
        tool(index=1, id="b", function={"name": "g", "arguments": '{"y":'}),
        b"data: " + json.dumps(closing).encode() + b"\n\n",
    ) == [("f", {"x": 1}, "a"), ("g", {"y": 2}, "b")]


@pytest.mark.parametrize("arguments", [None, "", "null", {}, "  "])
def test_no_arguments_in_any_spelling_is_an_empty_object(arguments: Any) -> None:
    assert calls(tool(index=0, id="a", function={"name": "f", "arguments": arguments})) == [("f", {}, "a")]


def test_arguments_may_be_an_object_or_be_repeated_whole() -> None:
    assert calls(tool(index=0, id="a", function={"name": "f", "arguments": {"x": 1}})) == [("f", {"x": 1}, "a")]
    doubled = [tool(index=0, id="a", function={"name": "f", "arguments": '{"x":1}'})] * 2
    assert calls(*doubled) == [("f", {"x": 1}, "a")]


@pytest.mark.parametrize("arguments", ["[1]", '"x"', "{", '{"x":1}{"y":2}', "rm -rf"])
def test_arguments_that_are_no_object_are_never_run(arguments: str) -> None:
    found = result(tool(index=0, id="a", function={"name": "f", "arguments": arguments}), chunk({}, "tool_calls"), DONE)
    assert [(call.arguments, call.invalid_arguments) for call in found.tool_calls] == [({}, arguments)]


def test_a_repeated_name_is_one_name_and_a_name_in_pieces_is_joined() -> None:
    repeated = [tool(index=0, id="a", function={"name": "look", "arguments": piece}) for piece in ("", '{"x"', ":1}")]
    assert calls(*repeated) == [("look", {"x": 1}, "a")]
    assert calls(
        tool(index=0, id="a", function={"name": "lo"}), tool(index=0, function={"name": "ok", "arguments": "{}"})
    ) == [("look", {}, "a")]


def test_the_deltas_of_a_call_join_to_its_arguments() -> None:
    found = events(
        tool(index=0, id="a", function={"name": "f", "arguments": ""}), tool(index=0, function={"arguments": '{"x":1}'})
    )
    assert "".join(event.arguments for event in found if isinstance(event, ToolCallDelta)) == '{"x":1}'


@pytest.mark.parametrize(
    ("tail", "finish", "complete"),
    [
        (chunk({}, "stop") + DONE, "stop", True),
        (chunk({}, "stop"), "stop", True),
        (DONE, "stop", True),
        (b"data:[DONE]   \n\n", "stop", True),
        (b"data: [DONE]", "stop", True),
        (chunk({}, "model_length"), "length", True),
        (chunk({}, "eos_token"), "stop", True),
        (chunk({}, ""), "incomplete", False),
        (b"", "incomplete", False),
        (chunk({}, "error"), "error", False),
        (
            b'data: {"choices": null}\n\ndata: null\n\ndata: []\n\ndata: {"choices": [null, {"delta": []}]}\n\n',
            "incomplete",
            False,
        ),
        (b"data: {broken\n\n", "error", False),
    ],
)
def test_how_an_answer_ends(tail: bytes, finish: str, complete: bool) -> None:
    found = result(chunk({"content": "hi"}), tail)
    assert (found.text, found.finish_reason, found.complete) == ("hi", finish, complete)


def test_nothing_counts_after_the_end() -> None:
    assert result(chunk({"content": "a"}), chunk({}, "stop"), DONE, chunk({"content": "b"})).text == "a"


def test_model_and_id_come_from_the_first_chunk_that_has_them() -> None:
    first = b'data: {"id":"","model":"","object":"","choices":[],"prompt_filter_results":[]}\n\n'
    found = events(first, chunk({"content": "x"}), chunk({}, "stop"))
    assert found[0] == StreamStart("m", "c")


def test_usage_that_arrived_is_not_taken_back() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    found = result(chunk({"content": "x"}, usage=usage), chunk({}, "stop", usage=None), DONE)
    assert found.usage is not None
    assert (found.usage.input_tokens, found.usage.output_tokens, found.usage.source) == (1, 2, "provider")
    assert found.usage.raw == usage


def test_content_parts_and_plain_content_may_alternate() -> None:
    thinking = {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}
    found = result(
        chunk(thinking), chunk({"content": [{"type": "text", "text": "a"}]}), chunk({"content": "b"}), chunk({}, "stop")
    )
    assert (found.text, found.reasoning_text) == ("ab", "hm")


def test_reasoning_details_are_kept_for_replay_and_not_shown_twice() -> None:
    def piece(text: str) -> bytes:
        return chunk({"reasoning": text, "reasoning_details": [{"type": "reasoning.text", "text": text, "index": 0}]})

    signed = chunk({"reasoning_details": [{"type": "reasoning.text", "text": "", "signature": "S", "index": 0}]})
    found = events(piece("a"), piece("b"), signed, chunk({"content": "x"}, "stop"), DONE)
    assert streaming.fold(found).reasoning_text == "ab"
    opaque = [event.opaque for event in found if isinstance(event, ReasoningDelta) and event.opaque]
    assert opaque == [{"reasoning_details": [{"type": "reasoning.text", "text": "ab", "signature": "S", "index": 0}]}]


def test_refusals_citations_and_media_have_their_own_events() -> None:
    found = events(
        chunk({"refusal": "No."}),
        chunk({"annotations": [{"type": "url_citation"}], "images": [{"url": "u"}]}),
        chunk({}, "stop", citations=["https://a.test"]),
        DONE,
    )
    assert TextDelta("No.", None, True) in found
    assert [event.data for event in found if isinstance(event, Citation)] == [
        {"type": "url_citation"},
        {"url": "https://a.test"},
    ]
    assert GeneratedFile("image/png", kind="images", url="u") in found
    assert streaming.fold(found).refusal == "No."


@pytest.mark.parametrize(
    ("text", "mode", "expected"),
    [
        ("<think>hm</think>\n\nyes", "tags", ("hm", "yes")),
        ("\n<think>a < b</thin</think>x", "tags", ("a < b</thin", "x")),
        ("hm</think>yes", "opened", ("hm", "yes")),
        ("say <think> aloud</think>", "tags", ("", "say <think> aloud</think>")),
        ("<thi", "tags", ("", "<thi")),
        ("<think>never closed</th", "tags", ("never closed</th", "")),
        ("<think>x</think>", "off", ("", "<think>x</think>")),
        ("<b>bold</b>", "tags", ("", "<b>bold</b>")),
    ],
)
def test_reasoning_between_tags_is_split_wherever_the_tags_are_cut(
    text: str, mode: Any, expected: tuple[str, str]
) -> None:
    for size in (1, 2, 3, 5, len(text)):
        parts = [chunk({"content": text[at : at + size]}) for at in range(0, len(text), size)]
        found = streaming.fold(events_of(OpenAIChat(think_tags=mode), [b"".join(parts), chunk({}, "stop"), DONE]))
        assert (found.reasoning_text, found.text) == expected


def test_strange_json_breaks_nothing_and_leaves_no_lone_surrogate() -> None:
    body = (
        b'data: {"choices":[{"delta":{"content":"a\\ud83d\xff\x01"},"logprobs":NaN}],"created":1e999,"n":'
        + b"9" * 400
        + b"}\n\n"
    )
    text = result(body, chunk({}, "stop")).text
    assert text == "a�\ufffd\x01"
    text.encode()


def test_an_error_keeps_the_finish_reason_that_came_before_it() -> None:
    error = {"code": 400, "message": "Token limit reached"}
    found = result(chunk({"content": "a"}, "length"), chunk({"content": ""}, error=error), DONE)
    assert (found.finish_reason, found.complete) == ("length", False)
    assert found.error is not None
    assert (found.error.code, found.error.upstream_code) == ("upstream_bad_request", "400")
