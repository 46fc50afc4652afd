"""Stored named logins, what keeps them alive, and their audit trail."""

import uuid
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from providers_app.types.advice import Advice
from sessions_app.alias_models import Alias as Alias
from sessions_app.alias_models import AliasRoute as AliasRoute
from sessions_app.limit_models import PersonLimit as PersonLimit
from sessions_app.session_cache import forget_sessions

Pk = Any  # the primary key of a user: an int, or whatever the installation's user model has

NOT_DELETED, DELETED = models.Q(deleted_at__isnull=True), models.Q(deleted_at__isnull=False)
REFRESHED = models.Q(next_refresh_at__isnull=False, deleted_at__isnull=True)


class RefreshLane(models.Model):
    """A lease on refreshing the logins of one account with one client, claimed by a conditional update."""

    id = models.BigAutoField(primary_key=True)
    key = models.CharField(max_length=64, unique=True)  # HMAC of provider, issuer, client and account
    lease_token = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)  # free when past
    holder = models.CharField(max_length=100, blank=True)
    # The start of the holder's machine, and the end of the lease in seconds since then.
    boot = models.CharField(max_length=40, blank=True)
    boot_until = models.FloatField(default=0.0)

    class Meta:
        verbose_name = "refresh lane"

    def __str__(self) -> str:
        return f"lane {self.key[:12]}"


class AuthSessions(models.QuerySet["AuthSession"]):
    """Sessions, whose writes take them out of this process's cache: at once, and again when they are committed."""

    # Columns of which nothing that matters is in a cached session; writing only these leaves it where it is.
    UNSEEN = frozenset((
        "last_error_code", "last_error", "last_error_at", "limited_until", "last_used_at", "tested_at", "lane",
        "next_refresh_at", "intent_generation", "intent_at", "presentations", "refresh_attempts", "refresh_error_code",
        "refresh_error", "refresh_failed_at", "account_label",
    ))  # fmt: skip

    def update(self, **changes: Any) -> int:
        """Update the rows, as Django does."""
        updated = super().update(**changes)
        if not self.UNSEEN.issuperset(changes):
            forget_sessions()
        return updated

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows, as Django does."""
        deleted = super().delete()
        forget_sessions()
        return deleted

    delete.queryset_only = True  # type: ignore[attr-defined]  # as Django's: a manager must not delete everything


class AuthSession(models.Model):
    """A named login of one person at one provider. The credential is sealed; ``sessions_app.crypto`` alone opens it."""

    class Status(models.TextChoices):
        ACTIVE = "active", "Active"
        NEEDS_REAUTH = "needs_reauth", "Needs re-auth"
        FORBIDDEN = "forbidden", "Forbidden"
        MISCONFIGURED = "misconfigured", "Misconfigured"
        DISABLED = "disabled", "Disabled"

    class AuthType(models.TextChoices):
        API_KEY = "api_key", "API key"
        OAUTH = "oauth", "OAuth"
        NONE = "none", "No key"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="auth_sessions")
    provider = models.CharField(max_length=40)
    auth_type = models.CharField(max_length=16, choices=AuthType)
    name = models.CharField(max_length=50)
    base_url = models.CharField(max_length=500, blank=True)
    # What a sign-in learned (account, plan ...) and what a person chose; a refresh writes the former anew.
    settings = models.JSONField(default=dict, blank=True)
    options = models.JSONField(default=dict, blank=True)
    sealed_credential = models.BinaryField(editable=False, default=bytes)
    key_id = models.CharField(max_length=16, editable=False, blank=True)
    generation = models.PositiveIntegerField(default=0, editable=False)
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    status_reason = models.CharField(max_length=300, blank=True)
    status_changed_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_error_code = models.CharField(max_length=60, blank=True)
    last_error = models.CharField(max_length=500, blank=True)
    last_error_at = models.DateTimeField(null=True, blank=True)
    limited_until = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    tested_at = models.DateTimeField(null=True, blank=True)
    account_label = models.CharField(max_length=200, blank=True, editable=False)
    # What follows belongs to OAuth sessions. `next_refresh_at` alone decides what the schedule takes.
    flow = models.CharField(max_length=40, blank=True, editable=False)
    account_id = models.CharField(max_length=200, blank=True, editable=False)
    lane = models.ForeignKey(RefreshLane, null=True, on_delete=models.SET_NULL, related_name="sessions", editable=False)
    # HMAC of the refresh token: the same login stored twice would spend one token twice.
    token_print = models.CharField(max_length=64, blank=True, editable=False, db_index=True)
    read_only_reason = models.CharField(max_length=300, blank=True, editable=False)
    earliest_refresh_at = models.DateTimeField(null=True, blank=True, editable=False)
    next_refresh_at = models.DateTimeField(null=True, blank=True, editable=False)
    refreshed_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Written before a refresh token is sent; still set afterwards when no outcome is known.
    intent_generation = models.PositiveIntegerField(null=True, blank=True, editable=False)
    intent_at = models.DateTimeField(null=True, blank=True, editable=False)
    presentations = models.PositiveSmallIntegerField(default=0, editable=False)
    refresh_attempts = models.PositiveIntegerField(default=0, editable=False)
    refresh_error_code = models.CharField(max_length=60, blank=True, editable=False)
    refresh_error = models.CharField(max_length=500, blank=True, editable=False)
    refresh_failed_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    # Set while a deletion can still be undone (services.lifecycle): invisible, unusable, its name free again.
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = AuthSessions.as_manager()
    advice: tuple[Advice, ...] = ()  # changes that were made to the credential that was just given; no column

    class Meta:
        verbose_name = "session"
        ordering = ("provider", "name")
        constraints = (
            # Names that differ only in case are one name.
            models.UniqueConstraint(
                "owner", "provider", "auth_type", Lower("name"), condition=NOT_DELETED, name="auth_session_unique_name"
            ),
        )
        indexes = (
            models.Index(fields=("owner", "name"), name="auth_session_owner_name"),
            models.Index(fields=("deleted_at",), condition=DELETED, name="auth_session_deleted"),
            models.Index(fields=("next_refresh_at",), condition=REFRESHED, name="auth_session_refresh_due"),
        )

    def __str__(self) -> str:
        return f"{self.provider}/{self.auth_type}:{self.name}"

    def save(self, *args: Any, **options: Any) -> None:
        """Write the row, as Django does."""
        super().save(*args, **options)
        forget_sessions()

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        """Delete the row, as Django does."""
        deleted = super().delete(*args, **options)
        forget_sessions()
        return deleted


def status_columns(status: str, reason: str = "", *, at: datetime | None = None) -> dict[str, Any]:
    """Return the column values of a session that has this status since ``at``, by default now."""
    return {"status": status, "status_reason": reason[:300], "status_changed_at": at or timezone.now()}


class SessionEvent(models.Model):
    """One line of a session's audit trail. It outlives the session: the name is kept beside the reference."""

    id = models.BigAutoField(primary_key=True)
    session = models.ForeignKey(AuthSession, null=True, on_delete=models.SET_NULL, related_name="events")
    session_label = models.CharField(max_length=120)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    action = models.CharField(max_length=40)
    detail = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = "session event"
        ordering = ("-at", "-id")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.session_label} {self.action}"


class OAuthAttempt(models.Model):
    """A sign-in that waits for its answer: single use, bound to a person and the browser session that began it."""

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        EXCHANGING = "exchanging", "Exchanging"
        CONFIRM = "confirm", "To be confirmed"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    browser = models.CharField(max_length=64, blank=True)
    provider = models.CharField(max_length=40)
    flow = models.CharField(max_length=40)
    method = models.CharField(max_length=16)
    name = models.CharField(max_length=50)
    target = models.ForeignKey(AuthSession, null=True, on_delete=models.CASCADE, related_name="attempts")
    result = models.ForeignKey(AuthSession, null=True, on_delete=models.SET_NULL, related_name="+")
    return_to = models.CharField(max_length=300, blank=True)
    state_hash = models.CharField(max_length=64, blank=True, db_index=True)  # by which the callback finds it
    # State, verifier, nonce, client; tokens of another account until the person confirms. Destroyed when it ends.
    sealed_pending = models.BinaryField(editable=False, default=bytes)
    pending_key_id = models.CharField(max_length=16, editable=False, blank=True)
    sealed_tokens = models.BinaryField(editable=False, default=bytes)
    tokens_key_id = models.CharField(max_length=16, editable=False, blank=True)
    status = models.CharField(max_length=16, choices=Status, default=Status.WAITING)
    step = models.CharField(max_length=16, default="made")
    account = models.CharField(max_length=200, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    error = models.CharField(max_length=500, blank=True)
    error_hint = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    revoke_at = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)  # what no session took

    class Meta:
        verbose_name, ordering = "sign-in", ("-created_at",)

    def __str__(self) -> str:
        return f"sign-in to {self.provider} as {self.name}"


class Notice(models.Model):
    """A message that a person must act on. Open until it is resolved; at most one is open per owner and ``key``."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    session = models.ForeignKey(AuthSession, null=True, on_delete=models.CASCADE, related_name="notices")
    key = models.CharField(max_length=100)
    kind = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    text = models.CharField(max_length=600, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    emailed_at = models.DateTimeField(null=True, blank=True)
    email_attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("owner", "key"), condition=models.Q(resolved_at__isnull=True), name="notice_one_open"
            ),
        )
        indexes = (models.Index(fields=("owner", "resolved_at"), name="notice_owner_open"),)

    def __str__(self) -> str:
        return self.title


class AllowedAddress(models.Model):
    """A private ``host:port`` that the owner of the installation allowed every session to reach."""

    pair = models.CharField(max_length=300, unique=True)
    allowed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    allowed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name, verbose_name_plural = "allowed address", "allowed addresses"

    def __str__(self) -> str:
        return self.pair


class ImportRun(models.Model):
    """One import of logins. ``sealed_backup`` holds the rows as they were before, and can put them back."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    kind = models.CharField(max_length=40)
    source = models.CharField(max_length=200, blank=True)
    digest = models.CharField(max_length=64)
    rows = models.PositiveIntegerField(default=0)
    created = models.PositiveIntegerField(default=0)
    replaced = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    sealed_backup = models.BinaryField(editable=False, default=bytes)
    key_id = models.CharField(max_length=16, editable=False, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    rolled_back_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name, ordering = "import", ("-created_at",)

    def __str__(self) -> str:
        return f"{self.kind} import of {self.created_at:%Y-%m-%d %H:%M}"
