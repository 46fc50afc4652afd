"""Findings about a value before it is sent."""

from typing import Any, Literal

import msgspec

Level = Literal["error", "warning", "hint"]
"""``error``: the request would be refused, or cannot be built. ``warning``: something is dropped or will surprise.
``hint``: it works, and there is a better way."""

REFUSED_BY_LOGIN = "refused_by_login"
"""The code of advice about what a kind of login takes out of a request, or sends otherwise than it was asked for."""


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """One finding about ``field`` (a parameter, header or setting by the name that the caller gave it).

    ``what`` is the finding and ``why`` its reason, each a sentence or two; ``nearest`` is the nearest valid value,
    where there is one. ``code`` is stable, for programs. ``source`` is the id of the chunk that it is about, if any.
    """

    level: Level
    field: str
    what: str = ""
    why: str = ""
    nearest: Any = None
    code: str = ""
    source: str = ""

    @property
    def message(self) -> str:
        """The finding and its reason in one text."""
        return f"{self.what} {self.why}".strip()
