"""What this compatible server accepts: no ``developer`` role, ``max_tokens`` as well as ``max_completion_tokens``."""

import json
from typing import Any

from tests.vendors import going_on
from tests.vendors.script import Ask
from tests.vendors.shapes import (
    anything,
    array,
    boolean,
    either,
    integer,
    mapping,
    nullable,
    number,
    obj,
    one_of,
    rule,
    tagged,
    text,
)

NAME = r"[a-zA-Z0-9_-]{1,64}"
TEXT_PART = obj({"type": anything, "text": text()})
IMAGE_PART = obj(
    {"type": anything, "image_url": obj({"url": text(at_least=1)}, {"detail": one_of("auto", "low", "high")})}
)
PLAIN = either(str, text(), array(tagged("type", {"text": TEXT_PART}), at_least=1))
TOOL_CALL = obj(
    {
        "id": text(at_least=1, at_most=40),
        "type": one_of("function"),
        "function": obj({"name": text(pattern=NAME), "arguments": text()}),
    }
)
ROLES = {
    "system": obj({"role": anything, "content": PLAIN}, {"name": text(pattern=NAME)}),
    "user": obj(
        {
            "role": anything,
            "content": either(
                str, text(), array(tagged("type", {"text": TEXT_PART, "image_url": IMAGE_PART}), at_least=1)
            ),
        },
        {"name": text(pattern=NAME)},
    ),
    "tool": obj({"role": anything, "tool_call_id": text(at_least=1, at_most=40), "content": PLAIN}),
}
ASSISTANT = {
    "content": nullable(PLAIN),
    "tool_calls": array(TOOL_CALL, at_least=1),
    "refusal": nullable(text()),
    "name": text(pattern=NAME),
}
MESSAGE = tagged("role", {**ROLES, "assistant": obj({"role": anything}, {**ASSISTANT, "reasoning_content": text()})})
TOOL = obj(
    {
        "type": one_of("function"),
        "function": obj(
            {"name": text(pattern=NAME)}, {"description": text(), "parameters": mapping, "strict": nullable(boolean)}
        ),
    }
)
FORMAT = tagged(
    "type",
    {
        "text": obj({"type": anything}),
        "json_object": obj({"type": anything}),
        "json_schema": obj(
            {
                "type": anything,
                "json_schema": obj(
                    {"name": text(pattern=NAME)},
                    {"schema": mapping, "strict": nullable(boolean), "description": text()},
                ),
            }
        ),
    },
)
FIELDS = {
    "stream": nullable(boolean),
    "stream_options": nullable(obj({}, {"include_usage": boolean, "include_obfuscation": boolean})),
    "max_tokens": nullable(integer(1)),
    "max_completion_tokens": nullable(integer(1)),
    "temperature": nullable(number(0, 2)),
    "top_p": nullable(number(0, 1)),
    "n": nullable(integer(1, 1)),
    "stop": nullable(either(str, text(), array(text(), at_most=4))),
    "seed": nullable(integer()),
    "tools": array(TOOL, at_least=1),
    "tool_choice": either(
        str, one_of("auto", "none", "required"), obj({"type": one_of("function"), "function": obj({"name": text()})})
    ),
    "parallel_tool_calls": boolean,
    "response_format": FORMAT,
    "reasoning_effort": nullable(one_of("none", "minimal", "low", "medium", "high", "xhigh")),
    "presence_penalty": number(-2, 2),
    "frequency_penalty": number(-2, 2),
    "logprobs": boolean,
    "user": text(),
}
BODY = obj({"model": text(at_least=1), "messages": array(MESSAGE, at_least=1)}, FIELDS)


def check_fields(body: dict[str, Any]) -> None:
    """The rules between fields. Raises ``Violation``."""
    streamed = bool(body.get("stream"))
    said = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    rule(streamed or body.get("stream_options") is None, ("stream_options",), said)
    limits = [name for name in ("max_tokens", "max_completion_tokens") if body.get(name) is not None]
    rule(len(limits) < 2, ("max_tokens",), "Setting 'max_tokens' and 'max_completion_tokens' at once is not supported.")
    for name in ("tool_choice", "parallel_tool_calls"):
        rule(name not in body or "tools" in body, (name,), f"'{name}' is only allowed when 'tools' are specified.")


def check_messages(messages: list[dict[str, Any]]) -> None:
    """Each tool call is answered before any other message, each answer has its call. Raises ``Violation``."""
    waiting: list[str] = []
    for position, message in enumerate(messages):
        where = ("messages", position, "role")
        if message["role"] == "tool":
            said = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
            rule(message["tool_call_id"] in waiting, where, said)
            waiting.remove(message["tool_call_id"])
            continue
        _check_answered(waiting, where)
        if message["role"] == "assistant":
            whole = message.get("content") is not None or bool(message.get("tool_calls"))
            rule(whole, ("messages", position, "content"), "An assistant message needs 'content' or 'tool_calls'.")
            for call in message.get("tool_calls", ()):
                _check_json(call["function"]["arguments"], position)
                waiting.append(call["id"])
        rule(len(waiting) == len(set(waiting)), where, "Tool call ids must be unique within a message.")
    _check_answered(waiting, ("messages",))


def _check_answered(waiting: list[str], where: tuple[str | int, ...]) -> None:
    said = "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."
    rule(not waiting, where, f"{said} These did not have response messages: {', '.join(waiting)}")


def _check_json(arguments: str, position: int) -> None:
    try:
        fits = isinstance(json.loads(arguments), dict)
    except ValueError:
        fits = False
    rule(fits, ("messages", position, "tool_calls"), "Tool call arguments must be a JSON object.")


def read_ask(body: dict[str, Any]) -> Ask:
    """The request in neutral words."""
    messages = body["messages"]
    last_user = max((n for n, message in enumerate(messages) if message["role"] == "user"), default=-1)
    results = [_text(message["content"]) for message in messages[last_user + 1 :] if message["role"] == "tool"]
    choice = body.get("tool_choice", "auto")
    stops = body.get("stop") or ()
    schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
    return Ask(
        **going_on.read(
            [(message["role"], _text(message.get("content"))) for message in messages],
            prefix=bool(messages[-1].get("prefix") or body.get("continue_final_message")),
        ),
        echo=bool(body.get("echo")),
        prompt_chars=len(json.dumps([messages, body.get("tools")], ensure_ascii=False)),
        tools=tuple(
            (tool["function"]["name"], tool["function"].get("parameters", {})) for tool in body.get("tools", ())
        ),
        tool_mode="required" if isinstance(choice, dict) else choice,
        tool_name=choice["function"]["name"] if isinstance(choice, dict) else None,
        parallel=body.get("parallel_tool_calls", True),
        answered_tools=tuple(results),
        schema=schema,
        max_tokens=body.get("max_tokens") or body.get("max_completion_tokens"),
        stops=(stops,) if isinstance(stops, str) else tuple(stops),
        reasoning=body.get("reasoning_effort") not in (None, "none"),
    )


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content or ())
