"""What the context panel shows, gathered once for the page and for every answer to HTMX."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from context_app import meter, selectors, session_models
from context_app.models import Context, ContextChunk
from context_app.services import undo
from sessions_app.models import AuthSession
from sessions_app.presenters import model_rows


def session_of(context: Context) -> AuthSession | None:
    """The chat's session, unless it was deleted meanwhile or is somebody else's, whose key must not be used."""
    session = context.session
    if session is None or session.deleted_at is not None or session.owner_id != context.owner_id:
        return None
    return session


def panel(context: Context) -> dict[str, Any]:
    """Rows, meter, and how far undo and redo go: two queries."""
    rows = selectors.chunks(context)
    session = session_of(context)
    info = session_models.known(session, context.model)
    measured = meter.measure(rows, info, default_window=settings.MAESTRO.context.default_window)
    history = undo.history(context)
    return {
        "context": context,
        "chunks": rows,
        "meter": measured,
        "window_origin": model_rows.cell(info, "context_window", datetime.now(UTC).date()).title if info else "",
        "pinned_count": sum(1 for row in rows if row.pinned),
        "kinds": _kinds(rows),
        "undoable": history.undoable,
        "redoable": history.redoable,
        "latest_edit": history.latest,
        # The window and the price come a moment later when nobody asked for this session's models lately.
        "model_pending": session is not None and bool(context.model) and not session_models.is_remembered(session),
    }


def _kinds(rows: list[ContextChunk]) -> list[tuple[str, str]]:
    present = {row.kind for row in rows}
    return [(kind, words) for kind, _, words in meter.KINDS if kind in present]
