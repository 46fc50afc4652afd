"""Notes about the history of a request: what a dialect does to a part that comes from a chunk of a context.

A note is advice with the chunk's id as ``source``; the dialect adds it to ``ChatRequest.notes`` while it builds.
"""

from collections.abc import Iterable
from typing import Literal

from providers_app.types.advice import Advice, Level
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

Change = Literal["part_dropped", "part_moved", "part_renamed", "part_inserted"]
"""The codes of notes."""
_NAMES: dict[type[Part], str] = {
    ReasoningPart: "Reasoning",
    BlockPart: "Provider data",
    ImagePart: "Picture",
    TextPart: "Text",
    ToolCallPart: "Tool call",
    ToolResultPart: "Tool result",
}


def note(chat: ChatRequest, part: Part, code: Change, what: str) -> None:
    """Add a note about ``part``, unless it comes from no chunk. ``what`` is a sentence."""
    if part.source:
        level: Level = "warning" if code == "part_dropped" else "hint"
        chat.notes.append(Advice(level=level, field="messages", what=what, code=code, source=part.source))


def dropped(chat: ChatRequest, part: Part, why: str) -> None:
    """Note that ``part`` is not sent; ``why`` continues the sentence."""
    note(chat, part, "part_dropped", f"{_NAMES.get(type(part), 'Part')} not sent: {why}.")


def renamed(chat: ChatRequest, names: dict[str, str]) -> None:
    """Note the tool calls whose name, a key of ``names``, the wire does not accept."""
    for part in _calls(chat.messages) if names else ():
        if part.name in names:
            note(chat, part, "part_renamed", f"The tool's name is sent as {names[part.name]}.")


def _calls(messages: Iterable[Message]) -> Iterable[ToolCallPart]:
    return (part for message in messages for part in message.parts if isinstance(part, ToolCallPart))
