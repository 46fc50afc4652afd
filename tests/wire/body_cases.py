"""Requests with everything that a message may hold, with the exact body that each format makes of them.

The bodies stand in ``tests/fixtures/bodies/<dialect>.json``. ``python -m tests.wire.body_cases`` writes them anew: read
the difference.
"""

import json
from typing import Any

from providers_app import dialects
from providers_app.dialects.openai_chat import OpenAIChat, RequestForm
from providers_app.types.chat import (
    AudioPart,
    BlockPart,
    ChatParams,
    ChatRequest,
    FilePart,
    ImagePart,
    JsonSchema,
    Message,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)
from providers_app.types.dialect import Dialect
from providers_app.types.events import Origin
from tests.wire.asking import body_of
from tests.wire.fixture_cases import DIALECTS, ROOT

FOLDER = ROOT / "bodies"
FORMS: dict[str, Dialect] = {
    **{name: dialects.by_name(name) for name in DIALECTS},
    "openai_chat": OpenAIChat(request=RequestForm(family="openrouter", reasoning_replay="details")),
}
HERE = {
    "openai_chat": Origin("openrouter", "m-1", "s-1"),
    "openai_responses": Origin("openai", "m-1", "s-1"),
    "anthropic_messages": Origin("anthropic", "m-1", "s-1"),
    "gemini_generate": Origin("gemini", "m-1", "s-1"),
}
ELSEWHERE = Origin("elsewhere", "m-9", "s-9")
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = (
    Tool("weather", "Weather of a city", CITY, strict=True),
    Tool("now", parameters={"type": "object"}),
    Tool("delete", "Delete it", CITY, strict=False, ask_intent=True),
)
OPAQUE: dict[str, dict[str, Any]] = {
    "openai_chat": {"reasoning_details": [{"type": "reasoning.encrypted", "data": "ENC"}]},
    "openai_responses": {"summary": [], "encrypted_content": "ENC"},
    "anthropic_messages": {"type": "thinking", "signature": "SIG"},
    "gemini_generate": {"thoughtSignature": "SIG"},
}
BLOCK: dict[str, tuple[str, dict[str, Any]]] = {
    "openai_chat": ("reference", {"type": "reference", "reference_ids": [1]}),
    "openai_responses": ("web_search_call", {"type": "web_search_call", "id": "ws1", "status": "completed"}),
    "anthropic_messages": ("server_tool_use", {"type": "server_tool_use", "id": "s1", "name": "w", "input": {}}),
    "gemini_generate": ("executableCode", {"executableCode": {"language": "PYTHON", "code": "1"}}),
}
MEDIA = (
    ImagePart("image/jpeg", "aW1hZ2U="),
    ImagePart(url="https://pictures.example/1.png"),
    FilePart(data="JVBERg==", name="a.pdf"),
    FilePart("text/plain", "SGVsbG8=", name="notes.txt"),
)
SHAPE = JsonSchema("answer", {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]})


def conversation(dialect: str) -> tuple[Message, ...]:
    """Every kind of part, in every role that may hold it."""
    (kind, data), here = BLOCK[dialect], HERE[dialect]
    return (
        Message("system", (TextPart("Be brief."),)),
        Message("user", (TextPart("Look."), *MEDIA, TextPart("And then?"))),
        Message(
            "assistant",
            (
                ReasoningPart("Let me see.", OPAQUE[dialect], here),
                ReasoningPart("Thought by another.", OPAQUE[dialect], ELSEWHERE),
                TextPart("I look."),
                BlockPart(kind, data, here),
                BlockPart(kind, data, ELSEWHERE),
                ToolCallPart("call_1", "weather", {"city": "Zürich"}, "given_1", OPAQUE[dialect], here),
                ToolCallPart("call_2", "now", {}, None, None, ELSEWHERE),
            ),
        ),
        Message(
            "tool",
            (
                ToolResultPart("call_1", "weather", "It rains.", True),
                ToolResultPart("call_2", "now", "12:00", media=(ImagePart("image/png", "aW1n"),)),
            ),
        ),
        Message("assistant", (TextPart("It rains."), ImagePart("image/webp", "bWFkZQ==", origin=here))),
        Message("system", (TextPart("Be briefer."),)),
        Message("user", (TextPart("Thanks."),)),
    )


def requests(dialect: str) -> dict[str, ChatRequest]:
    """The requests of a format, by name."""

    def ask(*messages: Message, **fields: Any) -> ChatRequest:
        given = messages or (Message("user", (TextPart("Hello."),)),)
        return ChatRequest(**{"model": "m-1", "messages": given, "asked": HERE[dialect], **fields})

    params = ChatParams(
        max_output_tokens=500,
        temperature=0.5,
        top_p=0.9,
        stop=("END", "STOP"),
        seed=7,
        reasoning_effort="low",
        parallel_tool_calls=False,
        extra={"metadata": {"a": 1}, "user": "u"},
    )
    sound = Message("user", (TextPart("Listen."), AudioPart("audio/wav", "UklGRg=="), AudioPart("audio/mpeg", "SUQz")))
    return {
        "plain": ask(),
        "whole": ask(stream=False),
        "everything": ask(*conversation(dialect), tools=TOOLS),
        "tools answered": ask(*conversation(dialect)[:4]),
        "parameters": ask(params=params, tools=TOOLS[1:2]),
        "shape": ask(params=ChatParams(response_schema=SHAPE)),
        **{
            f"choice {choice.mode}": ask(tools=TOOLS[1:2], tool_choice=choice)
            for choice in (ToolChoice("none"), ToolChoice("required"), ToolChoice("tool", "now"))
        },
        **({"sound": ask(sound)} if dialect in ("openai_chat", "gemini_generate") else {}),
    }


def bodies(dialect: str) -> dict[str, Any]:
    """The body of each request."""
    return {name: body_of(FORMS[dialect], chat) for name, chat in requests(dialect).items()}


if __name__ == "__main__":
    for written in DIALECTS:
        text = json.dumps(bodies(written), indent=1, ensure_ascii=False)
        (FOLDER / f"{written}.json").write_text(text + "\n")
