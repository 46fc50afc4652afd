"""Chat Completions: ``messages``."""

import json
from typing import Any

from providers_app.types.chat import Message, Part, TextPart, ToolCallPart, ToolResultPart


def read(body: dict[str, Any]) -> tuple[Message, ...]:
    """The messages of a body; consecutive ``tool`` messages are one."""
    found: list[Message] = []
    names: dict[str, str] = {}
    for message in body["messages"]:
        role, content = message["role"], message.get("content")
        if role == "tool":
            part = ToolResultPart(message["tool_call_id"], names[message["tool_call_id"]], content)
            if found[-1].role == "tool":
                found[-1] = Message("tool", (*found[-1].parts, part))
            else:
                found.append(Message("tool", (part,)))
            continue
        parts: list[Part] = [TextPart(text) for text in _texts(content)]
        for call in message.get("tool_calls", ()):
            function = call["function"]
            names[call["id"]] = function["name"]
            parts.append(ToolCallPart(call["id"], function["name"], json.loads(function["arguments"]), call["id"]))
        found.append(Message("system" if role == "developer" else role, tuple(parts)))
    return tuple(found)


def _texts(content: Any) -> list[str]:
    if isinstance(content, list):
        return [part["text"] for part in content if part["type"] == "text"]
    return [content] if content else []
