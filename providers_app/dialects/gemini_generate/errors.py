"""The error codes of the Gemini API and Vertex AI and their classes."""

from providers_app import errors
from providers_app.wire.status import ErrorWords, meanings

WORDS = ErrorWords(
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
