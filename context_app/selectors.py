"""Reads. Every query starts at the owner; what belongs to somebody else, or was deleted, does not exist here."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

from context_app.models import Context, ContextChunk, Stream, Turn
from sessions_app.models import AuthSession

SIDEBAR_LIMIT = 150
TURNS_SHOWN = 30


@dataclass(frozen=True, slots=True)
class ChatGroup:
    """One heading of the chat list with its chats, newest first."""

    label: str
    contexts: list[Context]


def owned(owner_id: Any) -> "QuerySet[Context]":
    """The chats of one person."""
    return Context.objects.filter(owner=owner_id, deleted_at=None)


def get_context(owner_id: Any, context_id: UUID) -> Context:
    """One chat with its session. Raises ``Context.DoesNotExist`` for a foreign, deleted or missing one alike."""
    return owned(owner_id).select_related("session").defer("session__sealed_credential").get(pk=context_id)


def get_chunk(owner_id: Any, context_id: UUID, chunk_id: UUID) -> ContextChunk:
    """Return one chunk with its chat and the chat's session, deleted chunks included (they can be restored).

    Raises ``ContextChunk.DoesNotExist`` where ``get_context`` would find no chat, or the chat has no such chunk.
    """
    rows = ContextChunk.objects.select_related("context__session").defer("context__session__sealed_credential")
    return rows.get(pk=chunk_id, context=context_id, context__owner=owner_id, context__deleted_at=None)


def chunks(context: Context) -> list[ContextChunk]:
    """What the panel lists: every chunk that is not deleted, in the order of sending."""
    return list(ContextChunk.objects.filter(context=context, deleted_at=None).order_by("order", "created_at"))


def sidebar(owner_id: Any, *, query: str = "", archived: bool = False, now: datetime | None = None) -> list[ChatGroup]:
    """The chat list in its groups: pinned, today, yesterday, earlier. ``query`` is looked for in titles and texts."""
    rows = owned(owner_id).filter(archived_at__isnull=not archived)
    if query:
        texts = ContextChunk.objects.filter(context=OuterRef("pk"), deleted_at=None, content__icontains=query)
        rows = rows.filter(Q(title__icontains=query) | Exists(texts))
    running = Turn.objects.filter(context=OuterRef("pk"), stream__state=Stream.State.RUNNING)
    rows = (
        rows.select_related("session")
        .only("id", "title", "pinned", "archived_at", "updated_at", "session__name", "model")
        .annotate(is_running=Exists(running))
        .order_by("-updated_at")[:SIDEBAR_LIMIT]
    )
    return _grouped(rows, now or timezone.now(), archived=archived)


def _grouped(rows: Iterable[Context], now: datetime, *, archived: bool) -> list[ChatGroup]:
    today = timezone.localtime(now).date()
    names = ("Pinned", "Today", "Yesterday", "Last 7 days", "Older")
    found: dict[str, list[Context]] = {name: [] for name in names}
    for row in rows:
        day = timezone.localtime(row.updated_at).date()
        if archived:
            name = "Older"
        elif row.pinned:
            name = "Pinned"
        elif day >= today:
            name = "Today"
        elif day == today - timedelta(days=1):
            name = "Yesterday"
        elif day > today - timedelta(days=7):
            name = "Last 7 days"
        else:
            name = "Older"
        found[name].append(row)
    if archived:
        return [ChatGroup("Archived", found["Older"])] if found["Older"] else []
    return [ChatGroup(name, found[name]) for name in names if found[name]]


def archived_count(owner_id: Any) -> int:
    """How many chats are put away."""
    return owned(owner_id).filter(archived_at__isnull=False).count()


def turns(context: Context, *, before: Turn | None = None, limit: int = TURNS_SHOWN) -> tuple[list[Turn], bool]:
    """The last ``limit`` turns (older than ``before``), oldest first, with stream and chunks; and are there more?"""
    rows = Turn.objects.filter(context=context)
    if before is not None:
        rows = rows.filter(Q(created_at__lt=before.created_at) | Q(created_at=before.created_at, pk__lt=before.pk))
    ordered = rows.order_by("-created_at", "-pk").select_related("stream")
    pieces = Prefetch("chunks", queryset=ContextChunk.objects.order_by("order", "created_at"))
    found = list(ordered.prefetch_related(pieces)[: limit + 1])
    more = len(found) > limit
    return list(reversed(found[:limit])), more


def get_turn(context: Context, turn_id: UUID) -> Turn:
    """One turn of a chat. Raises ``Turn.DoesNotExist``."""
    return Turn.objects.select_related("stream").prefetch_related("chunks").get(pk=turn_id, context=context)


def sessions(owner_id: Any) -> list[AuthSession]:
    """The person's sessions that can be asked (not disabled), for the picker; sealed columns are not loaded."""
    rows = AuthSession.objects.filter(owner=owner_id).exclude(status=AuthSession.Status.DISABLED)
    return list(_present(rows).defer("sealed_credential").order_by("provider", "name"))


def get_session(owner_id: Any, session_id: UUID) -> AuthSession:
    """One of the person's sessions. Raises ``AuthSession.DoesNotExist``."""
    return _present(AuthSession.objects.filter(owner=owner_id)).defer("sealed_credential").get(pk=session_id)


def _present(rows: "QuerySet[AuthSession]") -> "QuerySet[AuthSession]":
    return rows.filter(deleted_at=None)
