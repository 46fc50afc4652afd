"""Reading JSON that other people's servers wrote: strict and fast first, lenient where that fails."""

import json
from typing import Any

import msgspec

_strict = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
# Stands for the raw text of a tool call that was cut before any of its arguments arrived.
NO_ARGUMENTS = "(none arrived)"


def decode(data: bytes) -> Any:
    """Decode the JSON value in ``data``. Raises ``ValueError`` when it is none.

    Invalid UTF-8 and lone surrogates become U+FFFD, control characters in strings are kept, NaN and infinities become
    ``None``: none of them may break an answer, and none may leave this function.
    """
    try:
        return _strict(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return _scrub(json.loads(data.decode("utf-8", "replace"), strict=False, parse_constant=lambda _: None))
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def _scrub(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_scrub(key): _scrub(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_scrub(item) for item in value]
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return None
    return value


def mapping(value: Any) -> dict[str, Any]:
    """``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def object_in(data: bytes) -> dict[str, Any] | None:
    """Return the JSON object in ``data``, read as ``decode`` does; ``None`` where it is none."""
    try:
        found = decode(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def sequence(value: Any) -> list[Any]:
    """``value`` if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """``value`` if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def count(value: Any) -> int | None:
    """Return a number of tokens, or ``None`` where ``value`` is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        return None
    return int(value)


def arguments(raw: str) -> tuple[dict[str, Any], str | None]:
    """Decode the arguments of a tool call: ``(object, None)``, or ``({}, raw)`` when the text is not one JSON object.

    No text and ``null`` mean no arguments. Some servers repeat the whole object at the end; the repetition is dropped.
    """
    stripped = raw.strip()
    if stripped in ("", "null"):
        return {}, None
    try:
        value = decode(stripped.encode("utf-8", "replace"))
    except ValueError:
        return _repeated(stripped, raw)
    return (value, None) if isinstance(value, dict) else ({}, raw)


def _repeated(stripped: str, raw: str) -> tuple[dict[str, Any], str | None]:
    try:
        value, end = json.JSONDecoder().raw_decode(stripped)
    except (ValueError, RecursionError):
        return {}, raw
    if isinstance(value, dict) and stripped[end:].strip() == stripped[:end].strip():
        return _scrub(value), None
    return {}, raw
