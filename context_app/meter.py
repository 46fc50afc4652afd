"""How much of the model's window the next request takes, by kind of chunk, and what it costs. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from context_app import assembly
from context_app.models import ContextChunk
from providers_app.types.catalogue import ModelInfo

KINDS: tuple[tuple[str, str, str], ...] = (
    ("system", "System", "System text"),
    ("file", "Files", "Files"),
    ("summary", "Summary", "Summaries"),
    ("note", "Notes", "Notes"),
    ("user", "User", "User messages"),
    ("assistant", "Assistant", "Answers"),
    ("tool_call", "Calls", "Tool calls"),
    ("tool_result", "Results", "Tool results"),
)
"""Kinds in the order of the bar: value, legend, words for screen readers."""


@dataclass(frozen=True, slots=True)
class Part:
    """One coloured piece of the bar; ``x`` and ``width`` are percent of its length."""

    kind: str
    label: str
    words: str
    tokens: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Meter:
    """What the panel's head says. ``window`` is in tokens, ``price`` and ``cost`` in dollars (``None``: not known)."""

    used: int
    window: int
    window_known: bool
    price: float | None
    parts: tuple[Part, ...]
    sent: int
    excluded: int
    largest: int

    @property
    def cost(self) -> float | None:
        """Dollars for sending this once, without cached input."""
        return None if self.price is None else self.used * self.price / 1_000_000

    @property
    def over(self) -> int:
        """Tokens beyond the window, 0 while it fits."""
        return max(0, self.used - self.window)

    @property
    def percent(self) -> float:
        """The used share of the window, at most 100."""
        return min(100.0, 100 * self.used / self.window) if self.window else 0.0


def measure(chunks: Sequence[ContextChunk], info: ModelInfo | None, *, default_window: int) -> Meter:
    """The meter for ``chunks`` (not deleted, in order) and the model that is asked next."""
    going = assembly.sent(chunks)
    by_kind: dict[str, int] = {}
    for chunk in going:
        by_kind[chunk.kind] = by_kind.get(chunk.kind, 0) + chunk.tokens  # type: ignore[attr-defined]
    used = sum(by_kind.values())
    known = info is not None and bool(info.context_window)
    window = info.context_window if info is not None and info.context_window else default_window
    return Meter(
        used=used,
        window=window,
        window_known=known,
        price=info.input_price if info is not None else None,
        parts=tuple(_parts(by_kind, max(used, window))),
        sent=len(going),
        excluded=sum(1 for chunk in chunks if chunk.excluded),
        largest=max((chunk.tokens for chunk in chunks), default=0),
    )


def _parts(by_kind: dict[str, int], length: int) -> Iterable[Part]:
    x = 0.0
    for kind, label, words in KINDS:
        tokens = by_kind.get(kind, 0)
        if not tokens:
            continue
        width = 100 * tokens / length
        yield Part(kind, label, words, tokens, round(x, 3), round(width, 3))
        x += width
