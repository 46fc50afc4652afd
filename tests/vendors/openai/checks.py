"""What the Responses API accepts, and what was asked in it."""

import json
from typing import Any

from tests.vendors import going_on
from tests.vendors.script import Ask
from tests.vendors.shapes import (
    Violation,
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

TOOL_NAME = r"[a-zA-Z0-9_-]{1,64}"
ITEM_STATUS = {"status": one_of("in_progress", "completed", "incomplete")}
INPUT_PARTS = {
    "input_text": obj({"type": anything, "text": text()}),
    "input_image": obj(
        {"type": anything},
        {"image_url": text(at_least=1), "file_id": text(), "detail": one_of("auto", "low", "high", "original")},
    ),
    "input_file": obj(
        {"type": anything}, {"file_id": text(), "file_url": text(), "file_data": text(), "filename": text()}
    ),
}
OUTPUT_PARTS = {
    "output_text": obj({"type": anything, "text": text()}, {"annotations": array(anything), "logprobs": anything}),
    "refusal": obj({"type": anything, "refusal": text()}),
}


def _message(parts: dict[str, Any]) -> Any:
    content = either(str, text(), array(tagged("type", parts)))
    optional = {"type": one_of("message"), "id": text(pattern="msg_.+"), "phase": text(), **ITEM_STATUS}
    return obj({"role": anything, "content": content}, optional)


MESSAGE = tagged(
    "role",
    {**{role: _message(INPUT_PARTS) for role in ("user", "system", "developer")}, "assistant": _message(OUTPUT_PARTS)},
)
CALL_ID = text(at_least=1, at_most=64)
ITEM = tagged(
    "type",
    {
        "message": MESSAGE,
        "function_call": obj(
            {"type": anything, "call_id": CALL_ID, "name": text(pattern=TOOL_NAME), "arguments": text()},
            {"id": text(pattern="fc_.+"), **ITEM_STATUS},
        ),
        "function_call_output": obj(
            {"type": anything, "call_id": CALL_ID, "output": either(str, text(), array(tagged("type", INPUT_PARTS)))},
            {"id": text(), **ITEM_STATUS},
        ),
        "reasoning": obj(
            {"type": anything, "summary": array(obj({"type": one_of("summary_text"), "text": text()}))},
            {
                "id": text(pattern="rs_.+"),
                "encrypted_content": nullable(text()),
                "content": nullable(array(anything)),
                **ITEM_STATUS,
            },
        ),
    },
    default="message",
)
TOOL = tagged(
    "type",
    {
        "function": obj(
            {"type": anything, "name": text(pattern=TOOL_NAME), "parameters": nullable(mapping)},
            {"description": nullable(text(at_most=1024 * 8)), "strict": nullable(boolean)},
        )
    },
)
FORMAT = tagged(
    "type",
    {
        "text": obj({"type": anything}),
        "json_object": obj({"type": anything}),
        "json_schema": obj(
            {"type": anything, "name": text(pattern=r"[a-zA-Z0-9_-]{1,64}"), "schema": mapping},
            {"strict": nullable(boolean), "description": text()},
        ),
    },
)
ASKED = {
    "input": either(str, text(at_least=1), array(ITEM)),
    "instructions": nullable(text()),
    "tools": array(TOOL),
    "tool_choice": either(
        str, one_of("auto", "none", "required"), tagged("type", {"function": obj({"type": anything, "name": text()})})
    ),
    "parallel_tool_calls": boolean,
    "reasoning": nullable(
        obj(
            {},
            {
                "effort": nullable(one_of("none", "minimal", "low", "medium", "high", "xhigh", "max")),
                "summary": nullable(one_of("auto", "concise", "detailed")),
            },
        )
    ),
    "text": obj({}, {"format": FORMAT, "verbosity": one_of("low", "medium", "high")}),
    "truncation": one_of("auto", "disabled"),
    "previous_response_id": nullable(text(pattern="resp_.+")),
}
BODY = obj(
    {"model": text(at_least=1)},
    {
        **ASKED,
        "stream": nullable(boolean),
        "stream_options": nullable(obj({}, {"include_obfuscation": boolean})),
        "store": nullable(boolean),
        "max_output_tokens": nullable(integer(16)),
        "max_tool_calls": nullable(integer(1)),
        "temperature": nullable(number(0, 2)),
        "top_p": nullable(number(0, 1)),
        "include": nullable(
            array(one_of("reasoning.encrypted_content", "message.output_text.logprobs", "file_search_call.results"))
        ),
        "metadata": nullable(mapping),
        "safety_identifier": text(at_most=64),
        "prompt_cache_key": text(at_most=64),
        "service_tier": nullable(one_of("auto", "default", "flex", "priority")),
        "background": nullable(boolean),
        "user": text(),
    },
)
COUNT_BODY = obj({"model": text(at_least=1)}, ASKED)
REASONING_MODELS = {"gpt-5.6", "gpt-5.6-mini"}


def check_fields(body: dict[str, Any], base: str) -> None:
    """The rules between fields. Raises ``Violation``."""
    reasoning = body.get("reasoning") or {}
    effort = reasoning.get("effort", "medium")
    if base in REASONING_MODELS:
        for name in ("temperature", "top_p"):
            said = f"Unsupported parameter: '{name}' is not supported with this model."
            rule(body.get(name) is None or effort == "none", (name,), said, code="unsupported_parameter")
    else:
        said = "Unsupported parameter: 'reasoning.effort' is not supported with this model."
        rule(not reasoning, ("reasoning", "effort"), said, code="unsupported_parameter")
    stored = body.get("store", True) is not False
    said = "Background responses require 'store' to be true."
    rule(not body.get("background") or stored, ("background",), said, code="invalid_value")
    rule("input" in body, ("input",), "Missing required parameter: 'input'.", code="missing_required_parameter")
    names = [tool["name"] for tool in body.get("tools", ())]
    choice = body.get("tool_choice", "auto")
    asked_tools = choice == "required" or isinstance(choice, dict)
    rule(not asked_tools or bool(names), ("tool_choice",), "Tool choice must be specified with 'tools'.")
    if isinstance(choice, dict):
        rule(choice["name"] in names, ("tool_choice",), f"Tool choice '{choice['name']}' not found in 'tools'.")
    for position, tool in enumerate(body.get("tools", ())):
        if tool.get("strict"):
            _check_strict(tool.get("parameters") or {}, ("tools", position, "parameters"), tool["name"])
    form = body.get("text", {}).get("format", {})
    if form.get("type") == "json_schema":
        said = f"Invalid schema for response_format '{form['name']}': it must be of type object."
        rule(form["schema"].get("type") == "object", ("text", "format", "schema"), said, code="invalid_json_schema")
        if form.get("strict"):
            _check_strict(form["schema"], ("text", "format", "schema"), form["name"])


def _check_strict(schema: dict[str, Any], path: tuple[str | int, ...], name: str) -> None:
    properties = set(schema.get("properties", {}))
    fits = schema.get("additionalProperties") is False and properties == set(schema.get("required", ()))
    said = f"Invalid schema for function '{name}': 'additionalProperties' must be false and all fields 'required'."
    rule(fits, path, said, code="invalid_function_parameters")


def check_items(items: Any, stored: bool) -> None:
    """Every call has its output and every output its call. Raises ``Violation``."""
    if isinstance(items, str):
        return
    rule(bool(items), ("input",), "One of 'input' or 'previous_response_id' must be provided.")
    called: dict[str, bool] = {}
    for position, item in enumerate(items):
        kind = item.get("type", "message")
        if kind == "function_call":
            try:
                json.loads(item["arguments"])
            except ValueError:
                raise Violation(("input", position, "arguments"), "rule", detail="Invalid JSON.") from None
            called[item["call_id"]] = False
        elif kind == "function_call_output":
            said = f"No tool call found for function call output with call_id {item['call_id']}."
            rule(item["call_id"] in called, ("input",), said)
            called[item["call_id"]] = True
        elif kind == "reasoning" and not stored:
            said = f"Item with id '{item.get('id')}' not found. Items are not persisted when `store` is set to false."
            rule(bool(item.get("encrypted_content")), ("input",), said)
    for call_id, answered in called.items():
        rule(answered, ("input",), f"No tool output found for function call {call_id}.")


def read_ask(body: dict[str, Any]) -> Ask:
    """The request in neutral words."""
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    texts = [(item["role"], _text(item["content"])) for item in items if item.get("role") in ("user", "assistant")]
    after_last_user = items[max((n for n, item in enumerate(items) if item.get("role") == "user"), default=0) :]
    outputs = [_text(item["output"]) for item in after_last_user if item.get("type") == "function_call_output"]
    choice = body.get("tool_choice", "auto")
    format_ = body.get("text", {}).get("format", {})
    return Ask(
        **going_on.read(texts, prefix=False),
        prompt_chars=len(json.dumps([given, body.get("instructions"), body.get("tools")], ensure_ascii=False)),
        tools=tuple((tool["name"], tool.get("parameters") or {}) for tool in body.get("tools", ())),
        tool_mode="required" if isinstance(choice, dict) else choice,
        tool_name=choice["name"] if isinstance(choice, dict) else None,
        parallel=body.get("parallel_tool_calls", True),
        answered_tools=tuple(outputs),
        schema=format_.get("schema"),
        max_tokens=body.get("max_output_tokens"),
        reasoning=bool((body.get("reasoning") or {}).get("summary")),
    )


def _text(content: Any) -> str:
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)
