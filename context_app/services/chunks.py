"""Write to the chunks of a context. Each edit leaves a ``ContextEdit``, in the same transaction.

``actor`` is the person who edits, or their key.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.db.models import Max, Min
from django.utils import timezone

from context_app import sending
from context_app import tokens as token_counts
from context_app.conf import ContextConfig
from context_app.models import Context, ContextChunk, ContextEdit
from context_app.sending import CALL_KINDS, call_key
from context_app.tool_intents import intent_of_chunk
from providers_app.types.intent import ToolIntent
from providers_app.types.intent_rules import with_statement

STEP = 1024
"""Distance between neighbours in ``order``, so that a later move touches one row."""
EDITABLE = ("content", "tokens", "pinned", "excluded", "deleted_at", "order", "intent")
"""The columns that an edit may change, and that undo puts back."""


class ChunkRefused(ValueError):
    """The chunk cannot be stored or changed; ``str()`` is a sentence for the person."""


class Edited(NamedTuple):
    """The chunks that an edit changed, and the key of its journal entry, ``None`` when it changed nothing."""

    chunks: list[ContextChunk]
    edit_id: int | None


def append(*, context: Context, content: str, tokens: int | None = None, **columns: Any) -> ContextChunk:
    """Append a chunk to ``context`` and return it. ``tokens`` is estimated from ``content`` by default.

    ``columns`` are others of ``ContextChunk``: ``kind``, ``role``, and optional ones. This is not an edit that can be
    undone. Call it inside the transaction of the turn that the chunk belongs to.
    """
    tokens = token_counts.estimate(content) if tokens is None else tokens
    with transaction.atomic(savepoint=False):
        lock(context.pk)  # two chunks at once would read the same end
        last = ContextChunk.objects.filter(context=context).aggregate(last=Max("order"))["last"] or 0
        return _create(ContextChunk(context=context, order=last + STEP, content=content, tokens=tokens, **columns))


def _create(chunk: ContextChunk) -> ContextChunk:
    sending.decide([chunk])
    chunk.save(force_insert=True)
    if chunk.kind in CALL_KINDS:
        sending.store([chunk])
    return chunk


def completed(rows: list[ContextChunk]) -> list[ContextChunk]:
    """Return the rows that are sent, in order, after storing a result for each call among them that has none.

    Call it inside the transaction of the turn that goes on without those results, with rows read under ``lock``.
    """
    done = sending.completed(rows)
    ContextChunk.objects.bulk_create([row for row in done if row._state.adding])
    return done


def add(
    *,
    context: Context,
    actor: Any,
    content: str,
    kind: str = "note",
    role: str = "user",
    max_chars: int | None = None,
    **columns: Any,
) -> ContextChunk:
    """Append a chunk as an edit. Raises ``ChunkRefused`` when it is blank or longer than ``max_chars``."""
    text = _checked(content, max_chars)
    with transaction.atomic():
        chunk = append(context=context, kind=kind, role=role, content=text, provenance={"by": "person"}, **columns)
        _added(context, actor, chunk)
    return chunk


def set_system(*, context: Context, actor: Any, content: str, max_chars: int | None = None) -> ContextChunk | None:
    """Make ``content`` the system text at the head of the context, as an edit; blank text deletes it.

    Returns the chunk with the text, or ``None``. Raises ``ChunkRefused`` when it is longer than ``max_chars``.
    """
    text = _checked(content, max_chars) if content.strip() else ""
    with transaction.atomic():
        lock(context.pk)
        current = system_chunk(context)
        if current is None and text:
            first = ContextChunk.objects.filter(context=context).aggregate(first=Min("order"))["first"]
            current = ContextChunk(context=context, kind="system", role="system", provenance={"by": "person"})
            current.order = STEP if first is None else first - STEP
            current.content, current.tokens = text, token_counts.estimate(text)
            _added(context, actor, _create(current))
        elif current is not None and not text:
            _edit(context, actor, "delete", [current], deleted_at=timezone.now())
        elif current is not None and text != current.content:
            _edit(context, actor, "edit", [current], content=text, tokens=token_counts.estimate(text))
    return current if text else None


def system_chunk(context: Context) -> ContextChunk | None:
    """Return the system text of the parameters drawer: the first system chunk that is not deleted."""
    rows = ContextChunk.objects.filter(context=context, kind=ContextChunk.Kind.SYSTEM, deleted_at=None)
    return rows.order_by("order", "created_at").first()


def set_excluded(*, chunk: ContextChunk, actor: Any, excluded: bool) -> Edited:
    """Exclude a chunk from the next request, or include it; excluding unpins it."""
    if excluded:
        return _edit_group(chunk, actor, "exclude", excluded=True, pinned=False)
    return _edit_group(chunk, actor, "include", excluded=False)


def set_pinned(*, chunk: ContextChunk, actor: Any, pinned: bool) -> Edited:
    """Pin or unpin a chunk; pinning includes it in the request."""
    if pinned:
        return _edit_group(chunk, actor, "pin", pinned=True, excluded=False)
    return _edit_group(chunk, actor, "unpin", pinned=False)


def state_intent(*, chunk: ContextChunk, actor: Any, said: ToolIntent) -> Edited:
    """Store what a person says a tool call is for, as an edit; the call's risk may rise, and never falls.

    Raises ``ChunkRefused`` for what is no tool call, and for one whose answer is still being written.
    """
    with transaction.atomic():
        lock(chunk.context_id)
        row = ContextChunk.objects.filter(pk=chunk.pk, kind=ContextChunk.Kind.TOOL_CALL, deleted_at=None).first()
        if row is None or row.state == ContextChunk.State.STREAMING:
            raise ChunkRefused("Only a tool call of a finished answer has an intent to set.")
        intent = with_statement(intent_of_chunk(row), said, "person")
        return _edit(chunk.context, actor, "intent", [row], intent=msgspec.to_builtins(intent))


def delete(*, chunk: ContextChunk, actor: Any) -> Edited:
    """Delete a chunk (and the other half of a tool call). The row stays until the context is destroyed."""
    return _edit_group(chunk, actor, "delete", deleted_at=timezone.now())


def restore(*, chunk: ContextChunk, actor: Any) -> Edited:
    """Restore a deleted chunk (and the other half of a tool call)."""
    return _edit_group(chunk, actor, "restore", deleted_at=None)


def exclude_many(*, context: Context, actor: Any, ids: Iterable[UUID]) -> Edited:
    """Exclude several chunks as one edit, except pinned ones."""
    return _edit_many(context, actor, "exclude", ids, excluded=True)


def delete_many(*, context: Context, actor: Any, ids: Iterable[UUID]) -> Edited:
    """Delete several chunks as one edit, except pinned ones."""
    return _edit_many(context, actor, "delete", ids, deleted_at=timezone.now())


def _edit_many(context: Context, actor: Any, action: str, ids: Iterable[UUID], **changes: Any) -> Edited:
    with transaction.atomic():
        lock(context.pk)
        rows = [chunk for chunk in _with_partners(context, ids) if not chunk.pinned]
        return _edit(context, actor, action, rows, **changes)


def _is_one_with(chunk: ContextChunk, other: ContextChunk) -> bool:
    """Return whether ``other`` is ``chunk`` or another half of its tool call."""
    same = chunk.kind in CALL_KINDS and chunk.metadata.get("call_id") and call_key(other) == call_key(chunk)
    return chunk.pk == other.pk or bool(same)


def _with_partners(context: Context, ids: Iterable[UUID]) -> list[ContextChunk]:
    wanted = set(ids)
    rows = list(ContextChunk.objects.filter(context=context, deleted_at=None).order_by("order", "created_at"))
    calls = {call_key(row) for row in rows if row.id in wanted and row.kind in CALL_KINDS}
    return [row for row in rows if row.id in wanted or (row.kind in CALL_KINDS and call_key(row) in calls)]


def lock(context_id: Any) -> None:
    """Serialise the edits of a chat, so that each sees the ones before it. Call it in a transaction.

    SQLite has no row locks and needs none: its transactions begin IMMEDIATE, so one at a time runs.
    """
    if connection.features.has_select_for_update:
        Context.objects.select_for_update(no_key=True).filter(pk=context_id).values_list("pk", flat=True).first()


def _added(context: Context, actor: Any, chunk: ContextChunk) -> None:
    """Write the journal entry of a new chunk; undoing it deletes the chunk."""
    gone = {"deleted_at": timezone.now().isoformat()}
    journal(context, actor, "add", {str(chunk.id): gone}, {str(chunk.id): {"deleted_at": None}})


def journal(context: Context, actor: Any, action: str, before: dict[str, Any], after: dict[str, Any]) -> int:
    """Write the journal entry of an edit and delete the undone ones: after a new edit there is nothing to redo."""
    by = getattr(actor, "pk", actor)
    edit = ContextEdit.objects.create(context=context, actor_id=by, action=action, before=before, after=after)
    ContextEdit.objects.filter(context=context, undone_at__isnull=False).delete()
    return edit.pk


def _edit_group(chunk: ContextChunk, actor: Any, action: str, **changes: Any) -> Edited:
    """Edit a chunk as it is now, together with the other half of a tool call; ``restore`` edits deleted ones only."""
    with transaction.atomic():
        lock(chunk.context_id)
        rows = ContextChunk.objects.filter(context=chunk.context_id).order_by("order", "created_at")
        halves = rows.filter(turn=chunk.turn_id, kind__in=CALL_KINDS)
        related = list(halves if chunk.kind in CALL_KINDS else rows.filter(pk=chunk.pk))
        group = [
            row for row in related if _is_one_with(chunk, row) and (row.deleted_at is None) != (action == "restore")
        ]
        return _edit(chunk.context, actor, action, group, related, **changes)


def _edit(
    context: Context,
    actor: Any,
    action: str,
    chunks: list[ContextChunk],
    related: list[ContextChunk] | None = None,
    **changes: Any,
) -> Edited:
    """Apply ``changes`` to ``chunks`` and write the journal entry, unless they change nothing.

    ``related`` is for ``sending.store``.
    """
    before, after, touched = {}, {}, []
    for chunk in chunks:
        old = {name: getattr(chunk, name) for name in changes}
        if old == changes:
            continue
        before[str(chunk.id)], after[str(chunk.id)] = _jsonable(old), _jsonable(changes)
        for name, value in changes.items():
            setattr(chunk, name, value)
        touched.append(chunk)
    if not touched:
        return Edited([], None)
    sending.store(touched, changes, related)
    return Edited(touched, journal(context, actor, action, before, after))


def _jsonable(values: dict[str, Any]) -> dict[str, Any]:
    """Return column values as the journal stores them, with times as ISO text."""
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()}


def _checked(content: str, max_chars: int | None) -> str:
    text = content.replace("\r\n", "\n").strip()
    limit = max_chars or ContextConfig().max_chunk_chars
    if not text:
        raise ChunkRefused("Write something first.")
    if len(text) > limit:
        raise ChunkRefused(f"This is {len(text):,} characters; a chunk has at most {limit:,}.")
    return text
