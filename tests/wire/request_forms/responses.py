"""Responses: ``instructions`` and ``input`` items."""

import json
from typing import Any

from providers_app.types.chat import Message, Part, TextPart, ToolCallPart, ToolResultPart

ROLES: dict[str, Any] = {"developer": "system", "system": "system", "user": "user", "assistant": "assistant"}


def read(body: dict[str, Any]) -> tuple[Message, ...]:
    """The items of a body as messages; neighbours of one role are one message."""
    found: list[tuple[Any, list[Part]]] = []
    names: dict[str, str] = {}

    def add(role: Any, *parts: Part) -> None:
        if found and found[-1][0] == role:
            found[-1][1].extend(parts)
        else:
            found.append((role, list(parts)))

    if body.get("instructions"):
        add("system", TextPart(body["instructions"]))
    for item in body["input"]:
        match item.get("type", "message"):
            case "function_call":
                names[item["call_id"]] = item["name"]
                arguments = json.loads(item["arguments"])
                add("assistant", ToolCallPart(item["call_id"], item["name"], arguments, item["call_id"]))
            case "function_call_output":
                add("tool", ToolResultPart(item["call_id"], names[item["call_id"]], item["output"]))
            case "message":
                content = item["content"]
                texts = [content] if isinstance(content, str) else [part["text"] for part in content]
                add(ROLES[item["role"]], *map(TextPart, texts))
    return tuple(Message(role, tuple(parts)) for role, parts in found)
