"""The error codes of Chat Completions and Responses servers and their classes."""

from providers_app import errors
from providers_app.wire.status import ErrorWords, meanings

# A 404 of these types names a model that is not there; a 404 without them is a wrong address.
MISSING_MODEL_TYPES = frozenset({"not_found_error", "NotFoundError"})
WORDS = ErrorWords(
    refining=meanings(
        {
            errors.PromptTooLong: "context_length_exceeded exceed_context_size_error",
            errors.QuotaExhausted: "insufficient_quota billing_hard_limit_reached quota_exceeded",
            errors.UnknownModel: "model_not_found DeploymentNotFound",
            errors.ContentRefused: "content_filter content_policy_violation ResponsibleAIPolicyViolation "
            "moderation_blocked moderation",
            errors.AuthenticationFailed: "invalid_api_key",
        }
    ),
    kinds=meanings(
        {
            errors.ServerError: "server_error internal_server_error InternalServerError api_error",
            errors.Overloaded: "overloaded_error service_unavailable",
            errors.RateLimited: "rate_limit_exceeded rate_limit_error tokens requests",
            errors.UpstreamTimeout: "timeout",
            errors.AuthenticationFailed: "authentication_error",
            errors.PermissionDenied: "permission_error",
            errors.NotFound: "not_found_error",
            errors.BadRequest: "invalid_request_error BadRequestError tool_use_failed invalid_prompt",
        }
    ),
)
