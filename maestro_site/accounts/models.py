"""The browsers a person is signed in with."""

from django.conf import settings
from django.db import models


class BrowserSession(models.Model):
    """One signed-in browser; ``session_key`` is that of Django's own browser session."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="browser_sessions")
    session_key = models.CharField(max_length=40, unique=True)
    agent = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField()

    class Meta:
        verbose_name = "signed-in browser"
        verbose_name_plural = "signed-in browsers"
        ordering = ("-last_seen_at",)
