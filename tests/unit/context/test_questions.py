"""The chunks that a program's messages become, column by column, and what cannot be stored."""

from typing import Any

import msgspec
import pytest

from context_app.services import questions
from context_app.services.questions import PICTURE, Offer, check_stored, offer_of, question_of
from providers_app.chat.counting import IMAGE_TOKENS
from providers_app.errors import EmptyPrompt, InvalidRequest, UnsupportedContent
from providers_app.types.chat import (
    AudioPart,
    BlockPart,
    FilePart,
    ImagePart,
    Message,
    NewTurn,
    Part,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from providers_app.types.events import Origin
from providers_app.types.intent import ToolIntent

MADE = Origin("made", "m-1")
ORIGIN = {"provider": "made", "model": "m-1"}
INTENT = ToolIntent("maintenance", "city", "high", "tool")


def new_turn(*messages: Message, **fields: Any) -> NewTurn:
    options = {"tools": fields.pop("tools", None), "tool_choice": fields.pop("tool_choice", None), "timeout": 5}
    given = {"context_id": None, "session": "s", "model": "m", "system": "Be brief.", "params": {}, "options": options}
    return NewTurn(messages=messages, **{**given, **fields})


def user(*parts: Part | str) -> Message:
    return Message("user", tuple(TextPart(part) if isinstance(part, str) else part for part in parts))


REASONING = {"text": "hm", "opaque": {"signature": "s"}, **ORIGIN}
STORED: list[tuple[tuple[Part, ...], list[dict[str, Any]]]] = [
    ((TextPart("One. "), TextPart("Two.")), [{"kind": "assistant", "content": "One. Two.", "metadata": {}}]),
    (
        (TextPart("One.", {"a": 1}, MADE), TextPart("Two.")),
        [{"kind": "assistant", "content": "One.Two.", "metadata": {"opaque": {"a": 1}, "origin": ORIGIN}}],
    ),
    (
        (ReasoningPart("hm", {"signature": "s"}, MADE), ReasoningPart("so"), TextPart("Two."), TextPart("Three.")),
        [
            {
                "kind": "assistant",
                "content": "Two.Three.",
                "metadata": {"reasoning": [REASONING, {"text": "so", "opaque": None}]},
            }
        ],
    ),
    (
        (TextPart("One."), ReasoningPart("hm", {"signature": "s"}, MADE), TextPart("Two.")),
        [
            {"kind": "assistant", "content": "One.", "metadata": {}},
            {"kind": "assistant", "content": "Two.", "metadata": {"reasoning": [REASONING]}},
        ],
    ),
    (
        (ToolCallPart("c", "f", {"city": "Zürich"}, "given", {"a": 1}, MADE, INTENT),),
        [
            {
                "kind": "tool_call",
                "content": '{\n  "city": "Zürich"\n}',
                "metadata": {
                    "call_id": "c",
                    "name": "f",
                    "arguments": {"city": "Zürich"},
                    "provider_id": "given",
                    "opaque": {"a": 1},
                    "origin": ORIGIN,
                },
                "intent": {"purpose": "maintenance", "scope": "city", "risk_level": "high", "source": "tool"},
            }
        ],
    ),
    (
        (BlockPart("web_search_call", {"id": "w"}, MADE),),
        [
            {
                "kind": "block",
                "content": "web_search_call",
                "metadata": {"kind": "web_search_call", "data": {"id": "w"}, "origin": ORIGIN},
            }
        ],
    ),
    (
        (ImagePart("image/webp", "aQ==", origin=MADE, opaque={"a": 1}),),
        [
            {
                "kind": "image",
                "content": PICTURE,
                "metadata": {
                    "data": "aQ==",
                    "opaque": {"a": 1},
                    "media_type": "image/webp",
                    "name": PICTURE,
                    "origin": ORIGIN,
                },
                "tokens": IMAGE_TOKENS,
            }
        ],
    ),
]


@pytest.mark.parametrize(("parts", "chunks"), STORED)
def test_what_an_answer_in_front_is_stored_as(parts: tuple[Part, ...], chunks: list[dict[str, Any]]) -> None:
    question = question_of(new_turn(user("Before."), Message("assistant", parts), user("Now.")))
    first = {"kind": "user", "role": "user", "content": "Before.", "metadata": {}}
    assert list(question.before) == [first, *({**chunk, "role": "assistant"} for chunk in chunks)]
    assert (question.text, question.pictures, question.results) == ("Now.", (), ())


def test_the_columns_of_a_turn() -> None:
    turn = new_turn(user("Now. ", "Then."), params={"stop": ("a",)}, tools=[Tool("f")], tool_choice="f")
    question = question_of(turn)
    assert (question.text, question.session, question.model, question.system) == ("Now. Then.", "s", "m", "Be brief.")
    assert question.params == {"stop": ("a",)} and question_of(new_turn(user("x"))).params is None
    assert question.offer == Offer((Tool("f"),), ToolChoice("tool", "f"))
    assert (question.options, question.alone) == ({"timeout": 5}, True)
    assert turn.options["tools"], "what was given is left as it is"


def test_pictures_of_the_question_stand_beside_its_text() -> None:
    question = question_of(new_turn(user("See ", ImagePart(url="https://x.example/a"), "this.")))
    columns = {"url": "https://x.example/a", "media_type": "image/png", "name": PICTURE, "origin": {}}
    picture = {"kind": "image", "role": "user", "content": PICTURE, "metadata": columns, "tokens": IMAGE_TOKENS}
    assert (question.text, question.pictures) == ("See this.", (picture,))
    assert question_of(new_turn(user(ImagePart(ref="r")))).pictures[0]["metadata"]["ref"] == "r"


def test_results_belong_to_calls_here_or_to_stored_ones() -> None:
    call = Message("assistant", (ToolCallPart("here", "f", {}),))
    results = Message("tool", (ToolResultPart("here", "f", "1"), ToolResultPart("stored", "g", "2", True)))
    question = question_of(new_turn(user("Before."), call, results))
    assert [(chunk["kind"], chunk["role"]) for chunk in question.before] == [
        ("user", "user"),
        ("tool_call", "assistant"),
        ("tool_result", "tool"),
    ]
    assert question.text == "" and question.pictures == ()
    metadata = {"call_id": "stored", "name": "g", "is_error": True}
    stored = {"kind": "tool_result", "role": "tool", "content": "2", "metadata": metadata}
    assert question.results == (("stored", stored),)
    assert question.before[-1]["metadata"] == {"call_id": "here", "name": "f", "is_error": False}


@pytest.mark.parametrize(
    "part", [FilePart(data="aQ=="), AudioPart("audio/wav", "aQ=="), ToolResultPart("c", "f", "x", media=(ImagePart(),))]
)
def test_what_a_stored_context_does_not_take_is_said(part: Part) -> None:
    role: Any = "tool" if isinstance(part, ToolResultPart) else "user"
    with pytest.raises(UnsupportedContent, match="takes no documents, recordings or media of tools"):
        question_of(new_turn(user("x"), Message(role, (part,)), user("Now.")))


@pytest.mark.parametrize("role", ["system", "assistant"])
def test_the_last_message_asks_or_answers_a_call(role: Any) -> None:
    with pytest.raises(InvalidRequest, match="must be a user's, or the result of a tool"):
        question_of(new_turn(user("x"), Message(role, (TextPart("y"),))))
    with pytest.raises(EmptyPrompt):
        question_of(new_turn(user(" \n")))


@pytest.mark.parametrize(
    ("name", "most"), [("params", questions.MAX_PARAMS_BYTES), ("tools", questions.MAX_TOOLS_BYTES)]
)
def test_an_argument_is_stored_up_to_its_limit_to_the_byte(name: str, most: int) -> None:
    check_stored(name, "x" * (most - 2), most)
    with pytest.raises(InvalidRequest, match=rf"^{name} has {most + 1:,} bytes; at most {most:,} are taken"):
        check_stored(name, "x" * (most - 1), most)
    with pytest.raises(InvalidRequest, match=rf"^{name} holds a NUL character"):
        check_stored(name, {"a": "\x00"}, most)
    with pytest.raises(InvalidRequest, match=rf"^{name} cannot be written as JSON"):
        check_stored(name, object(), most)


def test_each_argument_has_its_own_limit() -> None:
    with pytest.raises(InvalidRequest, match=r"^params has"):
        question_of(new_turn(user("x"), params={"user": "x" * questions.MAX_PARAMS_BYTES}))
    with pytest.raises(InvalidRequest, match=r"^tools has"):
        offer_of([Tool("f", "x" * questions.MAX_TOOLS_BYTES)], None)
    assert offer_of(None, None) == Offer() and Offer().tokens == 0
    offered = Offer((Tool("f", "A description."),))
    assert 0 < offered.tokens <= len(msgspec.json.encode(offered.tools))
