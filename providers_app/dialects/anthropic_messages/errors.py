"""What the error words of the Messages API mean."""

from providers_app import errors
from providers_app.wire.status import ErrorWords

WORDS = ErrorWords(
    refining={
        "enforced_spend_limit_reached": errors.QuotaExhausted,
        "model_not_found": errors.UnknownModel,
    },
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
