import base64
import copy
from typing import Any

import msgspec
import pytest

from providers_app.chat.messages import parse_messages
from providers_app.errors import EmptyPrompt, InvalidRequest
from providers_app.types.chat import (
    AudioPart,
    BlockPart,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from providers_app.types.events import Origin

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


ORIGIN = Origin("p")
PARTS: list[Part] = [
    TextPart("x", {"a": 1}, ORIGIN),
    ReasoningPart("x", {"a": 1}, ORIGIN),
    BlockPart("kind", {"a": 1}, ORIGIN),
    ToolCallPart("c", "f", {"a": 1}, "given", {"a": 1}, ORIGIN),
    ToolResultPart("c", "f", "x", media=(ImagePart(data=PIXEL),)),
    ImagePart("image/png", PIXEL, opaque={"a": 1}, origin=ORIGIN),
    FilePart("application/pdf", PIXEL, name="a.pdf"),
    AudioPart("audio/wav", PIXEL),
]
UNCHECKED = {"source", "is_error"}
FIELDS = [(part, name) for part in PARTS for name in part.__struct_fields__ if name not in UNCHECKED]


def holding(part: Part) -> list[Message]:
    """A conversation in which the part may stand."""
    role = "user" if isinstance(part, TextPart | ImagePart | FilePart | AudioPart) else "assistant"
    if not isinstance(part, ToolResultPart):
        return [user("x"), Message(role, (part,))]
    return [user("x"), Message("assistant", (ToolCallPart("c", "f", {}),)), Message("tool", (part,))]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_a_part_with_right_fields_is_taken_as_it_is(part: Part) -> None:
    assert parse_messages(holding(part)) == tuple(holding(part))
    as_list = Message(holding(part)[-1].role, [part])  # type: ignore[arg-type]
    assert parse_messages([*holding(part)[:-1], as_list]) == tuple(holding(part))


@pytest.mark.parametrize(("part", "name"), FIELDS, ids=lambda value: value if isinstance(value, str) else None)
def test_a_part_with_a_field_of_a_wrong_type_is_refused(part: Part, name: str) -> None:
    wrong = copy.copy(part)
    msgspec.structs.force_setattr(wrong, name, 5.5)
    with pytest.raises(InvalidRequest, match=r"^(Message|messages)"):
        parse_messages(holding(wrong))


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
@pytest.mark.parametrize("role", ["system", "user", "assistant"])
def test_a_role_holds_the_parts_that_are_its_own(role: Any, part: Part) -> None:
    allowed = {
        "system": (TextPart,),
        "user": tuple({type(one) for one in PARTS} - {BlockPart}),
        "assistant": tuple({type(one) for one in PARTS} - {FilePart, AudioPart}),
    }[role]
    given = [user("x"), Message("assistant", (ToolCallPart("c", "f", {}),)), Message(role, (part,))]
    if isinstance(part, allowed):
        assert parse_messages(given)[-1].parts == (part,)
    else:
        with pytest.raises(InvalidRequest, match=rf"Message 3 \({role}\) may hold [a-z, ']+ only"):
            parse_messages(given)


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool"])
@pytest.mark.parametrize("content", [None, "", [], [{"type": "text", "text": " "}]])
def test_a_message_without_content_is_left_out_or_refused_by_its_role(role: str, content: Any) -> None:
    call = {"id": "c", "function": {"name": "f", "arguments": ""}}
    given = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [call]},
        {"role": role, "content": content, **({"tool_call_id": "c"} if role == "tool" else {})},
    ]
    if role in ("system", "developer", "user"):
        with pytest.raises(EmptyPrompt, match=rf"Message 3 \({'system' if role == 'developer' else role}\) is empty"):
            parse_messages(given)
    else:
        assert len(parse_messages(given)) == (3 if role == "tool" else 2)


@pytest.mark.parametrize("blank", [None, "", " \n"])
def test_a_blank_system_text_is_none(blank: str | None) -> None:
    assert parse_messages("Hello", system=blank) == (user("Hello"),)


def test_a_tool_result_may_answer_a_call_that_is_elsewhere_where_the_conversation_goes_on() -> None:
    result = Message("tool", (ToolResultPart("c", "f", "x"),))
    assert parse_messages([result], continues=True) == (result,)
    with pytest.raises(InvalidRequest, match="'c' answers no earlier"):
        parse_messages([result])
    called = Message("assistant", (ToolCallPart("c", "f", {}),))
    assert parse_messages([result], before=[called]) == (called, result)
    with pytest.raises(InvalidRequest, match="answers no earlier"):
        parse_messages([result, called])


def test_tool_results_in_dictionaries_hold_text_and_media_and_find_their_name() -> None:
    call = {"id": "c1", "function": {"name": "add", "arguments": {"a": 1}}}
    content = [{"type": "text", "text": "a"}, {"type": "image", "media_type": "image/jpeg", "data": PIXEL}, "b"]
    *_, first, second = parse_messages(
        [
            {"role": "user", "content": "x"},
            Message("assistant", (ToolCallPart("c0", "sub", {}),)),
            {"role": "assistant", "tool_calls": [call, ToolCallPart("c2", "mul", {})]},
            {"role": "tool", "tool_call_id": "c0", "content": content, "is_error": 1},
            {"role": "tool", "tool_call_id": "c2", "content": "y", "name": "named"},
        ]
    )
    picture = ImagePart("image/jpeg", PIXEL)
    assert first.parts == (ToolResultPart("c0", "sub", "ab", True, (picture,)),)
    assert second.parts == (ToolResultPart("c2", "named", "y"),)
    sound = {"type": "input_audio", "input_audio": {"data": PIXEL, "format": "wav"}}
    with pytest.raises(InvalidRequest, match="text, pictures and documents only"):
        parse_messages([{"role": "tool", "tool_call_id": "c", "content": [sound]}], continues=True)
