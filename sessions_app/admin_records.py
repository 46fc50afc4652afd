"""Read-only admin of lanes, sign-ins, Notices and imports. Fields are listed by name, so no sealed one is shown."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from sessions_app.admin_aliases import AliasAdmin as AliasAdmin
from sessions_app.models import AllowedAddress, ImportRun, Notice, OAuthAttempt, RefreshLane


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that cannot be added, changed or deleted by hand."""

    list_per_page = 50

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    has_change_permission = has_delete_permission = has_add_permission


@admin.register(RefreshLane)
class RefreshLaneAdmin(ReadOnlyAdmin):
    list_display = fields = ("lane", "used_by", "taken", "lease_until", "holder")
    search_fields = ("key", "sessions__name")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).annotate(number=Count("sessions"))

    def lane(self, lane: RefreshLane) -> str:
        return lane.key[:12]

    @admin.display(description="sessions")
    def used_by(self, lane: Any) -> int:
        return int(lane.number)

    @admin.display(boolean=True)
    def taken(self, lane: RefreshLane) -> bool:
        return lane.lease_until is not None and lane.lease_until > timezone.now()


@admin.register(OAuthAttempt)
class OAuthAttemptAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "owner", "provider", "flow", "method", "name", "status", "step", "error_code")
    list_filter = ("status", "provider", "method", "owner")
    search_fields = ("name", "provider", "error_code", "owner__username")
    list_select_related = ("owner",)
    date_hierarchy = "created_at"
    fields = (
        "id", "owner", "provider", "flow", "method", "name", "target", "result", "status", "step", "account",
        "error_code", "error", "error_hint", "created_at", "expires_at",
    )  # fmt: skip


@admin.register(Notice)
class NoticeAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "owner", "kind", "title", "seen_at", "resolved_at", "emailed_at", "email_attempts")
    list_filter = ("kind", ("resolved_at", admin.EmptyFieldListFilter), "owner")
    search_fields = ("title", "text", "owner__username")
    list_select_related = ("owner",)
    date_hierarchy = "created_at"
    actions = ("resolve_selected",)
    fields = (
        "owner", "session", "kind", "title", "text", "created_at", "seen_at", "resolved_at", "emailed_at",
        "email_attempts",
    )  # fmt: skip

    def has_resolve_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("sessions_app.change_notice"))

    @admin.action(description="Resolve the selected notices", permissions=["resolve"])
    def resolve_selected(self, request: HttpRequest, queryset: "QuerySet[Notice]") -> None:
        number = queryset.filter(resolved_at__isnull=True).update(resolved_at=timezone.now())
        self.message_user(request, f"{number} resolved.", messages.SUCCESS)


@admin.register(AllowedAddress)
class AllowedAddressAdmin(ReadOnlyAdmin):
    list_display = fields = ("pair", "allowed_by", "allowed_at")
    list_select_related = ("allowed_by",)


@admin.register(ImportRun)
class ImportRunAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "owner", "kind", "rows", "created", "replaced", "unchanged", "rolled_back_at")
    list_filter = ("kind", "owner")
    list_select_related = ("owner",)
    fields = (
        "id", "owner", "kind", "source", "digest", "rows", "created", "replaced", "unchanged", "created_at",
        "rolled_back_at",
    )  # fmt: skip
