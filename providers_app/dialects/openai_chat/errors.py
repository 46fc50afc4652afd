"""The error codes of Chat Completions and Responses servers and their classes."""

from providers_app import errors
from providers_app.wire.status import ErrorWords

REFINING: dict[str, type[errors.UpstreamError]] = {
    "context_length_exceeded": errors.PromptTooLong,
    "exceed_context_size_error": errors.PromptTooLong,
    "insufficient_quota": errors.QuotaExhausted,
    "billing_hard_limit_reached": errors.QuotaExhausted,
    "quota_exceeded": errors.QuotaExhausted,
    "model_not_found": errors.UnknownModel,
    "DeploymentNotFound": errors.UnknownModel,
    "content_filter": errors.ContentRefused,
    "content_policy_violation": errors.ContentRefused,
    "ResponsibleAIPolicyViolation": errors.ContentRefused,
    "moderation_blocked": errors.ContentRefused,
    "moderation": errors.ContentRefused,
    "invalid_api_key": errors.AuthenticationFailed,
}
# A 404 of these types names a model that is not there; a 404 without them is a wrong address.
MISSING_MODEL_TYPES = frozenset({"not_found_error", "NotFoundError"})
WORDS = ErrorWords(
    refining=REFINING,
    kinds={
        "server_error": errors.ServerError,
        "internal_server_error": errors.ServerError,
        "InternalServerError": errors.ServerError,
        "api_error": errors.ServerError,
        "overloaded_error": errors.Overloaded,
        "service_unavailable": errors.Overloaded,
        "rate_limit_exceeded": errors.RateLimited,
        "rate_limit_error": errors.RateLimited,
        "tokens": errors.RateLimited,
        "requests": errors.RateLimited,
        "timeout": errors.UpstreamTimeout,
        "authentication_error": errors.AuthenticationFailed,
        "permission_error": errors.PermissionDenied,
        "not_found_error": errors.NotFound,
        "invalid_request_error": errors.BadRequest,
        "BadRequestError": errors.BadRequest,
        "tool_use_failed": errors.BadRequest,
        "invalid_prompt": errors.BadRequest,
    },
)
