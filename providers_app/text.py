"""Text for error messages: a wrong value quoted, and the nearest of the valid names."""

import difflib
from collections.abc import Iterable
from typing import Any

LONGEST = 80
LISTED = 12


def quoted(value: Any) -> str:
    """``repr(value)`` cut to ``LONGEST`` characters; the type where a value cannot be shown."""
    try:
        text = repr(value[: LONGEST + 1] if isinstance(value, str | bytes) else value)
    except Exception:  # noqa: BLE001  a repr is the caller's code, and very long numbers have none
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def nearest(word: object, names: Iterable[str], *, all_of: str = "Known") -> str:
    """One sentence for a hint: the likeliest meant name, or the names there are."""
    known = sorted(names)
    close = difflib.get_close_matches(word[:200].lower(), known, n=1, cutoff=0.6) if isinstance(word, str) else []
    if close:
        return f"Did you mean {close[0]!r}?"
    if not known:
        return ""
    more = ", ..." if len(known) > LISTED else "."
    return f"{all_of}: {', '.join(known[:LISTED])}{more}"
