"""The root of all errors, and the two that are neither about a call nor about an answer."""

from enum import StrEnum
from typing import ClassVar

from providers_app.types.events import ErrorInfo


class Retry(StrEnum):
    """Permission to send the same request again; never used after the first visible output."""

    NEVER = "never"
    AFTER_WAIT = "after_wait"
    NOW = "now"


class ProviderError(Exception):
    """The root. ``message`` says what happened and why, ``hint`` what to do."""

    code: ClassVar[str] = "provider_error"
    http_status: ClassVar[int] = 500
    retry: Retry = Retry.NEVER
    default_hint: ClassVar[str] = ""
    context_id: str | None = None
    """The stored context that the call was about, where there was one."""

    def __init_subclass__(cls, *, code: str = "", status: int = 0, retry: Retry | None = None) -> None:
        """Declare the stable code of a class, its HTTP status and ``retry``; what is left out is inherited."""
        cls.code, cls.http_status, cls.retry = code or cls.code, status or cls.http_status, retry or cls.retry

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint

    def info(self) -> ErrorInfo:
        """Return the error as data, fit for a page, a frame or a log (no secret is ever in it)."""
        return ErrorInfo(code=self.code, message=self.message, hint=self.hint)


class NotConfigured(ProviderError, code="not_configured", status=503):
    """A part of the installation is missing: a store, the key ring."""


class ProviderBroken(ProviderError, code="provider_broken", status=503):
    """The package of a provider does not load or comply."""

    default_hint = "Run `manage.py check --tag providers`."


class ShuttingDown(NotConfigured, code="shutting_down", status=503):
    """The server is stopping and starts no turn."""

    default_hint = "Send it again in a moment."
