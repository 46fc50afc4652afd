"""What the Messages API accepts, and what was asked in it."""

import base64
import hashlib
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
    number,
    obj,
    one_of,
    rule,
    tagged,
    text,
)

TOOL_ID = r"[a-zA-Z0-9_-]+"
TOOL_NAME = r"[a-zA-Z0-9_-]{1,128}"

CACHE = {"cache_control": obj({"type": one_of("ephemeral")}, {"ttl": one_of("5m", "1h")})}
TEXT = obj({"type": anything, "text": text()}, {**CACHE, "citations": anything})
IMAGE_SOURCE = tagged(
    "type",
    {
        "base64": obj(
            {
                "type": anything,
                "media_type": one_of("image/jpeg", "image/png", "image/gif", "image/webp"),
                "data": text(at_least=1),
            }
        ),
        "url": obj({"type": anything, "url": text(at_least=1)}),
        "file": obj({"type": anything, "file_id": text(at_least=1)}),
    },
)
IMAGE = obj({"type": anything, "source": IMAGE_SOURCE}, CACHE)
RESULT_CONTENT = either(str, text(), array(tagged("type", {"text": TEXT, "image": IMAGE})))
USER_BLOCKS = {
    "text": TEXT,
    "image": IMAGE,
    "tool_result": obj(
        {"type": anything, "tool_use_id": text(pattern=TOOL_ID)},
        {"content": RESULT_CONTENT, "is_error": boolean, **CACHE},
    ),
}
ASSISTANT_BLOCKS = {
    "text": TEXT,
    "thinking": obj({"type": anything, "thinking": text(), "signature": text(at_least=1)}),
    "redacted_thinking": obj({"type": anything, "data": text(at_least=1)}),
    "tool_use": obj(
        {"type": anything, "id": text(pattern=TOOL_ID), "name": text(pattern=TOOL_NAME), "input": mapping}, CACHE
    ),
    "server_tool_use": obj(
        {"type": anything, "id": text(pattern=r"srvtoolu_[0-9]+"), "name": one_of("web_search"), "input": mapping}
    ),
    "web_search_tool_result": obj(
        {
            "type": anything,
            "tool_use_id": text(pattern=r"srvtoolu_[0-9]+"),
            "content": array(
                obj(
                    {"type": one_of("web_search_result"), "url": text(), "title": text(), "encrypted_content": text()},
                    {"page_age": anything},
                )
            ),
        }
    ),
}
SERVER_BLOCKS = {"server_tool_use", "web_search_tool_result"}
MESSAGE = tagged(
    "role",
    {
        "user": obj({"role": anything, "content": either(str, text(), array(tagged("type", USER_BLOCKS), at_least=1))}),
        "assistant": obj({"role": anything, "content": either(str, text(), array(tagged("type", ASSISTANT_BLOCKS)))}),
    },
)
TOOL = obj(
    {
        "name": text(pattern=TOOL_NAME),
        "input_schema": obj(
            {"type": one_of("object")},
            dict.fromkeys(
                ("properties", "required", "additionalProperties", "$defs", "description", "title"), anything
            ),
        ),
    },
    {"description": text(), "strict": boolean, "type": one_of("custom"), "eager_input_streaming": boolean, **CACHE},
)
COUNTED = {
    "system": either(str, text(), array(tagged("type", {"text": TEXT}))),
    "tools": array(TOOL),
    "tool_choice": tagged(
        "type",
        {
            "auto": obj({"type": anything}, {"disable_parallel_tool_use": boolean}),
            "any": obj({"type": anything}, {"disable_parallel_tool_use": boolean}),
            "tool": obj({"type": anything, "name": text()}, {"disable_parallel_tool_use": boolean}),
            "none": obj({"type": anything}),
        },
    ),
    "thinking": tagged(
        "type",
        {
            "adaptive": obj({"type": anything}, {"display": one_of("summarized", "omitted")}),
            "enabled": obj(
                {"type": anything, "budget_tokens": integer(1024)}, {"display": one_of("summarized", "omitted")}
            ),
            "disabled": obj({"type": anything}),
            "between_tools": obj({"type": anything}),
        },
    ),
    "output_config": obj(
        {},
        {
            "effort": one_of("low", "medium", "high", "xhigh", "max"),
            "format": obj({"type": one_of("json_schema"), "schema": mapping}),
        },
    ),
    **CACHE,
}
NEEDED = {"model": text(at_least=1), "messages": array(MESSAGE, at_most=100_000)}
COUNT_BODY = obj(NEEDED, COUNTED)
OPTIONS = {
    **COUNTED,
    "stream": boolean,
    "stop_sequences": array(text(at_least=1)),
    "metadata": obj({}, {"user_id": text(at_most=256)}),
    "temperature": number(0, 1),
    "top_p": number(0, 1),
    "top_k": integer(0),
    "service_tier": one_of("auto", "standard_only"),
}
MESSAGES_BODY = obj({**NEEDED, "max_tokens": integer(0)}, OPTIONS)
WITHOUT_SAMPLING = "2026-10-21"
NO_SAMPLING = {"claude-opus-5", "claude-sonnet-5"}
"""Models that take no sampling parameters under any version."""
THINKING = {"claude-haiku-4-5": {"enabled", "disabled"}}
"""Which kinds of thinking an older model takes; the newer ones take the adaptive kind and none with a budget."""


def signature(thinking: str) -> str:
    """The seal under a thinking block; a block that comes back changed no longer fits it."""
    return base64.b64encode(hashlib.sha256(thinking.encode()).digest() * 3).decode()


def check_fields(body: dict[str, Any], base: str, version: str) -> None:
    """The rules between fields. Raises ``Violation``."""
    thinking = body.get("thinking", {"type": "disabled"})
    for name in ("temperature", "top_p", "top_k"):
        rule(name not in body or version != WITHOUT_SAMPLING, (name,), "Extra inputs are not permitted")
    rule(
        "temperature" not in body or "top_p" not in body or base == "claude-3-7-sonnet",
        (),
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
    )
    kinds = THINKING.get(base, {"adaptive", "disabled", "between_tools"})
    rule(thinking["type"] in kinds, ("thinking", "type"), f'"{thinking["type"]}" is not supported by this model.')
    if thinking["type"] in ("enabled", "adaptive"):
        rule(body.get("temperature", 1) == 1, (), "`temperature` may only be set to 1 when thinking is enabled.")
    for name in ("temperature", "top_p", "top_k"):
        rule(name not in body or base not in NO_SAMPLING, (), f"`{name}` is deprecated for this model.")
    if thinking["type"] == "enabled":
        rule(
            thinking["budget_tokens"] < body.get("max_tokens", 10**9),
            (),
            "`max_tokens` must be greater than `thinking.budget_tokens`.",
        )
        forced = body.get("tool_choice", {"type": "auto"})["type"] in ("any", "tool")
        rule(not forced, (), "Thinking may not be enabled when tool_choice forces tool use.")
    rule("tool_choice" not in body or bool(body.get("tools")), ("tool_choice",), "tools must be specified with it")
    names = [tool["name"] for tool in body.get("tools", ())]
    rule(len(names) == len(set(names)), ("tools",), "Tool names must be unique.")


def _check_server_blocks(blocks: Any) -> None:
    """A search and its result come back together, unchanged."""
    blocks = [] if isinstance(blocks, str) else blocks
    used = [block["id"] for block in blocks if block["type"] == "server_tool_use"]
    found = [block for block in blocks if block["type"] == "web_search_tool_result"]
    rule([block["tool_use_id"] for block in found] == used, (), "`web_search_tool_result` blocks do not fit their use.")
    for result in (one for block in found for one in block["content"]):
        rule(result["encrypted_content"] == signature(result["url"]), (), "Invalid `encrypted_content` in a result.")


PREFILLED = ("claude-haiku-4-5", "claude-archive-", "claude-3-7-sonnet")
"""Models that go on behind an assistant's last message; the newer ones refuse it."""


def check_prefill(body: dict[str, Any], base: str) -> bool:
    """Whether the answer goes on behind the last message. Raises ``Violation``."""
    last = body["messages"][-1] if body["messages"] else {"role": "user"}
    if last["role"] != "assistant" or not base.startswith(PREFILLED):
        return False
    thinks = body.get("thinking", {"type": "disabled"})["type"] in ("enabled", "adaptive")
    rule(not thinks, (), "When `thinking` is enabled, a final `assistant` message must start with a thinking block.")
    blocks = [{"type": "text", "text": last["content"]}] if isinstance(last["content"], str) else last["content"]
    text = blocks[-1].get("text", "")
    rule(blocks[-1]["type"] == "text", ("messages",), "a final assistant message must end with text")
    rule(text == text.rstrip(), ("messages",), "final assistant content cannot end with trailing whitespace")
    return True


def check_conversation(messages: list[dict[str, Any]], *, prefilled: bool = False) -> None:
    """The rules between messages; ``prefilled``: the last one begins the answer. Raises ``Violation``."""
    rule(bool(messages), ("messages",), "at least one message is required")
    rule(messages[0]["role"] == "user", ("messages",), 'first message must use the "user" role')
    last = messages[-1]["content"]
    paused = messages[-1]["role"] == "assistant" and isinstance(last, list) and last[-1]["type"] in SERVER_BLOCKS
    for message in messages:
        _check_server_blocks(message["content"])
    rule(
        paused or prefilled or messages[-1]["role"] == "user",
        (),
        "This model does not support assistant message prefill. The conversation must end with a user message.",
    )
    open_ids: list[str] = []
    used: set[str] = set()
    for position, message in enumerate(messages):
        blocks = message["content"]
        rule(blocks != "", ("messages", position), "user messages must have non-empty content")
        blocks = [{"type": "text", "text": blocks}] if isinstance(blocks, str) else blocks
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        missing = [one for one in open_ids if one not in results]
        rule(
            not missing,
            ("messages", position - 1),
            f"`tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(missing)}. Each "
            "`tool_use` block must have a corresponding `tool_result` block in the next message.",
        )
        stray = [one for one in results if one not in open_ids]
        rule(
            not stray,
            ("messages", position, "content", 0),
            f"unexpected `tool_use_id` found in `tool_result` blocks: {', '.join(stray)}. Each `tool_result` block "
            "must have a corresponding `tool_use` block in the previous message.",
        )
        kinds = [block["type"] for block in blocks]
        rule(
            kinds[: len(results)] == ["tool_result"] * len(results),
            ("messages", position),
            "tool_result blocks must come first in the content.",
        )
        _check_blocks(blocks, ("messages", position, "content"), used)
        open_ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
    rule(not open_ids, ("messages",), "`tool_use` ids were found without `tool_result` blocks")


def _check_blocks(blocks: list[dict[str, Any]], path: tuple[str | int, ...], used: set[str]) -> None:
    for number_, block in enumerate(blocks):
        if block["type"] == "text":
            rule(bool(block["text"].strip()), ("messages",), "text content blocks must be non-empty")
        elif block["type"] == "thinking":
            rule(
                block["signature"] == signature(block["thinking"]),
                (*path, number_),
                "Invalid `signature` in `thinking` block",
            )
        elif block["type"] == "tool_use":
            rule(block["id"] not in used, (*path, number_, "id"), "`tool_use` ids must be unique")
            used.add(block["id"])


def read_ask(body: dict[str, Any]) -> Ask:
    """The request in neutral words."""
    last = body["messages"][-1]["content"]
    blocks = [{"type": "text", "text": last}] if isinstance(last, str) else last
    results = [_result_text(block) for block in blocks if block["type"] == "tool_result"]
    choice = body.get("tool_choice", {"type": "auto"})
    format_ = body.get("output_config", {}).get("format")
    thinking = body.get("thinking", {"type": "disabled"})
    paused = body["messages"][-1]["role"] == "assistant" and blocks[-1]["type"] in SERVER_BLOCKS
    texts = [(message["role"], _text(message["content"])) for message in body["messages"]]
    given = {"last_text": texts[-1][1]} if paused else going_on.read(texts, prefix=True)
    return Ask(
        **given,
        prompt_chars=len(json.dumps([body["messages"], body.get("system"), body.get("tools")], ensure_ascii=False)),
        tools=tuple((tool["name"], tool["input_schema"]) for tool in body.get("tools", ())),
        tool_mode={"auto": "auto", "none": "none"}.get(choice["type"], "required"),  # type: ignore[arg-type]
        tool_name=choice.get("name"),
        parallel=not choice.get("disable_parallel_tool_use", False),
        answered_tools=tuple(results),
        schema=format_["schema"] if format_ else None,
        max_tokens=body.get("max_tokens"),
        stops=tuple(body.get("stop_sequences", ())),
        reasoning=thinking["type"] in ("enabled", "adaptive"),
        paused=paused,
    )


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return " ".join(block["text"] for block in content if block["type"] == "text")


def _result_text(block: dict[str, Any]) -> str:
    content = block.get("content", "")
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
