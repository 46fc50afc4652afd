"""Limits a minute of one person. ``sessions_app.models`` imports them, so that Django finds them there."""

from typing import Any, Final

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F

from providers_app.types.session_limits import NO_OWN_LIMITS, PersonLimits
from sessions_app.session_cache import forget_sessions

_HELP = "Most {} of this person in a minute, over all their sessions. Blank: what the installation sets. 0: no limit."
_MOST = (MaxValueValidator(1_000_000_000),)  # what every database holds
OF_OWNER: Final = {
    "own_requests": F("owner__person_limit__requests_per_minute"),
    "own_tokens": F("owner__person_limit__tokens_per_minute"),
}
"""Annotations of a row with an ``owner``, which ``limits_of_owner`` reads: no query of their own."""


class PersonLimit(models.Model):
    """The requests and tokens a minute of one person, where they differ from the installation's settings."""

    owner = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="person_limit")
    requests_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text=_HELP.format("requests"), validators=_MOST
    )
    tokens_per_minute = models.PositiveIntegerField(
        null=True, blank=True, help_text=_HELP.format("tokens, input and output,"), validators=_MOST
    )

    class Meta:
        verbose_name = verbose_name_plural = "limits a minute"

    def __str__(self) -> str:
        return f"limits of {self.owner}"

    def save(self, *args: Any, **options: Any) -> None:
        """Write the row, as Django does. Sessions in memory hold the limits of their owner, so they are forgotten."""
        super().save(*args, **options)
        forget_sessions()

    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        """Delete the row, as Django does."""
        deleted = super().delete(*args, **options)
        forget_sessions()
        return deleted


def limits_of_owner(row: Any) -> PersonLimits:
    """Return the own limits of the owner of a row that was read with ``OF_OWNER``."""
    if row.own_requests is None and row.own_tokens is None:
        return NO_OWN_LIMITS
    return PersonLimits(requests_per_minute=row.own_requests, tokens_per_minute=row.own_tokens)
