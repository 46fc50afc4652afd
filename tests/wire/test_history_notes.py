"""What a dialect does to a part of a chunk is said with the chunk's id; what goes as it is says nothing."""

from typing import Any

import msgspec
import pytest

from providers_app import dialects
from providers_app.dialects.openai_chat import OpenAIChat, RequestForm
from providers_app.types.chat import (
    BlockPart,
    ChatRequest,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from providers_app.types.events import Origin
from providers_app.types.intent_rules import INTENT_PROPERTY

ME = Origin("anthropic", "m", "7")
THEN = Message("user", (TextPart("Next", source="q"),))
SIGNED = {"type": "thinking", "signature": "s"}
CHAT = OpenAIChat(request=RequestForm(family="openai", reasoning_replay="content", system_everywhere=True))


def assistant(*parts: Part) -> Message:
    return Message("assistant", tuple(msgspec.structs.replace(part, source="row") for part in parts))


def notes(dialect: Any, *messages: Message, asked: Origin = ME) -> list[tuple[str, str, str]]:
    if isinstance(dialect, str):
        dialect = dialects.by_name(dialect)
    chat = ChatRequest(model="m", messages=messages, asked=asked)
    body = dialect.build_body(chat)
    assert b'"row"' not in body and b'"source":"' not in body
    return [(item.source, item.code, item.what) for item in chat.notes]


@pytest.mark.parametrize(
    ("origin", "why"),
    [
        (ME, None),
        (Origin("anthropic", "other", None), None),
        (Origin("anthropic", "m", "8"), "made by another account"),
        (Origin("gemini", "m", "7"), "made by another provider"),
        (None, "it is not known who made it"),
    ],
)
def test_reasoning_of_another_account_is_said_with_its_row(origin: Origin | None, why: str | None) -> None:
    reasoned = assistant(ReasoningPart("hm", SIGNED, origin), TextPart("so"))
    said = [("row", "part_dropped", f"Reasoning not sent: {why}.")] if why else []
    assert notes("anthropic_messages", Message("user", (TextPart("q"),)), reasoned, THEN) == said


def test_what_the_format_has_no_place_for_is_said() -> None:
    here = Origin("openai", "m", "7")
    answer = assistant(
        ReasoningPart("hm", None, here), BlockPart("x", {"type": "x"}, here), TextPart("so"), TextPart("end")
    )
    first = Message("user", (TextPart("q"),))
    assert notes("openai_responses", first, answer, THEN, asked=here) == [
        ("row", "part_dropped", "Reasoning not sent: this API does not take it back.")
    ]
    assert notes(CHAT, first, answer, THEN, asked=here) == [
        ("row", "part_dropped", "Provider data not sent: this API does not take it back."),
        ("row", "part_dropped", "Reasoning not sent: this server takes it back only while tools are called."),
    ]
    last = assistant(TextPart("so"), ReasoningPart("hm", {"encrypted_content": "e"}, here))
    assert notes("openai_responses", first, last, asked=here) == [
        ("row", "part_dropped", "Reasoning not sent: it led to nothing that is sent.")
    ]


def test_moved_pictures_and_system_text_are_said() -> None:
    picture = assistant(ImagePart("image/png", "aGk=", origin=ME))
    first = Message("user", (TextPart("q"),))
    moved = ("row", "part_moved", "Picture moved in front of your next message.")
    assert notes("anthropic_messages", first, picture, THEN) == [moved]
    assert notes("anthropic_messages", first, picture) == [
        ("row", "part_dropped", "Picture not sent: no message of yours follows.")
    ]
    assert notes("gemini_generate", first, picture, THEN) == []
    late = Message("system", (TextPart("Be brief.", source="s"),))
    told = [("s", "part_moved", "System text moved to the beginning of the request.")]
    for dialect in ("anthropic_messages", "gemini_generate", CHAT):
        assert notes(dialect, late, first) == []
        assert notes(dialect, first, late) == told
    assert notes("openai_responses", first, late) == []


def test_names_and_ids_that_are_sent_otherwise_are_said() -> None:
    called = assistant(ToolCallPart("c" * 70, "look up", {}))
    result = Message("tool", (ToolResultPart("c" * 70, "look up", "found", source="r"),))
    (name, ident) = notes("anthropic_messages", THEN, called, result)
    assert name[:2] == ident[:2] == ("row", "part_renamed")
    assert name[2].startswith("The tool's name is sent as look_up_") and "id of the tool call" in ident[2]
    own = assistant(ToolCallPart("c1", "look", {}, "toolu_1", {INTENT_PROPERTY: {"risk": "low"}}, ME))
    assert notes("anthropic_messages", THEN, own, Message("tool", (ToolResultPart("c1", "look", "x"),))) == []


def test_what_is_added_is_said_with_the_row_that_it_is_added_to() -> None:
    called = assistant(ToolCallPart("c1", "look", {}, None, {"thoughtSignature": "t"}, ME))
    result = Message("tool", (ToolResultPart("c1", "look", "found", source="r"),))
    assert notes("gemini_generate", called, result, asked=Origin("gemini", "m", "7")) == [
        ("row", "part_dropped", "Signature not sent: made by another provider."),
        ("row", "part_inserted", "A line is added in front: (What came before was left out.)"),
        ("row", "part_inserted", "A placeholder is sent for the signature of the tool call, which has none."),
    ]
    assert notes("openai_chat", THEN, called)[-1] == (
        "row",
        "part_inserted",
        "A result is added that says that the call has none.",
    )
    orphan = Message("tool", (ToolResultPart("c9", "look", "found", source="r"),))
    assert notes("openai_chat", THEN, orphan) == [
        ("r", "part_dropped", "Tool result not sent: it answers no open tool call.")
    ]


def test_a_request_of_no_context_has_no_notes() -> None:
    bare = Message("assistant", (ReasoningPart("hm", SIGNED, None), TextPart("so")))
    assert notes("anthropic_messages", bare) == []
