"""Write to contexts: create, name, pin, archive, delete and restore them."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from context_app.models import Context, Stream, Turn
from context_app.services import chunks
from sessions_app.models import Alias, AuthSession

TITLE_CHARS = 80
MAX_TITLE = 200
EDITABLE = ("continuing",)
"""The columns of a chat that an edit may change, and that undo puts back."""
KEEP_DELETED = timedelta(days=1)
"""The time in which a deleted chat can be restored."""


def create(
    *,
    owner: Any,
    session: AuthSession | None = None,
    model: str = "",
    model_suggested: bool = False,
    alias: Alias | None = None,
) -> Context:
    """Create a chat, or return the person's untouched one, so that clicking twice creates one chat.

    ``model_suggested``: Maestro chose the model.
    """
    with transaction.atomic():
        untouched = Context.objects.filter(
            owner=owner, deleted_at=None, archived_at=None, title="", pinned=False, turns=None, chunks=None
        )
        context = untouched.order_by("-created_at").first() or Context(owner=owner)
        context.session, context.model, context.params, context.alias = session, _model(model), {}, alias
        context.model_suggested = model_suggested and bool(context.model)
        context.save()
    return context


def create_new(*, owner: Any, title: str = "", system: str = "") -> Context:
    """Create a chat, always a new one, with a title and a system text where they are given."""
    with transaction.atomic():
        context = Context.objects.create(owner_id=owner, title=_title(title))
        chunks.set_system(context=context, actor=owner, content=system)
    return context


def update(*, context: Context, **columns: Any) -> Context:
    """Set columns of a chat, but not ``updated_at``: the list is ordered by messages, not by other changes.

    A blank ``title`` is taken from the first message again.
    """
    if "title" in columns:
        columns["title"] = _title(columns["title"])
    for name, value in columns.items():
        setattr(context, name, value)
    Context.objects.filter(pk=context.pk).update(**columns)
    return context


def set_continuing(*, context: Context, actor: Any, continuing: str) -> int | None:
    """Choose how the answers of a chat go on after they broke off, as an edit that can be undone.

    Returns the key of its journal entry, ``None`` where the choice stays.
    """
    with transaction.atomic():
        chunks.lock(context.pk)
        rows, key = Context.objects.filter(pk=context.pk), str(context.pk)
        before = rows.values_list("continuing", flat=True).get()
        update(context=context, continuing=continuing)
        if before == continuing:
            return None
        states = ({key: {"continuing": one}} for one in (before, continuing))
        return chunks.journal(context, actor, "continuing", *states)


def lasting(context: Context) -> dict[str, bool]:
    """Return the arguments of a request that follow from how the chat's answers are to go on after they broke off."""
    by_itself = context.continuing in (Context.Continuing.AUTO, Context.Continuing.EXACT)
    found = {} if by_itself else {"enable_stream_replay": False}
    return {**found, **({"resumable": True} if context.continuing == Context.Continuing.EXACT else {})}


def title_from(context: Context, text: str) -> bool:
    """Take the title from the first message if there is none. Returns whether the title changed."""
    if context.title:
        return False
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    title = " ".join(line.lstrip("#>*- ").split())
    if not title:
        return False
    if len(title) > TITLE_CHARS:
        title = title[: TITLE_CHARS - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"
    context.title = title
    # The person may have named it in the meantime; that name stays.
    return bool(Context.objects.filter(pk=context.pk, title="").update(title=title))


def delete(*, context: Context) -> Context:
    """Delete a chat; ``restore`` restores it within a day, then the schedule destroys it."""
    return update(context=context, deleted_at=timezone.now())


def restore(*, context: Context) -> Context:
    """Restore a deleted chat."""
    return update(context=context, deleted_at=None)


def destroy(context: Context) -> None:
    """Delete a chat for good, with its streams, whose rows hold the text too."""
    with transaction.atomic():
        streams = list(Turn.objects.filter(context=context).exclude(stream=None).values_list("stream_id", flat=True))
        context.delete()
        Stream.objects.filter(pk__in=streams).delete()


def _title(title: str) -> str:
    return " ".join(title.split())[:MAX_TITLE]


def _model(model: str) -> str:
    """Return a model id as the column takes it; only the provider can validate it."""
    return model.replace("\x00", "").strip()[:200]
