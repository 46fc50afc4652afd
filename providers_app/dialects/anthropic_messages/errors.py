"""The error codes of the Messages API and their classes."""

from providers_app import errors
from providers_app.wire.status import ErrorWords, recast

WORDS = ErrorWords(
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
MISSING_MODEL = ErrorWords(refining={"not_found_error": errors.UnknownModel}, kinds={})


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
