"""Names that callers give, checked, and text for error messages: a wrong value quoted, the nearest valid name."""

import difflib
from collections.abc import Iterable
from typing import Any

from providers_app.errors import InvalidRequest

LONGEST = 80
LISTED = 12


def quoted(value: Any) -> str:
    """Return ``repr(value)`` cut to ``LONGEST`` characters; the type where a value cannot be shown."""
    try:
        text = repr(value[: LONGEST + 1] if isinstance(value, str | bytes) else value)
    except Exception:  # noqa: BLE001  a repr is the caller's code, and very long numbers have none
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def nearest(word: object, names: Iterable[str], *, all_of: str = "Known") -> str:
    """Return a sentence for a hint: the most similar name, or all of them."""
    known = sorted(names)
    close = difflib.get_close_matches(word[:200].lower(), known, n=1, cutoff=0.6) if isinstance(word, str) else []
    if close:
        return f"Did you mean {close[0]!r}?"
    if not known:
        return ""
    more = ", ..." if len(known) > LISTED else "."
    return f"{all_of}: {', '.join(known[:LISTED])}{more}"


def checked_names(given: Any, what: str) -> tuple[str, ...]:
    """Return names that were given as a collection, or as one string. Raises ``InvalidRequest``."""
    if isinstance(given, str):
        return (given,)
    names = tuple(given) if isinstance(given, Iterable) else (None,)
    if not all(isinstance(name, str) for name in names):
        raise InvalidRequest(f"{what} must be a list of names, not {quoted(given)}.")
    return names
