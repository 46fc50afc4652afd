"""Messages: ``system`` and alternating ``messages`` of blocks; results open the user's message behind their calls."""

from typing import Any

from providers_app.types.chat import Message, Part, TextPart, ToolCallPart, ToolResultPart


def read(body: dict[str, Any]) -> tuple[Message, ...]:
    """The messages of a body; results and the rest of a user's message are two messages."""
    found: list[Message] = []
    names: dict[str, str] = {}
    if body.get("system"):
        found.append(Message("system", (TextPart(body["system"]),)))
    for message in body["messages"]:
        results: list[Part] = []
        parts: list[Part] = []
        for block in message["content"]:
            match block["type"]:
                case "text":
                    parts.append(TextPart(block["text"]))
                case "tool_use":
                    names[block["id"]] = block["name"]
                    parts.append(ToolCallPart(block["id"], block["name"], block["input"], block["id"]))
                case "tool_result":
                    call_id = block["tool_use_id"]
                    failed = block.get("is_error", False)
                    results.append(ToolResultPart(call_id, names[call_id], block["content"], failed))
        if results:
            found.append(Message("tool", tuple(results)))
        if parts:
            found.append(Message(message["role"], tuple(parts)))
    return tuple(found)
