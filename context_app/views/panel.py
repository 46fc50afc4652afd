"""The context panel: its rows and everything that is done to them. Every edit answers with rows, meter and counts."""

import json
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from context_app import session_models
from context_app.access import chunk_or_404, context_or_404, owner
from context_app.forms import NoteForm, search_text
from context_app.models import Context, ContextChunk
from context_app.services import chunks, undo
from context_app.views.panel_data import panel, session_of

MAX_BULK = 5000
EDIT_WORDS = {
    "add": "Note",
    "edit": "Change",
    "exclude": "Exclusion",
    "include": "Inclusion",
    "pin": "Pin",
    "unpin": "Unpinning",
    "delete": "Deletion",
    "restore": "Return",
}


@login_required
@require_GET
def show(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The whole list with meter and counts; asked again when a turn has ended."""
    context = context_or_404(request, pk)
    if request.GET.get("models") == "1" and (session := session_of(context)) is not None:
        session_models.listed(session)
    data = panel(context)
    if request.GET.get("models") == "1":
        # Asked once: a provider that does not answer must not be asked again by its own answer.
        data["model_pending"] = False
    return render(request, "chats/_panel_refresh.html", data)


@login_required
@require_GET
def peek(request: HttpRequest, pk: UUID, chunk_id: UUID) -> HttpResponse:
    """The text of one chunk, as it is sent."""
    return render(request, "chats/_chunk_peek.html", {"chunk": chunk_or_404(request, pk, chunk_id)})


@login_required
@require_GET
def search(request: HttpRequest, pk: UUID) -> JsonResponse:
    """The ids of the chunks whose text contains ``q``."""
    context = context_or_404(request, pk)
    query = search_text(request)
    rows = ContextChunk.objects.filter(context=context, deleted_at=None)
    found = rows.filter(content__icontains=query) if query else rows
    return JsonResponse({"ids": [str(pk) for pk in found.values_list("pk", flat=True)]})


@login_required
@require_POST
def add_note(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Add a note; answers with its row, or with the form and what is wrong with it."""
    context = context_or_404(request, pk)
    form = NoteForm(request.POST)
    if not form.is_valid():
        response = render(request, "chats/_note_form.html", {"context": context, "note_form": form}, status=422)
        response["HX-Retarget"], response["HX-Reswap"] = "#note-form", "outerHTML"
        return response
    data = form.cleaned_data
    chunk = chunks.add_note(context=context, actor=owner(request), content=data["content"], role=data["role"])
    return render(request, "chats/_rows.html", {**panel(context), "rows": [chunk], "fresh_form": NoteForm()})


@login_required
@require_POST
def exclude(request: HttpRequest, pk: UUID, chunk_id: UUID) -> HttpResponse:
    """Keep a chunk out of the next request."""
    chunk = chunk_or_404(request, pk, chunk_id)
    changed = chunks.set_excluded(chunk=chunk, actor=owner(request), excluded=True)
    return _rows(request, chunk, changed, lambda count: f"{count} excluded, −{_tokens(changed):,} tokens")


@login_required
@require_POST
def include(request: HttpRequest, pk: UUID, chunk_id: UUID) -> HttpResponse:
    """Take a chunk back into the next request."""
    chunk = chunk_or_404(request, pk, chunk_id)
    changed = chunks.set_excluded(chunk=chunk, actor=owner(request), excluded=False)
    return _rows(request, chunk, changed, None)


@login_required
@require_POST
def pin(request: HttpRequest, pk: UUID, chunk_id: UUID) -> HttpResponse:
    """Pin a chunk."""
    chunk = chunk_or_404(request, pk, chunk_id)
    return _rows(request, chunk, chunks.set_pinned(chunk=chunk, actor=owner(request), pinned=True), None)


@login_required
@require_POST
def unpin(request: HttpRequest, pk: UUID, chunk_id: UUID) -> HttpResponse:
    """Release a pinned chunk."""
    chunk = chunk_or_404(request, pk, chunk_id)
    return _rows(request, chunk, chunks.set_pinned(chunk=chunk, actor=owner(request), pinned=False), None)


@login_required
@require_POST
def delete(request: HttpRequest, pk: UUID, chunk_id: UUID) -> HttpResponse:
    """Delete a chunk; answers with nothing in its place, and the meter out of band."""
    chunk = chunk_or_404(request, pk, chunk_id)
    gone = chunks.delete(chunk=chunk, actor=owner(request)) if chunk.deleted_at is None else []
    others = [row for row in gone if row.pk != chunk.pk]
    data = panel(chunk.context)
    response = render(request, "chats/_rows.html", {**data, "rows": [], "gone": others})
    return _with_undo(response, data, f"{_count(gone)} deleted") if gone else response


@login_required
@require_POST
def restore(request: HttpRequest, pk: UUID, chunk_id: UUID) -> HttpResponse:
    """Bring a deleted chunk back; answers with the whole list, because it returns to its place."""
    chunk = chunk_or_404(request, pk, chunk_id)
    chunks.restore(chunk=chunk, actor=owner(request))
    return _whole(request, chunk.context)


@login_required
@require_POST
def bulk(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Exclude or delete the selected chunks (``ids``) as one edit; pinned ones stay."""
    context = context_or_404(request, pk)
    action = chunks.delete_many if request.POST.get("action") == "delete" else chunks.exclude_many
    ids = _ids(request.POST.getlist("ids"))
    if len(ids) > MAX_BULK:
        return _with_toast(_whole(request, context), f"At most {MAX_BULK:,} chunks are changed at once.")
    changed = action(context=context, actor=owner(request), ids=ids)
    data = panel(context)
    response = render(request, "chats/_panel_update.html", data)
    if not changed:
        return _with_toast(response, "Nothing changed: pinned chunks stay.")
    word = "deleted" if action is chunks.delete_many else "excluded"
    return _with_undo(response, data, f"{_count(changed)} {word}, −{_tokens(changed):,} tokens")


@login_required
@require_POST
def undo_edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Take back the last edit, or the one with ``edit``."""
    context = context_or_404(request, pk)
    number = request.POST.get("edit") or request.GET.get("edit") or ""
    edit = undo.undo(context=context, edit_id=int(number) if number.isdecimal() and len(number) < 19 else None)
    words = f"{EDIT_WORDS.get(edit.action, 'Edit')} undone" if edit else "Nothing to undo"
    return _with_toast(_whole(request, context), words)


@login_required
@require_POST
def redo_edit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Apply again what was undone last."""
    context = context_or_404(request, pk)
    edit = undo.redo(context=context)
    words = f"{EDIT_WORDS.get(edit.action, 'Edit')} done again" if edit else "Nothing to redo"
    return _with_toast(_whole(request, context), words)


def _whole(request: HttpRequest, context: Context) -> HttpResponse:
    return render(request, "chats/_panel_update.html", panel(context))


def _rows(
    request: HttpRequest, chunk: ContextChunk, changed: list[ContextChunk], words: Callable[[str], str] | None
) -> HttpResponse:
    """The chunk's row in its own place, its partner's out of band."""
    shown = panel(chunk.context)
    group = {chunk.pk, *(row.pk for row in changed)}
    rows = [row for row in shown["chunks"] if row.pk == chunk.pk]
    others = [row for row in shown["chunks"] if row.pk in group and row.pk != chunk.pk]
    response = render(request, "chats/_rows.html", {**shown, "rows": rows, "others": others})
    if words is None or not changed:
        return response
    return _with_undo(response, shown, words(_count(changed)))


def _with_undo(response: HttpResponse, data: dict[str, Any], message: str) -> HttpResponse:
    """Add a toast with an Undo that takes back exactly this edit."""
    undo_url = f"{reverse('chats:undo', args=[data['context'].pk])}?edit={data['latest_edit']}"
    response["HX-Trigger"] = json.dumps({"toast": {"message": message, "undo": undo_url}})
    return response


def _with_toast(response: HttpResponse, message: str) -> HttpResponse:
    response["HX-Trigger"] = json.dumps({"toast": {"message": message}})
    return response


def _count(rows: list[ContextChunk]) -> str:
    return "1 chunk" if len(rows) == 1 else f"{len(rows)} chunks"


def _tokens(rows: Iterable[Any]) -> int:
    return sum(row.tokens for row in rows)


def _ids(values: Iterable[str]) -> list[UUID]:
    found = []
    for value in values:
        try:
            found.append(UUID(value))
        except ValueError:
            continue
    return found
