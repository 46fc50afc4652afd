"""Aliases: one name for several routes. ``sessions_app.models`` imports them, so that Django finds them there."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower


class Alias(models.Model):
    """A name under which the routes of one person are asked in order until one answers."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="aliases")
    name = models.CharField(max_length=50)
    # The route that answered a conversation last is tried first for it.
    sticky = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "aliases"
        ordering = ("name",)
        constraints = (models.UniqueConstraint("owner", Lower("name"), name="alias_unique_name"),)

    def __str__(self) -> str:
        return self.name


class AliasRoute(models.Model):
    """One route of an alias: a session of the same owner, and the model that it is asked for."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    alias = models.ForeignKey(Alias, on_delete=models.CASCADE, related_name="routes")
    session = models.ForeignKey("sessions_app.AuthSession", on_delete=models.CASCADE, related_name="alias_routes")
    model = models.CharField(max_length=200)
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ("position", "id")
        constraints = (models.UniqueConstraint(fields=("alias", "session", "model"), name="alias_route_unique"),)

    def __str__(self) -> str:
        return f"{self.session} {self.model}"
