import base64
from typing import Any

import pytest

from providers_app.chat.messages import parse_messages
from providers_app.errors import EmptyPrompt, InvalidRequest
from providers_app.types.chat import ImagePart, Message, ReasoningPart, TextPart, ToolCallPart, ToolResultPart

PIXEL = base64.b64encode(b"\x89PNG").decode()


def user(text: str) -> Message:
    return Message("user", (TextPart(text),))


def test_a_string_is_one_user_message_and_system_comes_first() -> None:
    assert parse_messages("Hello") == (user("Hello"),)
    assert parse_messages("Hello", system="Be brief.") == (Message("system", (TextPart("Be brief."),)), user("Hello"))


def test_a_contexts_messages_come_before_what_is_given() -> None:
    assert parse_messages("two", before=[user("one")]) == (user("one"), user("two"))
    assert parse_messages(None, before=[user("one")]) == (user("one"),)


def test_dictionaries_of_every_role() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    parsed = parse_messages(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "1+1"}, {"type": "input_text", "text": "?"}]},
            {"role": "assistant", "content": None, "reasoning_content": "hm", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": ""},
        ]
    )
    assert [message.role for message in parsed] == ["system", "user", "assistant", "tool"]
    assert parsed[1].parts == (TextPart("1+1"), TextPart("?"))
    assert parsed[2].parts == (
        ReasoningPart("hm"),
        ToolCallPart(id="c1", name="add", arguments={"a": 1}, provider_id="c1"),
    )
    assert parsed[3].parts == (ToolResultPart(call_id="c1", name="add", content=""),)


@pytest.mark.parametrize("reasoning", ["", None, 7, {"text": "hm"}])
def test_reasoning_that_is_no_text_is_no_part(reasoning: Any) -> None:
    (message,) = parse_messages([{"role": "assistant", "content": "Two.", "reasoning_content": reasoning}])
    assert message.parts == (TextPart("Two."),)


def test_pictures_by_address_and_inline() -> None:
    parsed = parse_messages(
        [
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                    {"type": "image", "media_type": "image/jpeg", "data": PIXEL},
                ],
            }
        ]
    )
    assert parsed[0].parts == (
        ImagePart(url="https://example.com/a.png"),
        ImagePart(media_type="image/png", data=PIXEL),
        ImagePart(media_type="image/jpeg", data=PIXEL),
    )


@pytest.mark.parametrize(
    "given", ["", "  \n", [], None, [{"role": "user", "content": ""}], [{"role": "system", "content": "only rules"}]]
)
def test_nothing_to_ask_is_an_empty_prompt(given: Any) -> None:
    with pytest.raises(EmptyPrompt):
        parse_messages(given)


def test_an_empty_user_message_after_others_is_named() -> None:
    with pytest.raises(EmptyPrompt, match="Message 2"):
        parse_messages([{"role": "user", "content": "a"}, {"role": "user", "content": " "}])


def test_an_answer_without_content_is_left_out() -> None:
    assert len(parse_messages([{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}])) == 1


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (42, "a string or a list"),
        ({"role": "user", "content": "x"}, "a string or a list"),
        (["text"], "Message 1 must be a dictionary"),
        ([{"role": "robot", "content": "x"}], "unknown role 'robot'"),
        ([{"content": "x"}], "unknown role None"),
        ([{"role": "user", "content": 5}], "content must be"),
        ([{"role": "user", "content": {"type": "text", "text": "x"}}], "content must be"),
        ([{"role": "user", "content": [{"type": "text"}]}], "no text"),
        ([{"role": "user", "content": [{"type": "hologram"}]}], "'hologram' is not known"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}], "no URL"),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///x"}}]}], "must begin with"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,%%"}}]}],
            "base64",
        ),
        ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:text/html,x"}}]}], "base64"),
        (
            [{"role": "user", "content": [{"type": "image", "media_type": "image/svg+xml", "data": PIXEL}]}],
            "not accepted",
        ),
        ([{"role": "user", "content": "x", "tool_calls": [{}]}], "only an assistant"),
        ([{"role": "assistant", "tool_calls": [{"id": "1"}]}], "a tool call needs"),
        ([{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{"}}]}], "not JSON"),
        (
            [{"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "[]"}}]}],
            "JSON object",
        ),
        ([{"role": "tool", "content": "x"}], "tool_call_id"),
        ([{"role": "tool", "tool_call_id": "c9", "content": "x"}], "answers no earlier"),
        ([{"role": "system", "content": [{"type": "image", "data": PIXEL}]}], "text only"),
    ],
)
def test_what_is_no_message_is_named(given: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        parse_messages(given)


def test_system_must_be_text() -> None:
    with pytest.raises(InvalidRequest):
        parse_messages("x", system=5)  # type: ignore[arg-type]
