"""What Maestro has to say about a value before it is sent."""

from typing import Any, Literal

import msgspec


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """``field`` is what it is about, ``message`` what and why, ``suggestion`` the nearest valid value."""

    level: Literal["error", "warning", "hint"]
    field: str
    message: str
    suggestion: Any = None
