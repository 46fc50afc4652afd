"""Parameters by themselves: names, types, and ranges that hold everywhere, whoever is asked. Pure."""

import math
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin, get_type_hints

from providers_app.text import nearest, quoted
from providers_app.types.advice import Advice
from providers_app.types.chat import ChatParams, JsonSchema

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

_HINTS = get_type_hints(ChatParams)
NAMES = tuple(_HINTS)


def check(params: Mapping[str, Any]) -> list[Advice]:
    """What is wrong with parameters whoever is asked, under the names that the caller gave them; errors only."""
    return [advice for given in params for advice in _one(params, given)]


def canonical(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters by our names, those of ``None`` left out, each in the form that ``ChatParams`` has.

    ``check`` must have found nothing wrong with them.
    """
    values = {ALIASES.get(name, name): value for name, value in params.items() if value is not None}
    if "stop" in values:
        stop = values["stop"]
        values["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
    if isinstance(values.get("response_schema"), Mapping):
        values["response_schema"] = JsonSchema(name="answer", schema=dict(values["response_schema"]))
    return values


def _one(params: Mapping[str, Any], given: str) -> Iterator[Advice]:
    name, value = ALIASES.get(given, given), params[given]
    if name not in NAMES:
        hint = nearest(given, (*NAMES, *ALIASES))
        what = f"There is no parameter {quoted(given)}."
        yield _error(given, what, "unknown_parameter", f"{hint} Provider-specific ones go into extra={{...}}.")
    elif given != name and name in params:
        yield _error(given, f"{given} and {name} are the same parameter; give one of them.", "given_twice")
    elif value is not None:
        yield from _check(given, name, value)


def _check(given: str, name: str, value: Any) -> list[Advice]:
    if name == "stop":
        return _check_stop(given, value)
    if name == "response_schema":
        fine = isinstance(value, JsonSchema | Mapping)
        return [] if fine else [_error(given, f"{given} must be a JSON Schema object.", "wrong_type")]
    if name == "extra":
        fine = isinstance(value, Mapping) and all(isinstance(key, str) for key in value)
        return [] if fine else [_error(given, "extra must be a dictionary with string keys.", "wrong_type")]
    choices = _choices(name)
    if choices:
        if value in choices:
            return []
        what = f"{given} must be one of {', '.join(choices)}, not {quoted(value)}."
        return [_error(given, what, "not_a_choice", nearest=_nearest_choice(value, choices))]
    if name == "parallel_tool_calls":
        return [] if isinstance(value, bool) else [_error(given, f"{given} must be true or false.", "wrong_type")]
    return _check_number(given, name, value)


def _check_number(given: str, name: str, value: Any) -> list[Advice]:
    whole = float not in get_args(_HINTS[name])
    low, high = RANGES[name]
    wanted = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, wanted) or value in (math.inf, -math.inf) or value != value:
        what = f"{given} must be a{' whole' if whole else ''} number, not {quoted(value)}."
        return [_error(given, what, "wrong_type")]
    if low <= value <= high:
        return []
    what = f"{given} must be between {low:g} and {high:g}, not {quoted(value)}."
    return [_error(given, what, "out_of_range", nearest=low if value < low else high)]


def _check_stop(given: str, value: Any) -> list[Advice]:
    stops = (value,) if isinstance(value, str) else value
    if not isinstance(stops, list | tuple) or not all(isinstance(stop, str) and stop for stop in stops):
        return [_error(given, f"{given} must be a string or a list of strings, none of them empty.", "wrong_type")]
    if len(stops) > MAX_STOPS:
        what = f"{given} has {len(stops)} entries; at most {MAX_STOPS} are sent."
        return [_error(given, what, "too_many_stops", nearest=list(stops[:MAX_STOPS]))]
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


def _error(field: str, what: str, code: str, why: str = "", nearest: Any = None) -> Advice:
    return Advice(level="error", field=field, what=what, why=why, nearest=nearest, code=code)
