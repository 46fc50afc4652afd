"""Google Cloud's errors by the reason that they name, and what a person can do about them.

Reasons are those of ``google.rpc.ErrorInfo`` (``google/api/error_reason.proto`` of googleapis/googleapis) and of IAM.
Words of Anthropic stand beside them, because its models answer in its own.
"""

from collections.abc import Mapping

import msgspec

from providers_app import errors
from providers_app.dialects.anthropic_messages.errors import MISSING_MODEL
from providers_app.dialects.anthropic_messages.errors import WORDS as ANTHROPIC_WORDS
from providers_app.dialects.gemini_generate.errors import WORDS as GOOGLE_WORDS
from providers_app.wire.error_body import fields_of_body
from providers_app.wire.status import ErrorWords, error_of_fields, recast

API = "the Vertex AI API (aiplatform.googleapis.com)"
_LIBRARY = "https://console.cloud.google.com/apis/library/aiplatform.googleapis.com"
HINTS = {
    "SERVICE_DISABLED": f"Enable {API} in the project, and wait a few minutes: {_LIBRARY}",
    "BILLING_DISABLED": "Link the project to a billing account: https://console.cloud.google.com/billing/projects",
    "CONSUMER_INVALID": "There is no such project, or it was deleted. Sign in again with its id.",
    "CONSUMER_SUSPENDED": "Google suspended the project; its owners have a letter that says why.",
    "USER_PROJECT_DENIED": "The account may not bill this quota project: it needs the role Service Usage Consumer "
    "(roles/serviceusage.serviceUsageConsumer) there, or sign in with another project.",
    "IAM_PERMISSION_DENIED": "Give the account the role Vertex AI User (roles/aiplatform.user) in the project.",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "The token lacks the scope cloud-platform. A machine must be started with it; a "
    "person signs in again.",
    "API_KEY_INVALID": "Vertex AI does not know the key. Keys of express mode are made in the console's Vertex AI "
    "Studio.",
    "API_KEY_SERVICE_BLOCKED": f"The key's restrictions leave out {API}. Change them in the console.",
    "CREDENTIALS_MISSING": "Google takes no key for this. Only keys of express mode are taken, for Google's own "
    "models; for all else connect with a service account.",
    "RESOURCES_EXCEEDED": "Wait a moment, then retry; or ask in another location.",
}
"""What a person can do, by reason."""
KINDS: dict[str, type[errors.UpstreamError]] = {
    **dict.fromkeys(HINTS.keys() - {"RESOURCES_EXCEEDED"}, errors.PermissionDenied),
    "BILLING_DISABLED": errors.BillingRequired,
    **dict.fromkeys(("API_KEY_INVALID", "CREDENTIALS_MISSING"), errors.AuthenticationFailed),
}
"""The class of the error, by reason, where the status alone does not say it."""
WORDS = ErrorWords(
    refining={**GOOGLE_WORDS.refining, **ANTHROPIC_WORDS.refining, **MISSING_MODEL.refining, **KINDS},
    kinds={**GOOGLE_WORDS.kinds, **ANTHROPIC_WORDS.kinds},
)
_SHARED = (
    "The capacity is shared by everybody in that location and passes; Maestro waits and tries again. Another location "
    "(global has most) or provisioned throughput helps."
)


def error_of(status: int, headers: Mapping[str, str], body: bytes, location: str = "") -> errors.UpstreamError:
    """Return the typed error of an answer with an error status; ``location`` is where the model was asked."""
    fields = fields_of_body(body)
    if not fields.message:
        message = f"Vertex AI answered with status {status} and said nothing."
        fields = msgspec.structs.replace(fields, message=message)
    error = error_of_fields(fields, WORDS, status=status, headers=headers, body=body)
    known = next((HINTS[reason] for reason in fields.reasons if reason in HINTS), "")
    # A page of something in between says nothing of the project.
    hint = known or (_by_class(error, location) if fields.found else "")
    return recast(error, type(error), hint) if hint else error


def _by_class(error: errors.UpstreamError, location: str) -> str:
    where = f"the location {location}" if location else "this location"
    if isinstance(error, errors.UnknownModel):
        return (
            f"The model may not be served in {where}, or the project has no access to it (Model Garden in Google's "
            "console). Try the location global, or another name."
        )
    if isinstance(error, errors.QuotaExhausted):
        return "The project's quota is used up: https://console.cloud.google.com/iam-admin/quotas"
    if isinstance(error, errors.RateLimited):
        return _SHARED
    if isinstance(error, errors.PermissionDenied):
        return HINTS["IAM_PERMISSION_DENIED"]
    if error.type == "FAILED_PRECONDITION":
        return f"The model may not be servable in {where}. Try the location global, or one that the model's page names."
    return ""
