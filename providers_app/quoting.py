"""A wrong value quoted in an error message: short, and never an error of its own."""

from typing import Any

LONGEST = 80


def quoted(value: Any) -> str:
    """``repr(value)`` cut to ``LONGEST`` characters; the type where a value cannot be shown."""
    try:
        text = repr(value[: LONGEST + 1] if isinstance(value, str | bytes) else value)
    except Exception:  # noqa: BLE001  a repr is the caller's code, and very long numbers have none
        return f"a value of type {type(value).__name__}"
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."
