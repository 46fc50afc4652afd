"""What a caller may pass besides messages: sampling parameters, tools, and the wish for one of them."""

import math
import re
import types
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

from providers_app.errors import InvalidRequest
from providers_app.nearest import nearest
from providers_app.quoting import quoted
from providers_app.types.advice import Advice
from providers_app.types.chat import ChatParams, JsonSchema, Tool, ToolChoice

ALIASES = {
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "stop_sequences": "stop",
}
RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "max_output_tokens": (1, 100_000_000),
    "seed": (-(2**63), 2**63 - 1),
}
MAX_STOPS = 16
TOOL_NAME_MAX = 128
TOOL_NAME = re.compile(rf"[A-Za-z0-9_.:-]{{1,{TOOL_NAME_MAX}}}")
TOOL_MODES = ("auto", "none", "required")

_HINTS = get_type_hints(ChatParams)
NAMES = tuple(_HINTS)


def validate(params: Mapping[str, Any], ignored: Iterable[str] = ()) -> list[Advice]:
    """What is wrong or doubtful about parameters, by name; an ``error`` would keep the request from being sent.

    ``ignored`` names what the provider's wire format has no place for.
    """
    found: list[Advice] = []
    for given, value in params.items():
        name = ALIASES.get(given, given)
        if name not in NAMES:
            hint = nearest(given, (*NAMES, *ALIASES))
            message = f"There is no parameter {quoted(given)}. {hint} Provider-specific ones go into extra={{...}}."
            found.append(Advice(level="error", field=given, what=message))
        elif given != name and name in params:
            found.append(_error(given, f"{given} and {name} are the same parameter; give one of them."))
        elif value is not None:
            found.extend(_check(given, name, value))
            if name in ignored:
                message = f"{given} is not sent: this provider's API has no such parameter."
                found.append(Advice(level="warning", field=given, what=message))
    return found


def parse_params(params: Mapping[str, Any]) -> ChatParams:
    """Parameters as the dialects take them. Raises ``InvalidRequest`` that names the first wrong one."""
    wrong = [advice for advice in validate(params) if advice.level == "error"]
    if wrong:
        raise InvalidRequest(wrong[0].message)
    values = {ALIASES.get(name, name): value for name, value in params.items() if value is not None}
    if "stop" in values:
        stop = values["stop"]
        values["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
    if isinstance(values.get("response_schema"), Mapping):
        values["response_schema"] = JsonSchema(name="answer", schema=dict(values["response_schema"]))
    return ChatParams(**values)


def parse_tools(tools: Iterable[Tool | Mapping[str, Any]] | None) -> tuple[Tool, ...]:
    """``Tool`` values from themselves or from dictionaries (flat, or nested under ``function``).

    Raises ``InvalidRequest`` for a tool without a name, with a name twice, or with parameters that are no JSON Schema
    object.
    """
    found: dict[str, Tool] = {}
    if not isinstance(tools or (), Iterable):
        raise InvalidRequest(f"tools must be a list, not {type(tools).__name__}.")
    for number, item in enumerate(tools or (), start=1):
        tool = _tool(number, item)
        if tool.name in found:
            raise InvalidRequest(f"There are two tools named {tool.name!r}.")
        found[tool.name] = tool
    return tuple(found.values())


def parse_tool_choice(choice: str | Mapping[str, Any] | ToolChoice | None, tools: tuple[Tool, ...]) -> ToolChoice:
    """``auto``, ``none``, ``required``, a tool's name, or OpenAI's object that names one. Raises ``InvalidRequest``."""
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
        hint = nearest(str(parsed.name), [tool.name for tool in tools], all_of="Tools")
        raise InvalidRequest(
            f"tool_choice names the tool {quoted(parsed.name)}, which is not among the tools.", hint=hint
        )
    if parsed.mode not in (*TOOL_MODES, "tool"):
        raise InvalidRequest(
            f"tool_choice {quoted(parsed.mode)} is not known.", hint=f"Known: {', '.join(TOOL_MODES)}."
        )
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
        if parameters is None:
            parameters = {"type": "object", "properties": {}}
        if not isinstance(parameters, Mapping):
            raise InvalidRequest(f"Tool {number}: parameters must be a JSON Schema object.")
        tool = Tool(
            name=str(body.get("name") or ""),
            description=str(body.get("description") or ""),
            parameters=dict(parameters),
            strict=body.get("strict"),
        )
    if not isinstance(tool.name, str) or not TOOL_NAME.fullmatch(tool.name):
        raise InvalidRequest(f"Tool {number} has no valid name: 1 to {TOOL_NAME_MAX} of A-Z, a-z, 0-9, _ - . and :.")
    if not isinstance(tool.description, str) or not isinstance(tool.parameters, dict):
        raise InvalidRequest(f"Tool {number} needs a text as description and a JSON Schema object as parameters.")
    if not isinstance(tool.strict, bool | None):
        raise InvalidRequest(f"Tool {number}: strict must be true or false.")
    return tool


def _check(given: str, name: str, value: Any) -> list[Advice]:
    if name == "stop":
        return _check_stop(given, value)
    if name == "response_schema":
        fine = isinstance(value, JsonSchema | Mapping)
        return [] if fine else [_error(given, f"{given} must be a JSON Schema object.")]
    if name == "extra":
        fine = isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
        return [] if fine else [_error(given, "extra must be a dictionary with string keys.")]
    choices = _choices(name)
    if choices:
        if value in choices:
            return []
        message = f"{given} must be one of {', '.join(choices)}, not {quoted(value)}."
        return [Advice(level="error", field=given, what=message, nearest=_nearest_choice(value, choices))]
    if name == "parallel_tool_calls":
        return [] if isinstance(value, bool) else [_error(given, f"{given} must be true or false.")]
    return _check_number(given, name, value)


def _check_number(given: str, name: str, value: Any) -> list[Advice]:
    whole = float not in get_args(_HINTS[name])
    low, high = RANGES[name]
    wanted = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, wanted) or value in (math.inf, -math.inf) or value != value:
        return [_error(given, f"{given} must be a{' whole' if whole else ''} number, not {quoted(value)}.")]
    if low <= value <= high:
        return []
    message = f"{given} must be between {low:g} and {high:g}, not {quoted(value)}."
    return [Advice(level="error", field=given, what=message, nearest=low if value < low else high)]


def _check_stop(given: str, value: Any) -> list[Advice]:
    stops = (value,) if isinstance(value, str) else value
    if not isinstance(stops, list | tuple) or not all(isinstance(stop, str) and stop for stop in stops):
        return [_error(given, f"{given} must be a string or a list of strings, none of them empty.")]
    if len(stops) > MAX_STOPS:
        return [_error(given, f"{given} has {len(stops)} entries; at most {MAX_STOPS} are sent.")]
    return []


def _choices(name: str) -> tuple[str, ...]:
    """The words that a parameter of type ``Literal[...] | None`` may take."""
    hint = _HINTS[name]
    members = get_args(hint) if get_origin(hint) is types.UnionType or hint is not None else ()
    for member in members:
        if get_origin(member) is Literal:
            return get_args(member)
    return ()


def _nearest_choice(value: Any, choices: tuple[str, ...]) -> str | None:
    text = value[:3].lower() if isinstance(value, str) else ""
    return next((choice for choice in choices if choice.startswith(text)), None) if text else None


def _error(field: str, message: str) -> Advice:
    return Advice(level="error", field=field, what=message)
