"""Gather what the context panel shows: rows, history, and a meter of the model's window."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from context_app import assembly, selectors, session_models
from context_app.models import Context, ContextChunk
from context_app.services import undo
from providers_app.types.catalogue import ModelInfo
from sessions_app.models import AuthSession
from sessions_app.presenters import model_rows

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
"""Kinds in the order of the bar: value, legend, name in the filter."""


@dataclass(frozen=True, slots=True)
class Part:
    """One coloured piece of the bar; ``x`` and ``width`` are percent of its length."""

    kind: str
    label: str
    tokens: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Meter:
    """The head of the panel. ``window`` is in tokens, ``price`` and ``cost`` in dollars (``None``: not known)."""

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


def session_of(context: Context) -> AuthSession | None:
    """Return the chat's session, unless it was deleted or belongs to another person, whose key must not be used."""
    session = context.session
    if session is None or session.deleted_at is not None or session.owner_id != context.owner_id:
        return None
    return session


def panel(context: Context, edit_id: int | None = None) -> dict[str, Any]:
    """Return the panel's template data: right after the edit ``edit_id`` in one query, else in two."""
    rows = selectors.chunks(context)
    session = session_of(context)
    info = session_models.known(session, context.model)
    history = undo.history(context) if edit_id is None else undo.History(edit_id, redoable=False)
    present = {row.kind for row in rows}
    return {
        "context": context,
        "chunks": rows,
        "meter": measure(rows, info, default_window=settings.MAESTRO.context.default_window),
        "window_origin": model_rows.cell(info, "context_window", datetime.now(UTC).date()).title if info else "",
        "pinned_count": sum(1 for row in rows if row.pinned),
        "kinds": [(kind, name) for kind, _, name in KINDS if kind in present],
        "redoable": history.redoable,
        "latest_edit": history.latest,
        # Window and price follow in a second request when the session's models were not listed lately.
        "model_pending": session is not None and bool(context.model) and not session_models.is_remembered(session),
    }


def measure(chunks: Sequence[ContextChunk], info: ModelInfo | None, *, default_window: int) -> Meter:
    """Return the meter for ``chunks`` (not deleted, in order) and the model of the next request."""
    outgoing = assembly.sent(chunks)
    by_kind: dict[str, int] = {}
    for chunk in outgoing:
        by_kind[chunk.kind] = by_kind.get(chunk.kind, 0) + chunk.tokens
    used = sum(by_kind.values())
    known = info is not None and bool(info.context_window)
    window = info.context_window if info is not None and info.context_window else default_window
    return Meter(
        used=used,
        window=window,
        window_known=known,
        price=info.input_price if info is not None else None,
        parts=tuple(_parts(by_kind, max(used, window))),
        sent=len(outgoing),
        excluded=sum(1 for chunk in chunks if chunk.excluded),
        largest=max((chunk.tokens for chunk in chunks), default=0),
    )


def _parts(by_kind: dict[str, int], length: int) -> Iterable[Part]:
    x = 0.0
    for kind, label, _ in KINDS:
        tokens = by_kind.get(kind, 0)
        if not tokens:
            continue
        width = 100 * tokens / length
        yield Part(kind, label, tokens, round(x, 3), round(width, 3))
        x += width
