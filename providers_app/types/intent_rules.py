"""The rules that decide the intent of a tool call.

1. ``Tool.intent``, where the tool declares one.
2. With ``Tool.ask_intent`` the model is offered one more argument, ``maestro_intent``, and states purpose and scope
   there. The argument is taken out again.
3. The rule: no purpose, scope the tool's name, risk ``low`` for a tool that only reads, ``high`` for one that destroys,
   ``medium`` for all others.

A person may state the intent of a stored call as a model does. A statement can raise the risk, and never lower it.
Where a model's statement is no intent, the call keeps that of 1 or 3, and ``intent_error`` says what was stated.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from providers_app.errors import InvalidIntent, InvalidRequest
from providers_app.text import quoted
from providers_app.types.chat import Tool
from providers_app.types.events import ToolCall
from providers_app.types.intent import MAX_SCOPE, PURPOSES, RISK_LEVELS, IntentSource, RiskLevel, ToolIntent

INTENT_PROPERTY = "maestro_intent"
_FIELDS = ("purpose", "scope", "risk_level")
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Why you make this call: what it is for, what it touches, and how much it may break.",
    "properties": {
        "purpose": {"type": "string", "enum": list(PURPOSES)},
        "scope": {"type": "string"},
        "risk_level": {"type": "string", "enum": list(RISK_LEVELS)},
    },
    "required": list(_FIELDS),
    "additionalProperties": False,
}


def parse_intent(given: Any, where: str = "The intent", *, risk: RiskLevel = "medium") -> ToolIntent:
    """Return an intent from one, or from a dictionary (``risk``: where it has no level). Raises ``InvalidIntent``."""
    if isinstance(given, ToolIntent):
        given = {name: getattr(given, name) for name in _FIELDS}
    if not isinstance(given, Mapping):
        raise InvalidIntent(f"{where} must have purpose, scope and risk_level, not {quoted(given)}.")
    unknown = set(given) - {*_FIELDS, "risk", "source"}
    if unknown:
        raise InvalidIntent(f"{where} has the unknown field {quoted(min(map(str, unknown)))}.")
    purpose = given.get("purpose")
    if purpose is not None and purpose not in PURPOSES:
        raise InvalidIntent(f"{where}: purpose must be one of {', '.join(PURPOSES)}, not {quoted(purpose)}.")
    level = given.get("risk_level", given.get("risk", risk))
    if level not in RISK_LEVELS:
        raise InvalidIntent(f"{where}: risk_level must be one of {', '.join(RISK_LEVELS)}, not {quoted(level)}.")
    scope = given.get("scope", "")
    if not isinstance(scope, str) or len(scope) > MAX_SCOPE or "\x00" in scope:
        raise InvalidIntent(f"{where}: scope must be a text of at most {MAX_SCOPE} characters, without NUL.")
    return ToolIntent(purpose, scope.strip(), level, "tool")


def intent_of(tool: Tool | None, name: str) -> ToolIntent:
    """Return the intent that the tool declares, else the rule's; an undeclared tool is taken to change something."""
    if tool is not None and tool.intent is not None:
        return msgspec.structs.replace(tool.intent, scope=tool.intent.scope or name[:MAX_SCOPE], source="tool")
    risk = rule_risk(tool.read_only, tool.destructive) if tool is not None else "medium"
    return ToolIntent(scope=name[:MAX_SCOPE], risk_level=risk)


def rule_risk(read_only: bool | None, destructive: bool | None) -> RiskLevel:
    """Return the risk that the rule gives the calls of a tool with these flags."""
    return "high" if destructive else "low" if read_only else "medium"


def with_statement(known: ToolIntent, said: ToolIntent, source: IntentSource) -> ToolIntent:
    """Return the intent of a call after a statement of ``source``, which never lowers the risk."""
    risk = max(said.risk_level, known.risk_level, key=RISK_LEVELS.index)
    return ToolIntent(said.purpose or known.purpose, said.scope or known.scope, risk, source)


def stated_schema(parameters: dict[str, Any], *, strict: bool = False) -> dict[str, Any]:
    """Return a tool's schema with a property for the model's statement; required only where the schema is strict."""
    properties = {**parameters.get("properties", {}), INTENT_PROPERTY: _SCHEMA}
    extended = {"type": "object", **parameters, "properties": properties}
    if strict:
        extended["required"] = [*parameters.get("required", ()), INTENT_PROPERTY]
    return extended


def check_tool(tool: Tool) -> None:
    """Raise ``InvalidRequest`` for a tool that asks for a statement and has an argument of that name itself."""
    properties = tool.parameters.get("properties")
    if tool.ask_intent and isinstance(properties, Mapping) and INTENT_PROPERTY in properties:
        message = f"The tool {tool.name!r} has a parameter {INTENT_PROPERTY!r} of its own."
        raise InvalidRequest(message, hint="Rename it, or leave ask_intent off.")


def decided(call: ToolCall, tool: Tool | None) -> ToolCall:
    """Return the call with its intent, and without the model's statement among its arguments."""
    known = intent_of(tool, call.name)
    if tool is None or not tool.ask_intent or INTENT_PROPERTY not in call.arguments:
        return msgspec.structs.replace(call, intent=known)
    arguments = dict(call.arguments)
    stated = arguments.pop(INTENT_PROPERTY)
    opaque = {**(call.opaque or {}), INTENT_PROPERTY: stated}
    call = msgspec.structs.replace(call, arguments=arguments, opaque=opaque)
    try:
        said = parse_intent(stated, f"The model's intent for {quoted(call.name)}", risk=known.risk_level)
    except InvalidIntent as error:
        return msgspec.structs.replace(call, intent=known, intent_error=error.info())
    return msgspec.structs.replace(call, intent=with_statement(known, said, "model"))
