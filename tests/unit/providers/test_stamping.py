"""What the events of an answer get that only the request knows."""

from providers_app.dialects.openai_chat import OpenAIChat
from providers_app.dialects.tool_forms import OPENAI_NAMES
from providers_app.dispatch.events import Annotator
from providers_app.ports import Session
from providers_app.streaming import fold
from providers_app.types.chat import ChatRequest, ReasoningPart, TextPart, Tool, ToolCallPart
from providers_app.types.events import (
    Event,
    Origin,
    ReasoningDelta,
    StreamEnd,
    StreamStart,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from providers_app.types.intent import ToolIntent

SESSION = Session(id="7", owner=1, provider="remote", auth_type="api_key", name="s", status="active")
TOOL = Tool("fs.read", read_only=True)
WIRE = OPENAI_NAMES.of(TOOL.name)
CHAT = ChatRequest(model="m", messages=(), tools=(TOOL,))
ANSWER: list[Event] = [
    StreamStart("m-0613"),
    ReasoningDelta("hm", 0, {"signature": "s"}),
    TextDelta("I look."),
    ReasoningDelta("now", 1),
    ToolCallDelta(0, WIRE, "{}", "call_0"),
    ToolCall(0, "call_aa", WIRE, {}, "call_0"),
    ToolCall(1, "call_bb", "other", {}, "call_1", "{oops"),
    StreamEnd("tool_calls"),
]


def stamped() -> list[Event]:
    return Annotator(CHAT, SESSION, OpenAIChat()).events(list(ANSWER))


def test_calls_come_home_under_the_callers_name_with_an_intent_and_the_providers_id() -> None:
    result = fold(stamped())
    assert [(call.name, call.provider_id) for call in result.tool_calls] == [("fs.read", "call_0"), ("other", "call_1")]
    assert result.tool_calls[0].intent == ToolIntent(None, "fs.read", "low")
    assert next(event.name for event in stamped() if isinstance(event, ToolCallDelta)) == "fs.read"


def test_two_answers_of_the_same_bytes_have_no_id_in_common() -> None:
    ids = [{event.id for event in stamped() if isinstance(event, ToolCall)} for _ in range(2)]
    assert not ids[0] & ids[1]
    assert len(ids[0] | ids[1]) == 4


def test_the_result_is_a_message_to_go_on_with() -> None:
    result = fold(stamped())
    origin = Origin("remote", "m", "7")
    call = result.tool_calls[0]
    assert result.message.role == "assistant"
    assert result.message.parts == (
        ReasoningPart("hm", {"signature": "s"}, origin),
        TextPart("I look."),
        ReasoningPart("now", None, origin),
        ToolCallPart(call.id, "fs.read", {}, "call_0", None, origin, call.intent),
    )
    assert "parts" not in result.to_dict()


def test_text_keeps_what_the_provider_attached_to_it() -> None:
    events = [
        StreamStart(origin=Origin("gemini")),
        TextDelta("a"),
        TextDelta("b"),
        TextDelta("", {"thoughtSignature": "x"}),
    ]
    assert fold(events).parts == (TextPart("ab", {"thoughtSignature": "x"}, Origin("gemini")),)
