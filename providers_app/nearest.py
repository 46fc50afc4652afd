"""The nearest of the valid names, for the hint of an error about an unknown one."""

import difflib
from collections.abc import Iterable

LISTED = 12


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
