"""Writes to contexts: made, named, pinned, put away, deleted and brought back."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from context_app.models import Context, Stream, Turn
from sessions_app.models import AuthSession

TITLE_CHARS = 80
MAX_TITLE = 200
KEEP_DELETED = timedelta(days=1)
"""How long a deleted chat can still be brought back."""


def create(*, owner: Any, session: AuthSession | None = None, model: str = "") -> Context:
    """A new chat. An untouched one of the same person is used again, so that clicking twice leaves no litter."""
    with transaction.atomic():
        empty = (
            Context.objects.filter(
                owner=owner, deleted_at=None, archived_at=None, title="", pinned=False, turns=None, chunks=None
            )
            .order_by("-created_at")
            .first()
        )
        context = empty or Context(owner=owner)
        context.session = session
        context.model = _model(model)
        context.params = {}
        context.save()
    return context


def rename(*, context: Context, title: str) -> Context:
    """Give a chat a title; blank means the one taken from its first message. At most ``MAX_TITLE`` characters stay."""
    context.title = " ".join(title.split())[:MAX_TITLE]
    _save(context, "title")
    return context


def title_from(context: Context, text: str) -> bool:
    """Take the title from the first message while there is none. Returns whether the title changed."""
    if context.title:
        return False
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    words = " ".join(line.lstrip("#>*- ").split())
    if not words:
        return False
    if len(words) > TITLE_CHARS:
        words = words[: TITLE_CHARS - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"
    context.title = words
    # Somebody may have named it meanwhile; their name stands.
    changed = Context.objects.filter(pk=context.pk, title="").update(title=words)
    return bool(changed)


def choose(*, context: Context, session: AuthSession, model: str) -> Context:
    """Ask this session and model from the next message on."""
    context.session = session
    context.model = _model(model)
    _save(context, "session", "model")
    return context


def set_params(*, context: Context, params: dict[str, Any]) -> Context:
    """Store the parameters of the next requests (names of ``ChatParams``; values already checked)."""
    context.params = params
    _save(context, "params")
    return context


def set_pinned(*, context: Context, pinned: bool) -> Context:
    """Keep a chat at the top of the list, or no longer."""
    context.pinned = pinned
    _save(context, "pinned")
    return context


def set_archived(*, context: Context, archived: bool) -> Context:
    """Put a chat away, or take it back."""
    context.archived_at = timezone.now() if archived else None
    _save(context, "archived_at")
    return context


def delete(*, context: Context) -> Context:
    """Remove a chat; ``restore`` brings it back for a day; then the schedule destroys it."""
    context.deleted_at = timezone.now()
    _save(context, "deleted_at")
    return context


def restore(*, context: Context) -> Context:
    """The reverse of ``delete``."""
    context.deleted_at = None
    _save(context, "deleted_at")
    return context


def destroy(context: Context) -> None:
    """Remove a chat for good, with its answers: rows of streams hold their text too."""
    with transaction.atomic():
        streams = list(Turn.objects.filter(context=context).exclude(stream=None).values_list("stream_id", flat=True))
        context.delete()
        Stream.objects.filter(pk__in=streams).delete()


def touch(context: Context) -> None:
    """Move a chat to the top of the list."""
    Context.objects.filter(pk=context.pk).update(updated_at=timezone.now())


def _model(model: str) -> str:
    """A model id as the column takes it; what it really is, its provider decides."""
    return model.replace("\x00", "").strip()[:200]


def _save(context: Context, *fields: str) -> None:
    """``updated_at`` is left alone: the list is ordered by what was said last, not by what was tidied."""
    Context.objects.filter(pk=context.pk).update(**{field: getattr(context, field) for field in fields})
