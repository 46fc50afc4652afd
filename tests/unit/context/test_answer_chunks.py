"""The chunks that an answer leaves: everything that was read, in order, and the messages made of them again."""

import uuid
from typing import Any

import msgspec

from context_app import assembly, sending
from context_app.models import ContextChunk
from context_app.streams.answer_chunks import answer_chunks
from providers_app.chat.answer_parts import AnswerParts
from providers_app.types.chat import BlockPart, ImagePart, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from providers_app.types.events import (
    Citation,
    ErrorInfo,
    Event,
    GeneratedFile,
    OpaqueBlock,
    Origin,
    ReasoningDelta,
    ServerToolEvent,
    StreamEnd,
    StreamStart,
    TextDelta,
    ToolCall,
)
from providers_app.types.intent import ToolIntent

MADE = Origin("anthropic", "m", "one")
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "ferries"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": "https://e.test"}]}
EVENTS: list[Event] = [
    StreamStart("m", origin=MADE),
    ReasoningDelta("First I look.", 0, {"type": "thinking", "signature": "s"}),
    TextDelta("Looking it up."),
    ServerToolEvent("server_tool_use", SEARCH),
    ServerToolEvent("web_search_tool_result", FOUND),
    TextDelta("Ferries run "),
    TextDelta("daily."),
    Citation({"url": "https://e.test"}, "https://e.test", "E", "daily"),
    Citation({"url": "https://e.test"}, "https://e.test", "E", "daily"),
    GeneratedFile("image/png", "0b0e7a5e-0000-4000-8000-000000000001", size=5, opaque={"thoughtSignature": "t"}),
    OpaqueBlock("new_kind", {"type": "new_kind", "x": 1}),
    ToolCall(0, "call_1", "book", {"seat": 1}),
    StreamEnd("tool_calls"),
]


def rows(events: list[Event]) -> list[ContextChunk]:
    """The chunks as unsaved rows, in their order."""
    turn = uuid.uuid4()
    made = [
        ContextChunk(turn_id=turn, order=n, role="assistant", kind=one.kind, content=one.content, metadata=one.metadata)
        for n, one in enumerate(answer_chunks(events, "anthropic"))
    ]
    sending.decide(made)
    return sending.completed(made)


def test_everything_is_a_chunk_in_its_place() -> None:
    made = answer_chunks(EVENTS, "anthropic")
    assert [(one.kind, one.content.split("\n")[0]) for one in made] == [
        ("assistant", "Looking it up."),
        ("server_tool", "web_search: ferries"),
        ("server_tool", "web_search_tool_result"),
        ("assistant", "Ferries run daily."),
        ("image", "Generated image/png"),
        ("block", "new_kind"),
        ("tool_call", "{"),
    ]
    assert made[3].metadata["citations"] == [{"url": "https://e.test", "title": "E", "quote": "daily"}], "once"
    assert made[1].metadata["call_id"] == made[2].metadata["call_id"], "a tool and its result go together"


def test_a_result_goes_with_the_call_that_it_names_and_not_with_its_own_id() -> None:
    called = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "x1", "name": "search"}
    found = {"type": "custom_tool_call_output", "id": "ctco_1", "call_id": "x1", "output": "Ferries."}
    made = answer_chunks([ServerToolEvent(str(one["type"]), one) for one in (called, found)], "openai")
    assert [one.metadata["call_id"] for one in made] == ["x1", "x1"]


def test_the_messages_made_of_the_chunks_have_the_parts_of_the_answer() -> None:
    parts = AnswerParts()
    for event in EVENTS:
        parts.add(event)
    messages = assembly.build_messages(rows(EVENTS))
    assert [message.role for message in messages] == ["assistant", "tool"]
    assert tuple(msgspec.structs.replace(part, source="") for part in messages[0].parts) == parts.parts()
    assert [type(part) for part in messages[0].parts] == [
        *(ReasoningPart, TextPart, BlockPart, BlockPart, TextPart, ImagePart, BlockPart, ToolCallPart)
    ]
    assert isinstance(messages[1].parts[0], ToolResultPart)


def test_more_events_extend_the_chunks_and_never_move_one() -> None:
    for cut in range(1, len(EVENTS)):
        before, whole = answer_chunks(EVENTS[:cut], "anthropic"), answer_chunks(EVENTS, "anthropic")
        assert [one.kind for one in before] == [one.kind for one in whole[: len(before)]]
        assert all(after.content.startswith(one.content) for one, after in zip(before, whole, strict=False))


def test_reasoning_after_all_text_lies_with_the_text_and_alone_it_is_kept_for_replay() -> None:
    late = ReasoningDelta("", 0, {"reasoning_details": [{"text": "t"}]})
    (one,) = answer_chunks([TextDelta("Hi"), late], "openrouter")
    assert one.content == "Hi" and one.metadata["reasoning"][0]["opaque"] == late.opaque
    (alone,) = answer_chunks([late], "openrouter")
    assert (alone.kind, alone.content) == ("assistant", "") and alone.metadata["reasoning"]
    assert answer_chunks([ReasoningDelta("only thought", 0)], "openrouter") == ()


def test_a_refusal_is_apart_from_text_and_a_file_that_was_not_kept_says_why() -> None:
    made = answer_chunks(
        [TextDelta("Well. "), TextDelta("I will not.", None, True), GeneratedFile("image/png", problem="Disk full.")],
        "",
    )
    assert [(one.kind, one.content, one.metadata.get("refusal")) for one in made] == [
        ("assistant", "Well. ", None),
        ("assistant", "I will not.", True),
        ("image", "Disk full.", None),
    ]
    assert [row.not_sent for row in rows([GeneratedFile("image/png", problem="Disk full.")])] == ["no_file"]
    assert [row.not_sent for row in rows([GeneratedFile("audio/wav", "ref")])] == ["no_image"]


def test_the_events_survive_being_encoded() -> None:
    kept: list[Any] = [event for event in EVENTS if isinstance(event, GeneratedFile | OpaqueBlock | Citation)]
    assert msgspec.json.decode(msgspec.json.encode(kept), type=list[Event]) == kept


def test_a_call_reads_as_its_arguments_and_carries_its_intent_and_what_was_wrong_with_it() -> None:
    wrong = ErrorInfo(code="invalid_intent", message="No intent: soon.")
    said = ToolIntent("test_pass", "tests/", "high", "model")
    called = ToolCall(0, "c1", "look", {"city": "Zürich"}, "call_0", intent=said, intent_error=wrong)
    broken = ToolCall(1, "c2", "look", {}, invalid_arguments='{"city":')
    whole, cut = answer_chunks([called, broken], "demo")
    assert whole.content == '{\n  "city": "Zürich"\n}'
    assert whole.intent == {"purpose": "test_pass", "scope": "tests/", "risk_level": "high", "source": "model"}
    assert (whole.metadata["intent_error"], whole.metadata["provider_id"]) == ("No intent: soon.", "call_0")
    assert (cut.content, cut.metadata["invalid_arguments"]) == ('{"city":', '{"city":')
    assert cut.intent == {"purpose": None, "scope": "look", "risk_level": "medium", "source": "rule"}
    assert "intent_error" not in cut.metadata and "invalid_arguments" not in whole.metadata
