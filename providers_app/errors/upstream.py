"""Errors that the provider, or the way to it, answered with."""

from typing import Any

from providers_app.errors.base import ProviderError, Retry
from providers_app.errors.caller import ContextTooLong, NeedsReauth
from providers_app.types.events import ErrorInfo


class UpstreamError(ProviderError):
    """An answer of the provider, or a failure on the way to it.

    ``status`` is the HTTP status that was received (``None`` for an error inside a 200 or without an answer), ``type``
    and ``upstream_code`` are the provider's own words, ``retry_after`` is in seconds, ``body`` the first bytes of the
    answer for operators (never shown to users). ``sent`` is ``False`` where it is certain that nothing of the request
    left this machine.
    """

    code = "upstream_error"
    http_status = 502
    sent: bool = True

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        status: int | None = None,
        type: str | None = None,
        upstream_code: str | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        body: bytes = b"",
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.type = type
        self.upstream_code = upstream_code
        self.retry_after = retry_after
        self.request_id = request_id
        self.body = body

    def info(self) -> ErrorInfo:
        return ErrorInfo(
            code=self.code,
            message=self.message,
            type=self.type,
            status=self.status,
            retry_after=self.retry_after,
            hint=self.hint,
            upstream_code=self.upstream_code,
        )


class BadRequest(UpstreamError):
    code, http_status = "upstream_bad_request", 400


class PromptTooLong(BadRequest):
    """The provider counted more tokens than the model takes; the same code as when Maestro finds out before sending."""

    code, http_status = "context_too_long", 400
    default_hint = ContextTooLong.default_hint


class AuthenticationFailed(UpstreamError):
    code, http_status = "upstream_authentication", 401
    default_hint = "The provider refused the key. Replace it on the session's page."


class TokenRefused(AuthenticationFailed):
    """A token endpoint's final word; ``upstream_code`` is its own name for it (``invalid_grant``).

    ``skew`` is by how many seconds our clock is behind the endpoint's, where its answer told.
    """

    code, http_status = "token_refused", 401
    skew: float | None = None
    default_hint = NeedsReauth.default_hint


class BillingRequired(UpstreamError):
    """Worth another try only where the provider says when (OpenRouter does, while credits are being settled)."""

    code, http_status = "upstream_billing", 402
    default_hint = "The provider asks for payment. Check the account's billing page."

    def __init__(self, message: str, **given: Any) -> None:
        super().__init__(message, **given)
        if self.retry_after is not None:
            self.retry = Retry.AFTER_WAIT


class PermissionDenied(UpstreamError):
    code, http_status = "upstream_permission", 403
    default_hint = "The key is known but may not do this. Check its permissions at the provider."


class NotFound(UpstreamError):
    code, http_status = "upstream_not_found", 404


class UnknownModel(NotFound):
    code, http_status = "unknown_model", 404
    default_hint = "Choose a model from the session's list."


class RequestTimeout(UpstreamError):
    code, http_status, retry = "upstream_request_timeout", 408, Retry.NOW


class Conflict(UpstreamError):
    code, http_status, retry = "upstream_conflict", 409, Retry.NOW


class RequestTooLarge(UpstreamError):
    code, http_status = "upstream_request_too_large", 413
    default_hint = "Exclude or delete chunks in the context panel."


class RateLimited(UpstreamError):
    code, http_status, retry = "upstream_rate_limit", 429, Retry.AFTER_WAIT
    default_hint = "Wait a moment, then retry."


class QuotaExhausted(RateLimited):
    code, http_status, retry = "upstream_quota", 429, Retry.NEVER
    default_hint = "The account's quota is used up. Check its plan at the provider."


class ServerError(UpstreamError):
    code, http_status, retry = "upstream_server_error", 500, Retry.AFTER_WAIT
    default_hint = "The provider failed. Retry in a moment."


class Overloaded(UpstreamError):
    code, http_status, retry = "upstream_overloaded", 529, Retry.AFTER_WAIT
    default_hint = "The provider is overloaded. Retry in a moment."


class ContentRefused(UpstreamError):
    code, http_status = "upstream_content_filter", 400
    default_hint = "The provider's content filter refused the request."


class ConnectionFailed(UpstreamError):
    code, http_status, retry = "connection_failed", 502, Retry.AFTER_WAIT
    default_hint = "Check that the provider's address is right and reachable from this machine."


class UpstreamTimeout(UpstreamError):
    code, http_status, retry = "upstream_timeout", 504, Retry.AFTER_WAIT
    default_hint = "The provider was silent for too long. Retry in a moment."


class StreamInterrupted(UpstreamError):
    code, http_status = "stream_interrupted", 502
    default_hint = "What arrived is kept. Retry for a whole answer."


class BadAnswer(UpstreamError):
    code, http_status = "upstream_bad_answer", 502
    default_hint = "The address answered with something that is not a model's answer. Check the base URL."


class AnswerTooLarge(BadAnswer):
    code, http_status = "answer_too_large", 502
    default_hint = "Ask for a shorter answer, or check what answers at the base URL."


class InvalidIdToken(BadAnswer):
    code, http_status = "invalid_id_token", 502
    default_hint = "Check the clock of this machine and the configured issuer, then sign in again."


class RefreshFailed(UpstreamError):
    """The access token ended and could not be refreshed for now; nothing is lost, a later try may work."""

    code, http_status, retry = "refresh_failed", 502, Retry.AFTER_WAIT
    default_hint = "Maestro tries again by itself. The session's page says when."


class TokenOutcomeUnknown(UpstreamError):
    """A request to a token endpoint was sent and no answer could be read: a single-use token may be spent."""

    code, http_status = "token_outcome_unknown", 502
    default_hint = "The login is used while it works; what can still be saved is tried by itself."


class Cancelled(UpstreamError):
    code, http_status = "cancelled", 499
    default_hint = ""
