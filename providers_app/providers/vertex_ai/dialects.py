"""The dialects of Vertex AI: each publisher's own format, with Google Cloud's errors and hints about them.

Google's models know no ids of calls. Anthropic's are asked in the Messages format without ``model`` (it is in the
address) and with ``anthropic_version``; their errors come in Anthropic's words or in Google's.
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
Reasons of errors are those of ``google.rpc.ErrorInfo`` (``google/api/error_reason.proto`` of googleapis/googleapis) and
of IAM.
"""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from providers_app import errors
from providers_app.dialects import error_words
from providers_app.dialects.anthropic_messages import DIALECT as MESSAGES
from providers_app.dialects.anthropic_messages import AnthropicMessages
from providers_app.dialects.gemini_generate import GeminiGenerate
from providers_app.providers.vertex_ai.publishers import ANTHROPIC, GOOGLE
from providers_app.types.dialect import Dialect
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
"""Advice to people, by reason."""
KINDS: dict[str, type[errors.UpstreamError]] = {
    **dict.fromkeys(HINTS.keys() - {"RESOURCES_EXCEEDED"}, errors.PermissionDenied),
    "BILLING_DISABLED": errors.BillingRequired,
    **dict.fromkeys(("API_KEY_INVALID", "CREDENTIALS_MISSING"), errors.AuthenticationFailed),
}
"""The class of the error, by reason, where the status alone does not say it."""
_GOOGLE, _ANTHROPIC, _MISSING = error_words.GEMINI, error_words.ANTHROPIC, error_words.ANTHROPIC_MISSING_MODEL
WORDS = ErrorWords(
    refining={**_GOOGLE.refining, **_ANTHROPIC.refining, **_MISSING.refining, **KINDS},
    kinds={**_GOOGLE.kinds, **_ANTHROPIC.kinds},
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


FAMILY = "vertex_ai"
"""Replay of reasoning: signatures from another route are refused."""


class GenerateOnVertex(GeminiGenerate, frozen=True, kw_only=True):
    """generateContent with Google Cloud's errors; ``location`` is where the model was asked, for their hints."""

    location: str = ""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> errors.UpstreamError:
        """Return the typed error, with what to do about it in the console."""
        return error_of(status, headers, body, self.location)


class MessagesOnVertex(AnthropicMessages, frozen=True, kw_only=True):
    """Messages with Google Cloud's errors; ``location`` as for the other."""

    location: str = ""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> errors.UpstreamError:
        """Return the typed error, with what to do about it in the console."""
        return error_of(status, headers, body, self.location)


# Ids of Anthropic's older models carry their date behind an "@" here.
_BUDGETED = (*(f"{name}@" for name in ("claude-sonnet-4", "claude-opus-4")), *MESSAGES.budget_models)
GENERATE = GenerateOnVertex(family=FAMILY, echo_call_ids=False)
CLAUDE = MessagesOnVertex(
    family=FAMILY, budget_models=_BUDGETED, unsupported=MESSAGES.unsupported | {"model", "stream"}
)
CLAUDE_COUNT = AnthropicMessages(family=FAMILY, budget_models=_BUDGETED)
"""Tokens are counted at one address for all models, so that the model is in the body."""
SPOKEN: dict[str, GenerateOnVertex | MessagesOnVertex] = {GOOGLE.name: GENERATE, ANTHROPIC.name: CLAUDE}


@lru_cache(maxsize=256)
def spoken(publisher: str, location: str) -> Dialect:
    """Return the dialect of the publisher's models, asked in ``location``."""
    return msgspec.structs.replace(SPOKEN[publisher], location=location)
