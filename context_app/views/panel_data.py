"""Gather what the context panel shows: rows, history, and a meter of the model's window."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from context_app import selectors, session_models
from context_app.models import Context
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
    ("server_tool", "Server tools", "Server tools"),
    ("image", "Images", "Images and files"),
    ("block", "Provider data", "Provider data"),
)
"""Kinds in the order of the bar: value, legend, name in the filter."""


def session_of(context: Context) -> AuthSession | None:
    """Return the chat's session, unless it was deleted or belongs to another person, whose key must not be used."""
    session = context.session
    if session is None or session.deleted_at is not None or session.owner_id != context.owner_id:
        return None
    return session


def panel(context: Context) -> dict[str, Any]:
    """Return the panel's template data, in three queries."""
    return {**frame(context), "chunks": selectors.chunks(context)}


def frame(context: Context, edit_id: int | None = None) -> dict[str, Any]:
    """Return the panel's template data without its rows: right after the edit ``edit_id`` in one query, else in two."""
    totals = selectors.totals(context)
    session = session_of(context)
    info = session_models.known(session, context.model)
    history = undo.history(context) if edit_id is None else undo.History(edit_id, redoable=False)
    present = {total.kind for total in totals}
    return {
        "context": context,
        "meter": _meter(totals, info) | {"tools": context.tool_tokens},
        "window_origin": model_rows.cell(info, "context_window", datetime.now(UTC).date()).title if info else "",
        "pinned_count": sum(total.pinned for total in totals),
        "kinds": [(kind, name) for kind, _, name in KINDS if kind in present],
        "redoable": history.redoable,
        "latest_edit": history.latest,
        # Window and price follow in a second request when the session's models were not listed lately.
        "model_pending": session is not None and bool(context.model) and not session_models.is_remembered(session),
    }


def _meter(totals: Sequence[selectors.Total], info: ModelInfo | None) -> dict[str, Any]:
    """Return the head of the panel for the model of the next request.

    Sizes are in tokens; ``price`` and ``cost`` are in dollars, ``None`` where they are not known.
    """
    by_kind = Counter({total.kind: total.tokens for total in totals if not total.not_sent})
    used = by_kind.total()
    known = info.context_window if info is not None else None
    window = known or settings.MAESTRO.context.default_window
    price = info.input_price if info is not None else None
    return {
        "used": used,
        "window": window,
        "window_known": bool(known),
        "over": max(0, used - window),
        "percent": min(100.0, 100 * used / window),
        "price": price,
        "cost": None if price is None else used * price / 1_000_000,  # sent once, without cached input
        "parts": list(_parts(by_kind, max(used, window))),
        "sent": sum(total.count for total in totals if not total.not_sent),
        "excluded": sum(total.count for total in totals if total.not_sent),
        "largest": max((total.largest for total in totals), default=0),
    }


def _parts(by_kind: Mapping[str, int], length: int) -> Iterator[dict[str, Any]]:
    """Yield the coloured pieces of the bar; ``x`` and ``width`` are percent of its length."""
    x = 0.0
    for kind, label, _ in KINDS:
        if tokens := by_kind.get(kind, 0):
            width = 100 * tokens / length
            yield {"kind": kind, "label": label, "tokens": tokens, "x": round(x, 3), "width": round(width, 3)}
            x += width
