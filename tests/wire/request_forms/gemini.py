"""generateContent: ``systemInstruction`` and ``contents``; a response belongs to its call by id, else by its place."""

import json
from typing import Any

from providers_app.types.chat import Message, Part, TextPart, ToolCallPart, ToolResultPart


def read(body: dict[str, Any]) -> tuple[Message, ...]:
    """The contents of a body as messages. A call without an id is named by its place in the conversation."""
    found: list[Message] = []
    if "systemInstruction" in body:
        found.append(Message("system", tuple(TextPart(part["text"]) for part in body["systemInstruction"]["parts"])))
    open_calls: list[ToolCallPart] = []
    made = 0
    for content in body["contents"]:
        texts: list[Part] = [TextPart(part["text"]) for part in content["parts"] if "text" in part]
        results = [part["functionResponse"] for part in content["parts"] if "functionResponse" in part]
        if results:
            pairs = zip(open_calls, results, strict=True)
            found.append(Message("tool", tuple(_result(call, result) for call, result in pairs)))
        open_calls = []
        for part in content["parts"]:
            if "functionCall" in part:
                call = part["functionCall"]
                given = call.get("id")
                open_calls.append(ToolCallPart(given or f"place_{made}", call["name"], call.get("args", {}), given))
                made += 1
        parts = (*texts, *open_calls)
        if parts:
            found.append(Message("assistant" if content["role"] == "model" else "user", parts))
    return tuple(found)


def _result(call: ToolCallPart, answer: dict[str, Any]) -> ToolResultPart:
    assert answer["name"] == call.name
    assert answer.get("id") == call.provider_id
    value = answer["response"]
    if list(value) == ["error"] and isinstance(value["error"], str):
        return ToolResultPart(call.id, call.name, value["error"], True)
    if list(value) == ["result"] and isinstance(value["result"], str):
        return ToolResultPart(call.id, call.name, value["result"])
    return ToolResultPart(call.id, call.name, json.dumps(value, ensure_ascii=False))
