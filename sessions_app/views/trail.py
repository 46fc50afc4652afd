"""A session's audit trail: all of it, by action, and as CSV. The session's page shows the newest lines."""

import csv
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from sessions_app import selectors
from sessions_app.models import AuthSession
from sessions_app.views.access import row_context, with_session

PER_PAGE = 50
SHOWN_IN_CARD = 12


@require_safe
@with_session
def trail(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Show the page; htmx gets the card alone."""
    htmx = request.htmx  # type: ignore[attr-defined]
    if htmx and not htmx.history_restore_request:
        return render(request, "sessions/_trail.html", {"session": session, "events": card_events(session)})
    actions = selectors.actions_of(session)
    chosen = request.GET.get("action", "")
    chosen = chosen if chosen in actions else ""
    rows = selectors.events(session, [chosen] if chosen else ())
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = row_context(session) | {"actions": actions, "action": chosen, "page_obj": page}
    return render(request, "sessions/trail.html", context)


@require_safe
@with_session
def trail_csv(request: HttpRequest, session: AuthSession) -> HttpResponse:
    """Return every line, or those of one action, as CSV, oldest last."""
    chosen = request.GET.get("action", "")
    rows = selectors.events(session, [chosen] if chosen else ())
    response = HttpResponse(_lines(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{session.name}-trail.csv"'
    return response


def card_events(session: AuthSession) -> Any:
    """Return the lines that the card shows."""
    return selectors.events(session)[:SHOWN_IN_CARD]


def _lines(rows: Any) -> Iterator[str]:
    # A file for the writer that hands each line back.
    echo: Any = SimpleNamespace(write=str)
    writer = csv.writer(echo)
    yield writer.writerow(("at", "action", "detail", "by", "session"))
    for event in rows.iterator(chunk_size=500):
        by = event.actor.get_username() if event.actor else "Maestro"
        cells = (event.at.isoformat(timespec="seconds"), event.action, event.detail, by, event.session_label)
        yield writer.writerow([_inert(cell) for cell in cells])


def _inert(cell: str) -> str:
    """Quote a cell that a spreadsheet would take for a formula."""
    return f"'{cell}" if cell[:1] in {"=", "+", "-", "@", "\t", "\r"} else cell
