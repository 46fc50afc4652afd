"""Building requests in tests, and reading back what a dialect made of them."""

import json
from typing import Any

from providers_app import dialects
from providers_app.types.chat import ChatRequest, Message, Part, TextPart, Tool, ToolCallPart, ToolResultPart
from providers_app.types.dialect import Dialect

ALL = [dialects.by_name(name) for name in dialects.NAMES]
NAMES = list(dialects.NAMES)
WEATHER = Tool("weather", "Weather of a city", {"type": "object", "properties": {"city": {"type": "string"}}})
LONG_ID = "chatcmpl-tool-0123456789abcdef0123456789abcdef.0:1"


def say(role: Any, *parts: Part | str) -> Message:
    return Message(role, tuple(TextPart(part) if isinstance(part, str) else part for part in parts))


def ask(*messages: Message, **fields: Any) -> ChatRequest:
    return ChatRequest(model=fields.pop("model", "m-1"), messages=messages, **fields)


def body_of(dialect: Dialect, chat: ChatRequest) -> dict[str, Any]:
    built = dialect.build_body(chat)
    assert built == dialect.build_body(chat), "the same request gives the same bytes"
    found: dict[str, Any] = json.loads(built)
    return found


TOOL_TURN = (
    say("system", "Be brief."),
    say("user", "Weather?"),
    say(
        "assistant",
        "I look.",
        ToolCallPart(LONG_ID, "weather", {"city": "Zürich"}, LONG_ID),
        ToolCallPart("b:1", "weather", {"city": "Bern"}, "b:1"),
    ),
    say("tool", ToolResultPart("b:1", "weather", "rain"), ToolResultPart(LONG_ID, "weather", '{"sky":"clear"}', True)),
    say("user", "Thanks."),
)
