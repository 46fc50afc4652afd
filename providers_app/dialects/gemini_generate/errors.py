"""The error codes of the Gemini API and Vertex AI and their classes."""

from providers_app import errors
from providers_app.wire.status import ErrorWords

WORDS = ErrorWords(
    refining={
        "API_KEY_INVALID": errors.AuthenticationFailed,
        "API_KEY_EXPIRED": errors.AuthenticationFailed,
        "API_KEY_SERVICE_BLOCKED": errors.PermissionDenied,
        "BILLING_DISABLED": errors.BillingRequired,
        "quota_per_day": errors.QuotaExhausted,
        "quota_zero": errors.QuotaExhausted,
        # The only thing that a request to this endpoint can name and that may be missing is the model.
        "NOT_FOUND": errors.UnknownModel,
    },
    kinds={
        "INVALID_ARGUMENT": errors.BadRequest,
        "FAILED_PRECONDITION": errors.BadRequest,
        "OUT_OF_RANGE": errors.BadRequest,
        "UNAUTHENTICATED": errors.AuthenticationFailed,
        "PERMISSION_DENIED": errors.PermissionDenied,
        "ALREADY_EXISTS": errors.Conflict,
        "ABORTED": errors.Conflict,
        "RESOURCE_EXHAUSTED": errors.RateLimited,
        "CANCELLED": errors.Cancelled,
        "INTERNAL": errors.ServerError,
        "UNKNOWN": errors.ServerError,
        "UNAVAILABLE": errors.Overloaded,
        "DEADLINE_EXCEEDED": errors.UpstreamTimeout,
    },
)
