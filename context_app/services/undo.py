"""Undo and redo edits, from the journal: across reloads, and across the windows of one person."""

from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from context_app import sending
from context_app.models import Context, ContextChunk, ContextEdit
from context_app.services import contexts
from context_app.services.chunks import EDITABLE, lock


def undo(*, context: Context, edit_id: int | None = None) -> ContextEdit | None:
    """Undo the latest edit that is not undone, or the one with ``edit_id``. Returns it, or ``None``."""
    with transaction.atomic():
        lock(context.pk)
        edits = _edits(context).filter(undone_at=None)
        edit = (edits.filter(pk=edit_id) if edit_id is not None else edits.order_by("-id")).first()
        return edit and _put(edit, edit.before, undone_at=timezone.now())


def redo(*, context: Context) -> ContextEdit | None:
    """Redo the edit that was undone last. Returns it, or ``None``."""
    with transaction.atomic():
        lock(context.pk)
        edit = _edits(context).filter(undone_at__isnull=False).order_by("id").first()
        return edit and _put(edit, edit.after, undone_at=None)


class History(NamedTuple):
    """The key of the edit that is undone next, ``None`` for none, and whether an undone edit can be redone."""

    latest: int | None
    redoable: bool


def history(context: Context) -> History:
    """Return the state of a context's edits. One query."""
    done = Q(undone_at=None)
    found = _edits(context).aggregate(latest=Max("pk", filter=done), undone=Count("pk", filter=~done))
    return History(found["latest"], found["undone"] > 0)


def _edits(context: Context) -> "QuerySet[ContextEdit]":
    """Return the edits that can be undone: all but retries, whose new answer has taken the place of the old one."""
    return ContextEdit.objects.filter(context=context).exclude(action="retry")


def _put(edit: ContextEdit, values: dict[str, dict[str, Any]], *, undone_at: datetime | None) -> ContextEdit:
    """Set the stored columns of the chat and of each chunk that still exists, and whether the edit is undone."""
    own = values.get(str(edit.context_id), {})
    if columns := {name: value for name, value in own.items() if name in contexts.EDITABLE}:
        contexts.update(context=edit.context, **columns)
    rows = list(ContextChunk.objects.filter(context=edit.context_id, pk__in=list(values)))
    names = set[str]()
    for row in rows:
        columns = {name: value for name, value in values[str(row.id)].items() if name in EDITABLE}
        for name, value in columns.items():
            is_time = name == "deleted_at" and value is not None
            setattr(row, name, (parse_datetime(str(value)) or timezone.now()) if is_time else value)
        names |= columns.keys()
    if names:
        ContextChunk.objects.bulk_update(rows, sorted(names))
        sending.store(rows)
    edit.undone_at = undone_at
    edit.save(update_fields=["undone_at"])
    return edit
