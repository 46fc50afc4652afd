"""Reading JSON that other people's servers wrote: strict and fast first, lenient where that fails."""

import json
import re
from typing import Any

import msgspec

_strict = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
# Stands for the raw text of a tool call that was cut before any of its arguments arrived.
NO_ARGUMENTS = "(none arrived)"
MAX_DIGITS = 15
MAX_DEPTH = 200
"""Objects and arrays inside one another: less than what a database (SQLite: 1000) or an encoder refuses."""
MAX_VALUES = 300_000
"""Values of one text. A value takes up to a hundred times the memory of its bytes (``[]``)."""
MAX_LENIENT = 8 * 1024 * 1024
"""Bytes of a text that is read again, leniently and slowly, after the strict reader refused it."""
MAX_HALVES = 1000
MAX_REPEATED = 64 * 1024
"""Characters of arguments that are searched for a repetition: the search takes their square."""
Halves = dict[tuple[str | int, ...], str]


def decode(data: bytes, halves: Halves | None = None) -> Any:
    """Decode the JSON value in ``data``. Raises ``ValueError`` when it is none.

    It is none either with more than ``MAX_DEPTH`` levels or ``MAX_VALUES`` values.

    Invalid UTF-8 and lone surrogates become U+FFFD, control characters in strings are kept, NaN and infinities become
    ``None``: none of them may break an answer, and none may leave this function.

    The values of one stream are decoded with the same ``halves``, by place in the value: a character may be cut into
    the halves of its surrogate pair, and the first is held until a later value brings the other at the same place.
    """
    brackets = 0
    if len(data) > 2 * MAX_DEPTH:  # shorter ones, which most events are, cannot be nested so deeply
        brackets = data.count(b"{") + data.count(b"[")
        if brackets + data.count(b",") > MAX_VALUES:
            raise ValueError("the JSON has too many values")
    try:
        value = _strict(data)
        if brackets > MAX_DEPTH:
            _require_flat(value)
        return _scrub(value, halves) if halves else value
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if len(data) > MAX_LENIENT:
            raise ValueError("the JSON is not valid") from None
    try:
        value = json.loads(data.decode("utf-8", "replace"), strict=False, parse_constant=lambda _: None)
        _require_flat(value)
        return _scrub(value, halves)
    except RecursionError:
        raise ValueError("the JSON is nested too deeply") from None


def _require_flat(value: Any) -> None:
    """Raise ``RecursionError`` for more than ``MAX_DEPTH`` levels."""
    level = [value]
    for _ in range(MAX_DEPTH):
        inner = (item.values() if isinstance(item, dict) else item for item in level if isinstance(item, dict | list))
        level = [item for items in inner for item in items]
        if not level:
            return
    raise RecursionError


def _scrub(value: Any, halves: Halves | None = None, place: tuple[str | int, ...] = ()) -> Any:
    if isinstance(value, dict):
        return {_scrub(key): _scrub(item, halves, (*place, key)) for key, item in value.items()}
    if isinstance(value, list):
        return [_scrub(item, halves, (*place, number)) for number, item in enumerate(value)]
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return None
    if not isinstance(value, str) or not value:
        return value
    if halves is not None:
        value = halves.pop(place, "") + value
        if "\ud800" <= value[-1] <= "\udbff" and len(halves) < MAX_HALVES:
            halves[place], value = value[-1], value[:-1]
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


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


def said(value: Any) -> str:
    """Return ``value`` where a text belongs: a string as it is, any other value but ``None`` as its JSON."""
    return value if isinstance(value, str) else "" if value is None else encode(value).decode()


def count(value: Any) -> int | None:
    """Return a number of tokens, or ``None`` where ``value`` is not one. Some servers write numbers as text."""
    if type(value) is int:
        return value if 0 <= value < 1e15 else None
    if isinstance(value, str) and len(value) <= MAX_DIGITS and value.isascii() and value.isdigit():
        return int(value)
    return int(value) if type(value) is float and 0 <= value < 1e15 else None


def arguments(raw: Any, *, cut: bool = False) -> tuple[dict[str, Any], str | None]:
    """Decode the arguments of a tool call: ``(object, None)``, or ``({}, raw)`` when they are not one JSON object.

    No text and ``null`` mean no arguments. Some servers send a string that holds the object's JSON, and some repeat the
    whole object at the end, also where the pieces before came to less than it. Neither is believed of an answer that
    was ``cut`` for its length: what arrived of it may look whole.
    """
    if not isinstance(raw, str):
        raw = said(raw)
    stripped = _scrub(raw.strip())
    value: Any = {}
    if stripped not in ("", "null"):
        try:
            value = decode(stripped.encode())
            if isinstance(value, str):
                value = decode(value.encode())
        except ValueError:
            value = None if cut else _repeated(stripped)
    if not isinstance(value, dict):
        return {}, raw
    return value, NO_ARGUMENTS if cut and not value else None


def _repeated(raw: str) -> Any:
    """Return the object that ``raw`` repeats at its end, else ``None``. White space may differ between the two."""
    if len(raw) > MAX_REPEATED:
        return None
    squeezed = "".join(raw.split())
    for found, place in zip(re.finditer("{", raw), re.finditer("{", squeezed), strict=True):
        at = place.start()
        if at and squeezed.startswith(squeezed[:at], at):
            try:
                return decode(raw[found.start() :].encode())
            except ValueError:
                continue
    return None
