"""Show contexts and their rows to operators. Chat text is not edited here: edits belong in the undo journal."""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from context_app.models import Context, ContextChunk, ContextEdit, MediaFile, Stream, Turn
from context_app.services import contexts
from context_app.tool_intents import NOT_DECLARED, PURPOSE_LABELS, intent_of_chunk
from providers_app.types.intent import RISK_LEVELS
from sessions_app.admin_records import ReadOnlyAdmin

TIMES = ("archived_at", "deleted_at", "created_at", "updated_at")


class KeptRows(ReadOnlyAdmin):
    """Rows that only the running product writes; an operator may delete them."""

    has_delete_permission = admin.ModelAdmin.has_delete_permission
    show_full_result_count = False


class IntentFilter(admin.SimpleListFilter):
    """Filter tool calls by one field of their intent; rows without it have the default."""

    labels: Mapping[str, str]
    default: str

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(self.labels.items())

    def queryset(self, request: HttpRequest, queryset: "QuerySet[ContextChunk]") -> "QuerySet[ContextChunk]":
        chosen = self.value()
        if chosen is None or chosen not in self.labels:
            return queryset
        calls = queryset.filter(kind=ContextChunk.Kind.TOOL_CALL)
        if chosen != self.default:
            return calls.filter(self.states(chosen))
        others = reduce(or_, (self.states(value) for value in self.labels if value != chosen))
        return calls.exclude(pk__in=calls.filter(others).values("pk"))

    def states(self, value: str) -> Q:
        """Return the condition of a row that states ``value``."""
        return Q(**{f"intent__{self.parameter_name}": value})


class RiskFilter(IntentFilter):
    """Filter tool calls by their risk, which old rows call ``risk`` instead of ``risk_level``."""

    title, parameter_name = "risk of tool calls", "risk"
    labels, default = {level: level.capitalize() for level in RISK_LEVELS}, "medium"

    def states(self, value: str) -> Q:
        """Return the condition of a row that states ``value``."""
        return Q(intent__risk_level=value) | (Q(intent__risk=value) & Q(intent__risk_level__isnull=True))


class PurposeFilter(IntentFilter):
    """Filter tool calls by their purpose."""

    title, parameter_name = "purpose of tool calls", "purpose"
    labels, default = {**PURPOSE_LABELS, "none": NOT_DECLARED}, "none"


@admin.register(Context)
class ContextAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Chats, searchable by title, owner and session, with archiving and deletion in bulk."""

    list_display = (
        "shown_title", "owner", "session", "model", "chunk_count", "pinned", "archived_at", "deleted_at", "updated_at",
    )  # fmt: skip
    list_filter = (
        "pinned",
        ("archived_at", admin.EmptyFieldListFilter),
        ("deleted_at", admin.EmptyFieldListFilter),
        "session__provider",
    )
    list_select_related = ("owner", "session")
    list_per_page = 50
    search_fields = ("title", "owner__username", "session__name", "model", "=id")
    date_hierarchy = "updated_at"
    fields = ("id", "title", "owner", "session", "model", "params", "pinned", *TIMES)
    readonly_fields = ("id", "owner", "session", "model", "params", *TIMES)
    actions = ("put_away", "remove")

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        # ``remove`` is the one way: destroying a chat whose answer is being written would pull the rows from under it.
        actions: dict[str, Any] = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def delete_model(self, request: HttpRequest, obj: Context) -> None:
        """Delete the chat as its own page does: it can be restored for a day, then the schedule destroys it."""
        if obj.deleted_at is None:
            contexts.delete(context=obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Context]":
        rows: QuerySet[Context] = super().get_queryset(request).defer("session__sealed_credential")
        return rows.annotate(_chunks=Count("chunks", filter=Q(chunks__deleted_at=None)))

    @admin.display(description="title", ordering="title")
    def shown_title(self, context: Context) -> str:
        return str(context)

    @admin.display(description="chunks", ordering="_chunks")
    def chunk_count(self, context: Any) -> int:
        return int(context._chunks)

    @admin.action(description="Archive selected chats", permissions=("change",))
    def put_away(self, request: HttpRequest, queryset: "QuerySet[Context]") -> None:
        rows = Context.objects.filter(pk__in=queryset.values("pk"), archived_at=None)
        count = rows.update(archived_at=timezone.now())
        self.message_user(request, f"{count} archived.")

    @admin.action(description="Delete selected chats (can be undone for a day)", permissions=("delete",))
    def remove(self, request: HttpRequest, queryset: "QuerySet[Context]") -> None:
        rows = list(queryset.filter(deleted_at=None))
        for context in rows:
            self.delete_model(request, context)
        self.message_user(request, f"{len(rows)} deleted.")


@admin.register(ContextChunk)
class ContextChunkAdmin(KeptRows):
    """Chunks by kind, state, size and the intent of tool calls, with full-text search."""

    list_display = ("preview", "kind", "role", "risk", "tokens", "state", "pinned", "excluded", "context", "created_at")
    list_filter = (
        "kind", RiskFilter, PurposeFilter, "role", "state", "pinned", "excluded", "not_sent",
        ("deleted_at", admin.EmptyFieldListFilter), "created_at",
    )  # fmt: skip
    list_select_related = ("context",)
    list_per_page = 50
    search_fields = ("content", "context__title", "context__owner__username", "=id", "=context__id")
    date_hierarchy = "created_at"

    @admin.display(description="risk")
    def risk(self, chunk: ContextChunk) -> str:
        return intent_of_chunk(chunk).risk_level if chunk.kind == ContextChunk.Kind.TOOL_CALL else "–"

    @admin.display(description="text")
    def preview(self, chunk: ContextChunk) -> str:
        line = " ".join(chunk.content[:200].split())
        return line[:80] + ("…" if len(line) > 80 else "") or "(empty)"


@admin.register(MediaFile)
class MediaFileAdmin(KeptRows):
    """Generated files: whose they are, their size, and the chat that shows them."""

    list_display = ("created_at", "owner", "media_type", "size", "name", "context")
    list_filter = ("media_type", "created_at")
    list_select_related = ("owner", "context")
    search_fields = ("=id", "owner__username", "name", "=context__id")


@admin.register(ContextEdit)
class ContextEditAdmin(KeptRows):
    """The undo journal."""

    list_display = ("at", "action", "context", "actor", "undone_at")
    list_filter = ("action", ("undone_at", admin.EmptyFieldListFilter), "at")
    list_select_related = ("context", "actor")
    search_fields = ("context__title", "=context__id", "actor__username")


@admin.register(Stream)
class StreamAdmin(ReadOnlyAdmin):
    """Running and ended answers."""

    list_display = ("id", "owner", "state", "process", "last_seq", "heartbeat_at", "created_at", "ended_at")
    list_filter = ("state", "created_at")
    list_select_related = ("owner",)
    search_fields = ("=id", "owner__username", "process")
    show_full_result_count = False


@admin.register(Turn)
class TurnAdmin(KeptRows):
    """Messages and their answers: provider, model, session, and how the answer ended."""

    list_display = ("created_at", "context", "provider", "model", "session_label", "state")
    list_filter = ("provider", "stream__state", "created_at")
    list_select_related = ("context", "stream")
    search_fields = ("=id", "context__title", "session_label", "model", "=context__id")

    @admin.display(description="state", ordering="stream__state")
    def state(self, turn: Turn) -> str:
        return turn.stream.get_state_display() if turn.stream is not None else "–"
