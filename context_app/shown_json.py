"""JSON as a page shows it: indented, bounded, with long encoded strings shortened. Never what is sent. Pure."""

import json
import re
from typing import Any

MAX_DEPTH = 60
_ENCODED = re.compile(r"(?:data:[\w.+/-]+;base64,)?[A-Za-z0-9+/_=-]+")
_HEAD = 48


def indented(value: Any, *, longest: int = 2_000, limit: int = 400_000) -> str:
    """Return ``value`` as JSON of at most ``limit`` characters; of encoded strings over ``longest`` only their head."""
    text = json.dumps(_short(value, longest, 0), ensure_ascii=False, indent=2)
    return text if len(text) <= limit else text[:limit] + "\n…"


def _short(value: Any, longest: int, depth: int) -> Any:
    if isinstance(value, str):
        if len(value) <= longest or not _ENCODED.fullmatch(value):
            return value
        return f"{value[:_HEAD]}… ({len(value):,} characters)"
    if isinstance(value, dict | list) and depth > MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        return {name: _short(item, longest, depth + 1) for name, item in value.items()}
    return [_short(item, longest, depth + 1) for item in value] if isinstance(value, list) else value
