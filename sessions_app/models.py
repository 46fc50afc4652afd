"""Stored named logins and their audit trail."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models

# The primary key of a user: an int, or whatever the installation's user model has.
Pk = Any


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
    settings = models.JSONField(default=dict, blank=True)
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
    created_at = models.DateTimeField(auto_now_add=True)
    # Set while a deletion can still be undone: the row is invisible and unusable at once, its name is free again, and
    # the purge destroys it with its secret. See services.lifecycle.
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "session"
        ordering = ("provider", "name")
        constraints = (
            models.UniqueConstraint(
                fields=("owner", "provider", "auth_type", "name"),
                condition=models.Q(deleted_at__isnull=True),
                name="auth_session_unique_name",
            ),
        )
        indexes = (
            models.Index(fields=("owner", "name"), name="auth_session_owner_name"),
            models.Index(
                fields=("deleted_at",), condition=models.Q(deleted_at__isnull=False), name="auth_session_deleted"
            ),
        )

    def __str__(self) -> str:
        return f"{self.provider}/{self.auth_type}:{self.name}"


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
