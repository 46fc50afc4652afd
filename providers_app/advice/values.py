"""Parameters and the model's name by themselves: names, types, and ranges that hold for every provider."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, get_args, get_type_hints

from providers_app.errors import InvalidRequest
from providers_app.text import nearest, quoted
from providers_app.types.advice import Advice
from providers_app.types.chat import ChatParams, JsonSchema
from providers_app.types.rules import EFFORTS

ALIASES = {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens", "stop_sequences": "stop"}
RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "max_output_tokens": (1, 100_000_000),
    "seed": (-(2**63), 2**63 - 1),
}
MAX_STOPS = 16
MAX_MODEL = 200
"""Characters of the longest model name."""

_HINTS = get_type_hints(ChatParams)


def checked_model(model: Any) -> str:
    """Return ``model``. Raises ``InvalidRequest`` unless it can be the name of a model."""
    if isinstance(model, str) and 0 < len(model) <= MAX_MODEL and model.isprintable() and model == model.strip():
        return model
    raise InvalidRequest(f"The model must be a name of at most {MAX_MODEL} printable characters.")


def check(params: Mapping[str, Any]) -> list[Advice]:
    """Return what is wrong with parameters at every provider, under the names that the caller gave; errors only."""
    found = []
    for given, value in params.items():
        name = ALIASES.get(given, given)
        wrong = None
        if name not in _CHECKS:
            hint = nearest(given, (*_CHECKS, *ALIASES))
            what = f"There is no parameter {quoted(given)}."
            wrong = _error(given, what, "unknown_parameter", f"{hint} Provider-specific ones go into extra={{...}}.")
        elif given != name and name in params:
            wrong = _error(given, f"{given} and {name} are the same parameter; give one of them.", "given_twice")
        elif value is not None:
            wrong = _CHECKS[name](given, value)
        if wrong is not None:
            found.append(wrong)
    return found


def canonical(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters by our names, those of ``None`` left out, each in the form that ``ChatParams`` has.

    ``check`` must have found nothing wrong with them.
    """
    values = {ALIASES.get(name, name): value for name, value in params.items() if value is not None}
    if "stop" in values:
        stop = values["stop"]
        values["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
    if isinstance(values.get("response_schema"), Mapping):
        values["response_schema"] = JsonSchema(name="answer", schema=dict(values["response_schema"]))
    return values


def _number(whole: bool, low: float, high: float, given: str, value: Any) -> Advice | None:
    wanted = int if whole else int | float
    if isinstance(value, bool) or not isinstance(value, wanted) or value in (math.inf, -math.inf) or value != value:
        what = f"{given} must be a{' whole' if whole else ''} number, not {quoted(value)}."
        return _error(given, what, "wrong_type")
    if low <= value <= high:
        return None
    what = f"{given} must be between {low:g} and {high:g}, not {quoted(value)}."
    return _error(given, what, "out_of_range", nearest=low if value < low else high)


def _effort(given: str, value: Any) -> Advice | None:
    if value in EFFORTS:
        return None
    what = f"{given} must be one of {', '.join(EFFORTS)}, not {quoted(value)}."
    begun = value[:3].lower() if isinstance(value, str) else ""
    close = next((effort for effort in EFFORTS if effort.startswith(begun)), None) if begun else None
    return _error(given, what, "not_a_choice", nearest=close)


def _stop(given: str, value: Any) -> Advice | None:
    stops = (value,) if isinstance(value, str) else value
    if not isinstance(stops, list | tuple) or not all(isinstance(stop, str) and stop for stop in stops):
        return _error(given, f"{given} must be a string or a list of strings, none of them empty.", "wrong_type")
    if len(stops) > MAX_STOPS:
        what = f"{given} has {len(stops)} entries; at most {MAX_STOPS} are sent."
        return _error(given, what, "too_many_stops", nearest=list(stops[:MAX_STOPS]))
    return None


def _form(fine: Callable[[Any], bool], what: str, given: str, value: Any) -> Advice | None:
    return None if fine(value) else _error(given, f"{given} must be {what}.", "wrong_type")


def _has_text_keys(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _error(field: str, what: str, code: str, why: str = "", nearest: Any = None) -> Advice:
    return Advice(level="error", field=field, what=what, why=why, nearest=nearest, code=code)


_CHECKS: dict[str, Callable[[str, Any], Advice | None]] = {
    **{name: partial(_number, float not in get_args(_HINTS[name]), *limits) for name, limits in RANGES.items()},
    "stop": _stop,
    "reasoning_effort": _effort,
    "parallel_tool_calls": partial(_form, lambda value: isinstance(value, bool), "true or false"),
    "response_schema": partial(_form, lambda value: isinstance(value, JsonSchema | Mapping), "a JSON Schema object"),
    "extra": partial(_form, _has_text_keys, "a dictionary with string keys"),
}
"""The check of each parameter's value."""
