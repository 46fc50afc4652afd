"""The arguments besides messages: sampling parameters, tools, and the tool choice."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from providers_app.advice import values
from providers_app.errors import InvalidParameter, InvalidRequest
from providers_app.text import nearest, quoted
from providers_app.types import intent_rules
from providers_app.types.chat import ChatParams, Tool, ToolChoice

TOOL_NAME_MAX = 128
TOOL_NAME = re.compile(rf"[A-Za-z0-9_.:-]{{1,{TOOL_NAME_MAX}}}")
TOOL_MODES = ("auto", "none", "required")


def parse_params(params: Mapping[str, Any]) -> ChatParams:
    """Return parameters as the dialects take them. Raises ``InvalidParameter`` with all problems."""
    wrong = values.check(params)
    if wrong:
        raise InvalidParameter(wrong)
    return ChatParams(**values.canonical(params))


def parse_tools(tools: Iterable[Tool | Mapping[str, Any]] | None) -> tuple[Tool, ...]:
    """Return ``Tool`` values from such values or dictionaries (flat, or nested under ``function``).

    Raises ``InvalidRequest`` for a tool without a name, with a name twice, or with parameters that are no JSON Schema
    object.
    """
    if not isinstance(tools or (), Iterable):
        raise InvalidRequest(f"tools must be a list, not {type(tools).__name__}.")
    found: dict[str, Tool] = {}
    for number, item in enumerate(tools or (), start=1):
        tool = _tool(number, item)
        if tool.name in found:
            raise InvalidRequest(f"There are two tools named {tool.name!r}.")
        found[tool.name] = tool
    return tuple(found.values())


def parse_tool_choice(choice: str | Mapping[str, Any] | ToolChoice | None, tools: tuple[Tool, ...]) -> ToolChoice:
    """Parse ``auto``, ``none``, ``required``, a tool's name, or OpenAI's object with one. Raises ``InvalidRequest``."""
    if choice is None:
        return ToolChoice()
    if isinstance(choice, ToolChoice):
        parsed = choice
    elif isinstance(choice, Mapping):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, Mapping) else choice.get("name")
        parsed = ToolChoice("tool", str(name)) if name else ToolChoice(choice.get("type", "auto"))
    elif choice in TOOL_MODES:
        parsed = ToolChoice(choice)  # type: ignore[arg-type]
    else:
        parsed = ToolChoice("tool", str(choice))
    if parsed.mode == "tool" and parsed.name not in {tool.name for tool in tools}:
        message = f"tool_choice names the tool {quoted(parsed.name)}, which is not among the tools."
        raise InvalidRequest(message, hint=nearest(str(parsed.name), [tool.name for tool in tools], all_of="Tools"))
    if parsed.mode not in (*TOOL_MODES, "tool"):
        known = f"Known: {', '.join(TOOL_MODES)}."
        raise InvalidRequest(f"tool_choice {quoted(parsed.mode)} is not known.", hint=known)
    if parsed.mode == "required" and not tools:
        raise InvalidRequest("tool_choice is 'required', but there are no tools.")
    return parsed


def _tool(number: int, item: Any) -> Tool:
    if isinstance(item, Tool):
        tool = item
    else:
        body = item.get("function", item) if isinstance(item, Mapping) else None
        if not isinstance(body, Mapping):
            raise InvalidRequest(f"Tool {number} must be a Tool or a dictionary, not {type(item).__name__}.")
        parameters = body.get("parameters", body.get("input_schema"))
        parameters = {"type": "object", "properties": {}} if parameters is None else parameters
        if not isinstance(parameters, Mapping):
            raise InvalidRequest(f"Tool {number}: parameters must be a JSON Schema object.")
        tool = Tool(
            name=str(body.get("name") or ""),
            description=str(body.get("description") or ""),
            parameters=dict(parameters),
            strict=body.get("strict"),
            **_declared(number, item, body),
        )
    if not isinstance(tool.name, str) or not TOOL_NAME.fullmatch(tool.name):
        raise InvalidRequest(f"Tool {number} has no valid name: 1 to {TOOL_NAME_MAX} of A-Z, a-z, 0-9, _ - . and :.")
    if not isinstance(tool.description, str) or not isinstance(tool.parameters, dict):
        raise InvalidRequest(f"Tool {number} needs a text as description and a JSON Schema object as parameters.")
    if not isinstance(tool.strict, bool | None):
        raise InvalidRequest(f"Tool {number}: strict must be true or false.")
    if not all(isinstance(flag, bool | None) for flag in (tool.read_only, tool.destructive, tool.ask_intent)):
        raise InvalidRequest(f"Tool {number}: read_only, destructive and ask_intent must be true or false.")
    if tool.intent is not None:
        intent = intent_rules.parse_intent(tool.intent, f"The intent of tool {number}")
        tool = msgspec.structs.replace(tool, intent=intent)
    intent_rules.check_tool(tool)
    return tool


def _declared(number: int, item: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the intent that a dictionary declares, in Maestro's fields or in the ``annotations`` of MCP."""
    intent = item.get("intent", body.get("intent"))
    hints = item.get("annotations", body.get("annotations"))
    hints = hints if isinstance(hints, Mapping) else {}
    read_only = item.get("read_only", body.get("read_only", hints.get("readOnlyHint")))
    destructive = item.get("destructive", body.get("destructive", hints.get("destructiveHint")))
    if intent is not None:
        risk = intent_rules.rule_risk(read_only, destructive)
        intent = intent_rules.parse_intent(intent, f"The intent of tool {number}", risk=risk)
    return {
        "intent": intent,
        "read_only": read_only,
        "destructive": destructive,
        "ask_intent": item.get("ask_intent", body.get("ask_intent", False)),
    }
