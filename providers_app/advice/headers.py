"""Advice as HTTP headers, for clients that read nothing else. ASCII, bounded, and never able to end a header."""

import re
from collections.abc import Iterable

from providers_app.types.advice import Advice, Level

LONGEST = 1024
"""Characters of one header's value."""
MOST = 8
"""Findings that are spelt out; ``X-Maestro-Advice-Count`` counts them all."""
NAMES: dict[Level, str] = {"error": "x-maestro-errors", "warning": "x-maestro-warnings", "hint": "x-maestro-hints"}
_UNSAFE = re.compile(r"[^\x20-\x7e]+")


def advice_headers(advice: Iterable[Advice]) -> dict[str, str]:
    """Return one header per level that occurs, as ``code field: text | ...``, and the count of all findings."""
    found = tuple(item for item in advice if not item.source)  # a note for each chunk is too much for headers
    headers: dict[str, str] = {}
    for level, name in NAMES.items():
        if said := [_text(item) for item in found if item.level == level][:MOST]:
            headers[name] = _cut(" | ".join(said))
    return {**headers, "x-maestro-advice-count": str(len(found))} if found else {}


def _text(item: Advice) -> str:
    what = f"{item.field}: {item.message}" if item.field else item.message
    # The bar is what separates findings, so none of them has one of its own.
    return _UNSAFE.sub("?", f"{item.code or 'advice'} {what}").replace("|", "/").strip()


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 3].rstrip() + "..."
