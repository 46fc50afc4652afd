"""What of a context is sent, as what, and in which order."""

import uuid
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from context_app import assembly, sending
from context_app.assembly import with_user_text
from context_app.sending import NOT_RUN
from providers_app.types.chat import Message, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from providers_app.types.events import Origin
from providers_app.types.intent import ToolIntent

TURN = uuid.uuid4()


@dataclass
class Piece:
    kind: str
    content: str = "text"
    role: str = "user"
    state: str = "complete"
    excluded: bool = False
    deleted_at: Any = None
    turn_id: Any = TURN
    intent: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    context_id: Any = None
    order: int = 0
    not_sent: str = ""


def build_messages(pieces: list[Any]) -> tuple[Message, ...]:
    """The messages of these pieces, as they would be after they were written and the turn went on."""
    for number, piece in enumerate(pieces):
        piece.order = number
    sending.decide(pieces)
    messages = assembly.build_messages(sending.completed(pieces))
    bare = [[msgspec.structs.replace(part, source="") for part in message.parts] for message in messages]
    return tuple(Message(message.role, tuple(parts)) for message, parts in zip(messages, bare, strict=True))


def reasons(*pieces: Any) -> list[str]:
    sending.decide(pieces)
    return [str(piece.not_sent) for piece in pieces]


def call(key: str = "c1", name: str = "look", **fields: Any) -> Piece:
    return Piece(
        "tool_call", role="assistant", metadata={"call_id": key, "name": name, "arguments": {"q": 1}}, **fields
    )


def result(key: str = "c1", content: str = "found", **fields: Any) -> Piece:
    return Piece("tool_result", content, role="tool", metadata={"call_id": key, "name": "look"}, **fields)


def test_neighbours_of_one_role_become_one_message() -> None:
    pieces = [
        Piece("system", "rules"),
        Piece("file", "code", metadata={"name": "a.py"}),
        Piece("note", "mind"),
        Piece("user", "go"),
    ]
    assert build_messages(pieces) == (
        Message("system", (TextPart("rules"),)),
        Message("user", (TextPart("# a.py\n\ncode"), TextPart("mind"), TextPart("go"))),
    )


def test_a_note_can_be_system_text() -> None:
    assert build_messages([Piece("note", "mind", role="system")])[0].role == "system"


def test_excluded_deleted_streaming_and_blank_are_not_sent() -> None:
    pieces = [
        Piece("user", excluded=True),
        Piece("user", deleted_at="then"),
        Piece("assistant", state="streaming"),
        Piece("assistant", "  \n"),
    ]
    assert build_messages(pieces) == ()
    assert reasons(*pieces) == ["excluded", "deleted", "streaming", "blank"]


def test_a_partial_answer_is_sent() -> None:
    assert build_messages([Piece("assistant", "half", state="partial")]) == (Message("assistant", (TextPart("half"),)),)


def test_parallel_calls_are_followed_by_all_their_results() -> None:
    pieces = [call("a"), call("b"), result("b", "two"), Piece("note", "between"), result("a", "one")]
    first, second, third = build_messages(pieces)
    assert [part.id for part in first.parts if isinstance(part, ToolCallPart)] == ["a", "b"]
    assert [(part.call_id, part.content) for part in second.parts if isinstance(part, ToolResultPart)] == [
        ("a", "one"),
        ("b", "two"),
    ]
    assert third == Message("user", (TextPart("between"),))


def test_calls_one_after_the_other_stay_separate() -> None:
    roles = [message.role for message in build_messages([call("a"), result("a"), call("b"), result("b")])]
    assert roles == ["assistant", "tool", "assistant", "tool"]


def test_a_result_goes_when_its_call_goes() -> None:
    assert build_messages([call(excluded=True), result()]) == ()


def test_a_call_without_result_is_sent_with_one_that_says_so() -> None:
    _, answer = build_messages([call()])
    part = answer.parts[0]
    assert isinstance(part, ToolResultPart)
    assert (part.content, part.is_error) == (NOT_RUN, True)


def test_a_call_with_invalid_arguments_is_not_sent() -> None:
    broken = call()
    broken.metadata["invalid_arguments"] = "{oops"
    assert build_messages([broken]) == ()
    assert reasons(broken, result(), call("b"), result("b"), result("b")) == [
        "invalid_arguments",
        "no_call",
        "",
        "",
        "answered",
    ]


@pytest.mark.parametrize("content", ["{oops", "[1]", '"x"'])
def test_arguments_that_are_no_object_are_not_sent_as_an_empty_one(content: str) -> None:
    assert reasons(Piece("tool_call", content, metadata={"call_id": "c1", "name": "look"})) == ["invalid_arguments"]


def test_a_real_result_takes_the_place_of_the_one_that_says_that_none_came() -> None:
    *_, stand_in = sending.completed([call()])
    assert reasons(call(), stand_in, result()) == ["", "answered", ""]


def test_two_calls_of_one_id_have_a_result_each() -> None:
    pieces = [call(), result(content="one"), call(), result(content="two")]
    messages = build_messages(pieces)
    found = [part.content for message in messages for part in message.parts if isinstance(part, ToolResultPart)]
    assert found == ["one", "two"]


def test_what_holds_no_data_says_so() -> None:
    assert reasons(
        Piece("block", metadata={"data": "x"}),
        Piece("image"),
        Piece("image", metadata={"ref": "r", "media_type": "audio/wav"}),
        Piece("tool_call", metadata={"call_id": "c1"}),
    ) == ["no_data", "no_file", "no_image", "no_name"]


def test_ids_that_repeat_in_another_turn_stay_apart() -> None:
    other = uuid.uuid4()
    pieces = [call("c1"), result("c1", "old"), call("c1", turn_id=other), result("c1", "new", turn_id=other)]
    messages = build_messages(pieces)
    ids = [part.id for message in messages for part in message.parts if isinstance(part, ToolCallPart)]
    results = [part for message in messages for part in message.parts if isinstance(part, ToolResultPart)]
    assert len(set(ids)) == 2
    assert [(part.call_id, part.content) for part in results] == [(ids[0], "old"), (ids[1], "new")]


def test_reasoning_goes_back_with_its_origin_in_front_of_what_it_led_to() -> None:
    signed = {"text": "hm", "opaque": {"signature": "s"}, "provider": "anthropic", "model": "m", "session": "7"}
    answer = Piece("assistant", "so", metadata={"reasoning": [signed, {"text": "plain"}]})
    made = call(provenance={"provider": "anthropic", "model": "old"})  # written before origins were noted
    made.metadata |= {"reasoning": [{**signed, "text": "then"}], "opaque": {"x": 1}}
    message, _ = build_messages([answer, made])
    origin = Origin("anthropic", "m", "7")
    assert message.parts == (
        ReasoningPart("hm", {"signature": "s"}, origin),
        ReasoningPart("plain"),
        TextPart("so"),
        ReasoningPart("then", {"signature": "s"}, origin),
        ToolCallPart("c1", "look", {"q": 1}, None, {"x": 1}, Origin("anthropic", "old")),
    )


def test_a_call_has_its_intent_and_one_of_the_rule_where_none_can_be_read() -> None:
    stored = {"purpose": "test_pass", "scope": "tests/", "risk_level": "low", "source": "model"}
    old = {"purpose": "best_practice", "scope": "docs", "risk": "high"}
    messages = build_messages([call(f"c{n}", intent=intent) for n, intent in enumerate((stored, old, {}, {"risk": 9}))])
    found = [part.intent for part in messages[0].parts if isinstance(part, ToolCallPart)]
    assert found == [
        ToolIntent("test_pass", "tests/", "low", "model"),
        ToolIntent("best_practice", "docs", "high"),
        ToolIntent(None, "look", "medium"),
        ToolIntent(None, "look", "medium"),
    ]


def test_a_draft_joins_the_last_user_message() -> None:
    assert with_user_text((Message("user", (TextPart("a"),)),), "b") == (
        Message("user", (TextPart("a"), TextPart("b"))),
    )
    assert with_user_text((), "b") == (Message("user", (TextPart("b"),)),)


pieces = st.lists(
    st.builds(
        Piece,
        st.sampled_from(["system", "note", "file", "user", "assistant", "summary"]),
        st.sampled_from(["", "x", "y"]),
        excluded=st.booleans(),
        state=st.sampled_from(["complete", "partial", "streaming"]),
    )
    | st.builds(call, st.sampled_from(["a", "b"]), excluded=st.booleans())
    | st.builds(result, st.sampled_from(["a", "b"]), excluded=st.booleans()),
    max_size=12,
)


@given(pieces)
def test_every_request_is_well_formed(some: list[Piece]) -> None:
    messages = build_messages(some)
    calls: set[str] = set()
    answered: set[str] = set()
    for before, message in zip((None, *messages), messages, strict=False):
        assert message.parts
        if message.role == "tool":
            assert before is not None
            assert before.role == "assistant"
        elif before is not None:
            assert before.role != message.role
        for part in message.parts:
            if isinstance(part, ToolCallPart):
                assert part.id not in calls
                calls.add(part.id)
            if isinstance(part, ToolResultPart):
                assert part.call_id in calls
                answered.add(part.call_id)
    assert calls == answered


def test_every_part_names_the_chunk_that_it_comes_from() -> None:
    asked = call()
    asked.metadata["reasoning"] = [{"text": "hm"}]
    pieces: list[Any] = [Piece("user"), asked, result()]
    sending.decide(pieces)
    sources = [part.source for message in assembly.build_messages(pieces) for part in message.parts]
    assert sources == [str(piece.id) for piece in (pieces[0], asked, asked, pieces[2])]
