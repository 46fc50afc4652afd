"""The context panel: its rows and the edits of them. Every edit answers with rows, meter and counts."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.text import Truncator

from context_app import answer_view, selectors, server_tools, session_models
from context_app.access import owner, owner_view
from context_app.forms import NoteForm, ParametersForm, search_text
from context_app.models import Context, ContextChunk
from context_app.services import chunks, undo
from context_app.tool_intents import PURPOSE_LABELS
from providers_app.errors import InvalidIntent
from providers_app.types.catalogue import ModelInfo
from providers_app.types.intent import RISK_LEVELS
from providers_app.types.intent_rules import parse_intent
from sessions_app.models import AuthSession
from sessions_app.presenters import model_rows

MAX_BULK = 5000
MAX_PEEK_CHARS = 8_000
EDIT_NAMES = {
    "add": "Note",
    "edit": "Change",
    "exclude": "Exclusion",
    "include": "Inclusion",
    "pin": "Pin",
    "unpin": "Unpinning",
    "intent": "Intent",
    "delete": "Deletion",
    "restore": "Return",
    "continuing": "Change of how answers continue",
}
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


@owner_view("GET")
def show(request: HttpRequest, context: Context) -> HttpResponse:
    """Show the whole list with meter and counts, after a turn has ended."""
    list_models = request.GET.get("models") == "1"
    if list_models and (session := session_of(context)) is not None:
        session_models.listed(session)
    data = panel(context)
    if list_models:
        # Listed once: a provider that does not answer must not make its own answer ask again.
        data["model_pending"] = False
    return render(request, "chats/_panel_refresh.html", data)


@owner_view("GET")
def peek(request: HttpRequest, chunk: ContextChunk) -> HttpResponse:
    """Show one chunk, as it is sent but for long encoded data, and the form for the intent of a tool call."""
    data = {"chunk": chunk, "purposes": PURPOSE_LABELS.items(), "risks": RISK_LEVELS}
    block = chunk.metadata.get("data")
    if block is not None:
        data["text"] = server_tools.indented(block, longest=200, limit=MAX_PEEK_CHARS)
    elif chunk.kind == ContextChunk.Kind.IMAGE:
        data["file"] = answer_view.image(chunk.metadata)
    else:
        data["text"] = Truncator(chunk.content).chars(MAX_PEEK_CHARS)
    return render(request, "chats/_chunk_peek.html", data)


@owner_view("GET")
def search(request: HttpRequest, context: Context) -> JsonResponse:
    """Return the ids of the chunks whose text contains ``q``."""
    query = search_text(request)
    rows = ContextChunk.objects.filter(context=context, deleted_at=None)
    found = rows.filter(content__icontains=query) if query else rows
    return JsonResponse({"ids": [str(pk) for pk in found.values_list("pk", flat=True)]})


@owner_view("POST")
def add_note(request: HttpRequest, context: Context) -> HttpResponse:
    """Add a note; answers with its row, or with the form and its errors."""
    form = NoteForm(request.POST)
    if not form.is_valid():
        response = render(request, "chats/_note_form.html", {"context": context, "note_form": form}, status=422)
        response["HX-Retarget"], response["HX-Reswap"] = "#note-form", "outerHTML"
        return response
    data = form.cleaned_data
    chunk = chunks.add(context=context, actor=owner(request), content=data["content"], role=data["role"] or "user")
    return render(request, "chats/_rows.html", {**frame(context), "rows": [chunk], "fresh_form": NoteForm()})


@owner_view("POST")
def exclude(request: HttpRequest, chunk: ContextChunk, excluded: bool) -> HttpResponse:
    """Exclude a chunk from the next request, or include it again."""
    edited = chunks.set_excluded(chunk=chunk, actor=owner(request), excluded=excluded)
    return _rows(request, chunk, edited, _lighter(edited.chunks, "excluded") if excluded and edited.chunks else "")


@owner_view("POST")
def pin(request: HttpRequest, chunk: ContextChunk, pinned: bool) -> HttpResponse:
    """Pin a chunk, or unpin it."""
    return _rows(request, chunk, chunks.set_pinned(chunk=chunk, actor=owner(request), pinned=pinned))


@owner_view("POST")
def state_intent(request: HttpRequest, chunk: ContextChunk) -> HttpResponse:
    """Store what the person says a tool call is for; a field that is left empty says nothing."""
    given = {name: value for name in ("purpose", "scope", "risk_level") if (value := request.POST.get(name))}
    try:
        said = parse_intent(given, risk="low")
        edited = chunks.state_intent(chunk=chunk, actor=owner(request), said=said)
    except (InvalidIntent, chunks.ChunkRefused) as error:
        return _with_toast(HttpResponse(status=422, headers={"HX-Reswap": "none"}), str(error))
    return _rows(request, chunk, edited, "Intent saved" if edited.chunks else "")


@owner_view("POST")
def delete(request: HttpRequest, chunk: ContextChunk) -> HttpResponse:
    """Delete a chunk; answers with nothing in its place, and the meter out of band."""
    gone, edit_id = chunks.delete(chunk=chunk, actor=owner(request))
    data = frame(chunk.context, edit_id)
    others = [row for row in gone if row.pk != chunk.pk]
    response = render(request, "chats/_rows.html", {**data, "rows": [], "gone": others})
    return _with_undo(response, data, f"{_count(gone)} deleted") if gone else response


@owner_view("POST")
def restore(request: HttpRequest, chunk: ContextChunk) -> HttpResponse:
    """Restore a deleted chunk; answers with the whole list, because it returns to its place."""
    chunks.restore(chunk=chunk, actor=owner(request))
    return render(request, "chats/_panel_update.html", panel(chunk.context))


@owner_view("POST")
def bulk(request: HttpRequest, context: Context) -> HttpResponse:
    """Exclude or delete the selected chunks (``ids``) as one edit; pinned ones stay."""
    deletes = request.POST.get("action") == "delete"
    ids = _ids(request.POST.getlist("ids"))
    action = chunks.delete_many if deletes else chunks.exclude_many
    edited = chunks.Edited([], None)
    if len(ids) <= MAX_BULK:
        edited = action(context=context, actor=owner(request), ids=ids)
    data = panel(context)
    response = render(request, "chats/_panel_update.html", data)
    if len(ids) > MAX_BULK:
        return _with_toast(response, f"At most {MAX_BULK:,} chunks are changed at once.")
    if not edited.chunks:
        return _with_toast(response, "Nothing changed: pinned chunks stay.")
    return _with_undo(response, data, _lighter(edited.chunks, "deleted" if deletes else "excluded"))


@owner_view("POST")
def undo_edit(request: HttpRequest, context: Context) -> HttpResponse:
    """Undo the last edit, or the one with the number ``edit``."""
    number = request.POST.get("edit") or request.GET.get("edit") or ""
    edit = undo.undo(context=context, edit_id=int(number) if number.isdecimal() and len(number) < 19 else None)
    message = f"{EDIT_NAMES.get(edit.action, 'Edit')} undone" if edit else "Nothing to undo"
    return _with_toast(_whole(request, context), message)


@owner_view("POST")
def redo_edit(request: HttpRequest, context: Context) -> HttpResponse:
    """Redo the edit that was undone last."""
    edit = undo.redo(context=context)
    message = f"{EDIT_NAMES.get(edit.action, 'Edit')} done again" if edit else "Nothing to redo"
    return _with_toast(_whole(request, context), message)


def _whole(request: HttpRequest, context: Context) -> HttpResponse:
    """Answer with the whole panel, and with the setting of the parameters drawer that an edit may have changed."""
    context.refresh_from_db(fields=["continuing"])
    form = ParametersForm(initial={"continuing": context.continuing})
    return render(request, "chats/_panel_update.html", {**panel(context), "continuing": form["continuing"]})


def _rows(request: HttpRequest, chunk: ContextChunk, edited: chunks.Edited, message: str = "") -> HttpResponse:
    """Answer with the chunk's row in its own place and its partner's out of band; a message comes with an Undo."""
    data = frame(chunk.context, edited.edit_id)
    changed = edited.chunks or [chunk]
    rows = [row for row in changed if row.pk == chunk.pk and row.deleted_at is None]
    others = [row for row in changed if row.pk != chunk.pk]
    response = render(request, "chats/_rows.html", {**data, "rows": rows, "others": others})
    return _with_undo(response, data, message) if message else response


def _with_undo(response: HttpResponse, data: dict[str, Any], message: str) -> HttpResponse:
    """Add a toast whose Undo takes back exactly this edit."""
    undo_url = f"{reverse('chats:undo', args=[data['context'].pk])}?edit={data['latest_edit']}"
    return _with_toast(response, message, undo=undo_url)


def _with_toast(response: HttpResponse, message: str, **fields: str) -> HttpResponse:
    response["HX-Trigger"] = json.dumps({"toast": {"message": message, **fields}})
    return response


def _count(rows: list[ContextChunk]) -> str:
    return "1 chunk" if len(rows) == 1 else f"{len(rows)} chunks"


def _lighter(rows: list[ContextChunk], verb: str) -> str:
    return f"{_count(rows)} {verb}, −{sum(row.tokens for row in rows):,} tokens"


def _ids(values: Iterable[str]) -> list[UUID]:
    found = []
    for value in values:
        with suppress(ValueError):
            found.append(UUID(value))
    return found


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
