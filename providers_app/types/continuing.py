"""The ways in which an answer that broke off can go on, and the place where a stored response does."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from providers_app.types import events as kinds

Way = Literal["cursor", "prefix", "instruct", "restart", "stop"]
WAYS: tuple[Way, ...] = ("cursor", "prefix", "instruct", "restart", "stop")
"""Best first. ``cursor``: the provider sends the rest of the very same answer. ``prefix``: the model goes on right
behind its text. ``instruct``: it is asked to. ``restart``: it answers anew. ``stop``: the answer stays as it is."""
SAID = {
    "cursor": "the provider sent the rest of the same answer",
    "prefix": "the model continued right behind its own text",
    "instruct": "the model was asked to continue",
    "restart": "a new answer began",
}
"""Each way in words, for a sentence that begins with "Continued: "."""
EXACT: frozenset[Way] = frozenset({"cursor", "prefix"})
"""Ways that leave no gap and no repetition, so that they are gone without asking."""


class Continuing(msgspec.Struct, frozen=True, kw_only=True):
    """The ways in which a broken answer to one request can go on, best first.

    ``echo``: the provider repeats the prefix at the beginning of what it answers.
    """

    ways: tuple[Way, ...] = ("instruct", "restart")
    echo: bool = False

    @property
    def fault(self) -> str:
        """The fault of the declaration; empty, it can be used."""
        unknown = [way for way in self.ways if way not in WAYS or way == "stop"]
        if unknown:
            return f"names the way {unknown[0]!r}"
        return "" if sorted(self.ways, key=WAYS.index) == list(self.ways) else "does not name the best way first"


UNDECLARED = Continuing()
"""For a format that declares nothing: every model can be asked to go on."""


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """The place in a stored response behind which it is read on.

    ``after`` is the provider's number of the last event that was read; ``None``: it is read from its beginning, because
    the state of its reader is not known any more.
    """

    response_id: str
    after: int | None = None


def open_ways(declared: Continuing, events: Iterable[kinds.Event], cursor: Cursor | None) -> tuple[Way, ...]:
    """Return the declared ways in which an answer that showed ``events`` can still go on; ``stop`` alone where none.

    A whole tool call may have been run: only the provider itself can go on behind it. A refusal stays. A prefix is text
    alone: reasoning and pictures cannot stand in it. Without any text there is nothing to go on with, only anew.
    """
    text = thought = called = pictured = refused = False
    for event in events:
        match event:
            case kinds.TextDelta(refusal=True):
                refused = True
            case kinds.TextDelta(text=piece, aside=False) if piece.strip():
                text = True
            case kinds.ReasoningDelta():
                thought = True
            case kinds.ToolCall(invalid_arguments=None):
                called = True
            case kinds.GeneratedFile():
                pictured = True
    closed: set[Way] = set() if cursor is not None else {"cursor"}
    if called or refused:
        closed |= {"prefix", "instruct", "restart"}
    if not text:
        closed |= {"prefix", "instruct"}
    if thought or pictured:
        closed.add("prefix")
    return tuple(way for way in declared.ways if way not in closed) or ("stop",)
