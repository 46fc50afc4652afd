"""Every error that leaves ``providers_app``. An error knows its stable code, its HTTP meaning and whether to try again.

ProviderError
├── CallerError                 the call itself is wrong; trying again changes nothing
│   ├── UnknownProvider         404 unknown_provider
│   ├── UnknownSession          404 unknown_session
│   ├── AmbiguousSession        409 ambiguous_session
│   ├── DuplicateSession        409 duplicate_session
│   ├── InvalidName             422 invalid_name
│   ├── InvalidCredential       422 invalid_credential
│   ├── InvalidRequest          400 invalid_request
│   │   ├── EmptyPrompt         400 empty_prompt
│   │   └── ContextTooLong      400 context_too_long
│   ├── OwnerRequired           400 owner_required
│   ├── UnknownContext          404 unknown_context
│   ├── UnsupportedOperation    501 unsupported_operation
│   ├── SessionDisabled         409 session_disabled
│   └── AddressRefused          403 address_refused     (SSRF guard)
├── NotConfigured               503 not_configured      no store installed, no key ring ...
├── ProviderBroken              503 provider_broken     the provider's package does not load or comply
└── UpstreamError               what the provider, or the way to it, answered
    ├── BadRequest              400 upstream_bad_request
    │   └── PromptTooLong       400 context_too_long
    ├── AuthenticationFailed    401 upstream_authentication
    ├── BillingRequired         402 upstream_billing
    ├── PermissionDenied        403 upstream_permission
    ├── NotFound                404 upstream_not_found
    │   └── UnknownModel        404 unknown_model
    ├── RequestTimeout          408 upstream_request_timeout
    ├── Conflict                409 upstream_conflict
    ├── RequestTooLarge         413 upstream_request_too_large
    ├── RateLimited             429 upstream_rate_limit
    │   └── QuotaExhausted      429 upstream_quota      waiting does not help
    ├── ServerError             500 upstream_server_error
    ├── Overloaded              529 upstream_overloaded
    ├── ContentRefused          400 upstream_content_filter
    ├── ConnectionFailed        502 connection_failed   no answer began
    ├── UpstreamTimeout         504 upstream_timeout    silence
    ├── StreamInterrupted       502 stream_interrupted  an answer began and broke off
    ├── BadAnswer               502 upstream_bad_answer a body that is no answer (HTML, empty, not JSON)
    └── Cancelled               499 cancelled           somebody pressed Stop
"""

from enum import StrEnum
from typing import ClassVar

from providers_app.types.events import ErrorInfo


class Retry(StrEnum):
    """May the same request be sent again? Only ever before the first visible output."""

    NEVER = "never"
    AFTER_WAIT = "after_wait"
    NOW = "now"


class ProviderError(Exception):
    """The root. ``message`` says what happened and why, ``hint`` what to do."""

    code: ClassVar[str] = "provider_error"
    http_status: ClassVar[int] = 500
    retry: Retry = Retry.NEVER
    default_hint: ClassVar[str] = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint or self.default_hint

    def info(self) -> ErrorInfo:
        """The error as data, fit for a page, a frame or a log (no secret is ever in it)."""
        return ErrorInfo(code=self.code, message=self.message, hint=self.hint)


class CallerError(ProviderError):
    """The call itself is wrong."""

    code = "caller_error"
    http_status = 400


class UnknownProvider(CallerError):
    code, http_status = "unknown_provider", 404


class UnknownSession(CallerError):
    code, http_status = "unknown_session", 404


class AmbiguousSession(CallerError):
    code, http_status = "ambiguous_session", 409


class DuplicateSession(CallerError):
    code, http_status = "duplicate_session", 409
    default_hint = "Choose another name, or delete the session that has it."


class InvalidName(CallerError):
    code, http_status = "invalid_name", 422
    default_hint = "Use 3 to 50 letters, digits, _ and -."


class InvalidCredential(CallerError):
    code, http_status = "invalid_credential", 422


class InvalidRequest(CallerError):
    code, http_status = "invalid_request", 400


class EmptyPrompt(InvalidRequest):
    code, http_status = "empty_prompt", 400
    default_hint = "Write a message first."


class ContextTooLong(InvalidRequest):
    code, http_status = "context_too_long", 400
    default_hint = "Exclude or delete chunks in the context panel, or choose a model with a larger window."


class OwnerRequired(CallerError):
    code, http_status = "owner_required", 400
    default_hint = "Pass owner=, or call inside `with provider.acting_as(user):`."


class UnknownContext(CallerError):
    code, http_status = "unknown_context", 404


class UnsupportedOperation(CallerError):
    code, http_status = "unsupported_operation", 501


class SessionDisabled(CallerError):
    code, http_status = "session_disabled", 409
    default_hint = "Enable the session on its page, or use another one."


class AddressRefused(CallerError):
    code, http_status = "address_refused", 403
    default_hint = "Add the host to MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS if this address is meant to be reached."


class NotConfigured(ProviderError):
    code, http_status = "not_configured", 503


class ProviderBroken(ProviderError):
    code, http_status = "provider_broken", 503
    default_hint = "Run `manage.py check --tag providers`."


class UpstreamError(ProviderError):
    """What the provider, or the way to it, answered.

    ``status`` is the HTTP status that was received (``None`` for an error inside a 200 or without an answer), ``type``
    and ``upstream_code`` are the provider's own words, ``retry_after`` is in seconds, ``body`` the first bytes of the
    answer for operators (never shown to users).
    """

    code = "upstream_error"
    http_status = 502

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


class BillingRequired(UpstreamError):
    code, http_status = "upstream_billing", 402
    default_hint = "The provider asks for payment. Check the account's billing page."


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


class Cancelled(UpstreamError):
    code, http_status = "cancelled", 499
    default_hint = ""
