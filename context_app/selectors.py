"""Read contexts. Every query starts at the owner, so that foreign and deleted rows are never found."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Exists, Max, OuterRef, Prefetch, Q, QuerySet, Sum
from django.utils import timezone

from context_app.models import Context, ContextChunk, Stream, Turn
from providers_app.errors import UnknownContext
from sessions_app.models import AuthSession

SIDEBAR_LIMIT = 150
TURNS_SHOWN = 30


@dataclass(frozen=True, slots=True)
class ChatGroup:
    """One heading of the chat list with its chats, newest first."""

    label: str
    contexts: list[Context]


def owned(owner_id: Any) -> "QuerySet[Context]":
    """Return the chats of one person."""
    return Context.objects.filter(owner=owner_id, deleted_at=None)


def get_context(owner_id: Any, context_id: UUID) -> Context:
    """Return one chat with its session. Raises ``UnknownContext`` for a foreign, deleted or missing one alike."""
    rows = owned(owner_id).select_related("session").defer("session__sealed_credential")
    if (found := rows.filter(pk=context_id).first()) is None:
        raise UnknownContext("There is no such chat.")
    return found


def get_chunk(owner_id: Any, context_id: UUID, chunk_id: UUID) -> ContextChunk:
    """Return one chunk with its chat and the chat's session, deleted chunks included (they can be restored).

    Raises ``ContextChunk.DoesNotExist`` where ``get_context`` would find no chat, or the chat has no such chunk.
    """
    rows = ContextChunk.objects.select_related("context__session").defer("context__session__sealed_credential")
    return rows.get(pk=chunk_id, context=context_id, context__owner=owner_id, context__deleted_at=None)


def chunks(context: Context) -> list[ContextChunk]:
    """Return the chunks that are not deleted, in the order of sending."""
    return list(ContextChunk.objects.filter(context=context, deleted_at=None).order_by("order", "created_at"))


@dataclass(frozen=True, slots=True)
class Total:
    """The chunks of one kind that are sent, or that are not for one reason; sizes are in tokens."""

    kind: str
    not_sent: str
    count: int
    pinned: int
    tokens: int
    largest: int


def totals(context: Context) -> list[Total]:
    """Return the totals of the chunks that are not deleted. One query, which reads no texts."""
    rows = ContextChunk.objects.filter(context=context).exclude(not_sent=ContextChunk.NotSent.DELETED)
    pins = Count("pinned", filter=Q(pinned=True))
    groups = rows.order_by().values_list("kind", "not_sent")
    found = groups.annotate(count=Count("*"), pins=pins, size=Sum("tokens"), largest=Max("tokens"))
    return [Total(*row) for row in found]


def matching(contexts: "QuerySet[Context]", *, query: str, archived: bool) -> "QuerySet[Context]":
    """Return those of the chats that are archived, or not, and have ``query`` in their title or texts."""
    rows = contexts.filter(archived_at__isnull=not archived)
    if query:
        texts = ContextChunk.objects.filter(context=OuterRef("pk"), deleted_at=None, content__icontains=query)
        rows = rows.filter(Q(title__icontains=query) | Exists(texts))
    return rows


def sidebar(owner_id: Any, *, query: str = "", archived: bool = False, now: datetime | None = None) -> list[ChatGroup]:
    """Return the chat list in groups by age, pinned chats first; ``query`` searches titles and texts."""
    rows = matching(owned(owner_id), query=query, archived=archived)
    running = Turn.objects.filter(context=OuterRef("pk"), stream__state=Stream.State.RUNNING)
    rows = (
        rows.select_related("session")
        .only("id", "title", "pinned", "archived_at", "updated_at", "session__name", "model")
        .annotate(is_running=Exists(running))
        .order_by("-updated_at")[:SIDEBAR_LIMIT]
    )
    if archived:
        return [ChatGroup("Archived", list(rows))] if rows else []
    today = timezone.localtime(now or timezone.now()).date()
    groups: dict[str, list[Context]] = {name: [] for name in ("Pinned", "Today", "Yesterday", "Last 7 days", "Older")}
    for row in rows:
        age = (today - timezone.localtime(row.updated_at).date()).days
        groups["Pinned" if row.pinned else _group(age)].append(row)
    return [ChatGroup(name, found) for name, found in groups.items() if found]


def _group(days: int) -> str:
    if days <= 1:
        return "Today" if days <= 0 else "Yesterday"
    return "Last 7 days" if days < 7 else "Older"


def turns(context: Context, *, before: Turn | None = None, limit: int = TURNS_SHOWN) -> tuple[list[Turn], bool]:
    """Return the last turns before ``before`` with streams and chunks, oldest first, and whether there are more."""
    rows = Turn.objects.filter(context=context)
    if before is not None:
        rows = rows.filter(Q(created_at__lt=before.created_at) | Q(created_at=before.created_at, pk__lt=before.pk))
    pieces = Prefetch("chunks", queryset=ContextChunk.objects.order_by("order", "created_at"))
    ordered = rows.order_by("-created_at", "-pk").select_related("stream", "session")
    found = list(ordered.prefetch_related(pieces).defer("session__sealed_credential")[: limit + 1])
    return found[:limit][::-1], len(found) > limit


def question_end(turn: Turn) -> int:
    """Return the ``order`` of the last chunk before the turn's answer: its question, or the results it goes on with."""
    rows = ContextChunk.objects.filter(context=turn.context_id).order_by("order")
    asked = rows.filter(turn=turn, role=ContextChunk.Role.USER).values_list("order", flat=True).last()
    if asked is not None:
        return asked
    own_or_later = rows.filter(Q(turn=turn) | Q(turn__created_at__gt=turn.created_at))
    if (after := own_or_later.values_list("order", flat=True).first()) is not None:
        rows = rows.filter(order__lt=after)
    return rows.values_list("order", flat=True).last() or 0


def get_turn(context: Context, turn_id: UUID) -> Turn:
    """Return one turn of a chat. Raises ``Turn.DoesNotExist``."""
    found = Turn.objects.select_related("stream").prefetch_related("chunks").get(pk=turn_id, context=context)
    found.context = context
    return found


def sessions(owner_id: Any) -> list[AuthSession]:
    """Return the person's sessions that are not disabled, for the picker, without their sealed columns."""
    return list(_sessions(owner_id).exclude(status=AuthSession.Status.DISABLED).order_by("provider", "name"))


def get_session(owner_id: Any, session_id: UUID) -> AuthSession:
    """Return one of the person's sessions. Raises ``AuthSession.DoesNotExist``."""
    return _sessions(owner_id).get(pk=session_id)


def _sessions(owner_id: Any) -> "QuerySet[AuthSession]":
    return AuthSession.objects.filter(owner=owner_id, deleted_at=None).defer("sealed_credential")
