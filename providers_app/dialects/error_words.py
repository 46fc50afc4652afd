"""The error codes of each wire format and their classes.

Those of ChatGPT logins are from developers.openai.com/siwc/token-sharing-open-source/errors-and-recovery and from
codex-rs ``codex-api/src/api_bridge.rs``. A plan that does not include the service is refused with 429, and no waiting
helps; a limit of the plan that says when it ends is an ordinary one.
"""

from providers_app import errors
from providers_app.wire.status import ErrorWords, meanings, recast

# A 404 of these types names a model that is not there; a 404 without them is a wrong address.
OPENAI_MISSING_MODEL = ErrorWords(refining=meanings({errors.UnknownModel: "not_found_error NotFoundError"}), kinds={})
OPENAI_CHAT = ErrorWords(
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
OPENAI_RESPONSES = ErrorWords(
    refining={
        **OPENAI_CHAT.refining,
        **meanings(
            {
                errors.ContentRefused: "bio_policy cyber_policy misalignment_policy_violation "
                "image_content_policy_violation",
                errors.PermissionDenied: "usage_not_included",
                errors.QuotaExhausted: "subscription_sharing_usage_limit_exceeded",
                # The login may do everything else; only this one request is not for it.
                errors.BadRequest: "subscription_sharing_route_not_supported",
            }
        ),
    },
    kinds={
        **OPENAI_CHAT.kinds,
        **meanings(
            {
                errors.RateLimited: "usage_limit_reached",
                errors.Overloaded: "server_is_overloaded slow_down subscription_sharing_usage_unavailable "
                "subscription_sharing_user_unavailable",
                errors.AuthenticationFailed: "token_expired invalid_token subscription_sharing_invalid_user",
                errors.PermissionDenied: "subscription_sharing_user_not_eligible chatpass_v2_scope_not_authorized "
                "chatpass_v2_invalid_authorization_context",
                errors.BadRequest: "subscription_sharing_unsupported_capability",
            }
        ),
    },
)
GEMINI = ErrorWords(
    refining=meanings(
        {
            errors.AuthenticationFailed: "API_KEY_INVALID API_KEY_EXPIRED",
            errors.PermissionDenied: "API_KEY_SERVICE_BLOCKED",
            errors.BillingRequired: "BILLING_DISABLED",
            errors.QuotaExhausted: "quota_per_day quota_zero",
            # The only thing that a request to this endpoint can name and that may be missing is the model.
            errors.UnknownModel: "NOT_FOUND",
        }
    ),
    kinds=meanings(
        {
            errors.BadRequest: "INVALID_ARGUMENT FAILED_PRECONDITION OUT_OF_RANGE",
            errors.AuthenticationFailed: "UNAUTHENTICATED",
            errors.PermissionDenied: "PERMISSION_DENIED",
            errors.Conflict: "ALREADY_EXISTS ABORTED",
            errors.RateLimited: "RESOURCE_EXHAUSTED",
            errors.Cancelled: "CANCELLED",
            errors.ServerError: "INTERNAL UNKNOWN",
            errors.Overloaded: "UNAVAILABLE",
            errors.UpstreamTimeout: "DEADLINE_EXCEEDED",
        }
    ),
)
ANTHROPIC = ErrorWords(
    refining={"enforced_spend_limit_reached": errors.QuotaExhausted, "model_not_found": errors.UnknownModel},
    kinds={
        "invalid_request_error": errors.BadRequest,
        "authentication_error": errors.AuthenticationFailed,
        "billing_error": errors.BillingRequired,
        "permission_error": errors.PermissionDenied,
        "not_found_error": errors.NotFound,
        "conflict_error": errors.Conflict,
        "request_too_large": errors.RequestTooLarge,
        "rate_limit_error": errors.RateLimited,
        "api_error": errors.ServerError,
        "timeout_error": errors.UpstreamTimeout,
        "overloaded_error": errors.Overloaded,
    },
)
# A 404 of the Messages endpoint with this type is about the model: nothing else in a request can be missing.
ANTHROPIC_MISSING_MODEL = ErrorWords(refining={"not_found_error": errors.UnknownModel}, kinds={})

_USE_A_KEY = "Use an API key from https://console.anthropic.com/settings/keys."
_SIGN_IN = (errors.AuthenticationFailed, errors.NeedsReauth.default_hint)
# Answers to access tokens by status and by how their text begins: type and code are those of other errors.
PHRASES: dict[tuple[int, str], tuple[type[errors.UpstreamError], str]] = {
    (400, "This credential is only authorized for use with Claude Code"): (
        errors.PermissionDenied,
        f"Anthropic takes this login from its own program only. {_USE_A_KEY}",
    ),
    (401, "OAuth authentication is currently not allowed for this organization"): (
        errors.PermissionDenied,
        f"The organization's policy forbids it. {_USE_A_KEY}",
    ),
    (401, "OAuth authentication is currently not supported"): (
        errors.BadRequest,
        "The API wants another name in the anthropic-beta header: see MAESTRO_PROVIDERS__ANTHROPIC__OAUTH__BETA.",
    ),
    (401, "OAuth token has expired"): _SIGN_IN,
    (401, "Invalid authentication credentials"): _SIGN_IN,
    (401, "Invalid bearer token"): _SIGN_IN,
    (403, "OAuth token has been revoked"): _SIGN_IN,
    (403, "OAuth token does not meet scope requirement"): (
        errors.PermissionDenied,
        f"The login was not given that permission. Sign in again and allow it. {_USE_A_KEY}",
    ),
}


def refined(error: errors.UpstreamError) -> errors.UpstreamError:
    """Recast an error whose text alone says what it is."""
    for (status, begins), (kind, hint) in PHRASES.items():
        if status == error.status and error.message.startswith(begins):
            return recast(error, kind, hint)
    return error
