"""``generateContent`` for Google's models, ``rawPredict`` for Anthropic's; streamed by another method of the same.

Google's models know no ids of calls. Anthropic's are asked in the Messages format without ``model`` (it is in the
address) and with ``anthropic_version``; their errors come in Anthropic's words or in Google's.
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
Reasons of errors: ``google.rpc.ErrorInfo`` (``google/api/error_reason.proto`` of googleapis/googleapis) and IAM.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from providers_app import errors
from providers_app.behaviours.addresses import post
from providers_app.dialects import error_words
from providers_app.dialects.anthropic_messages import DIALECT as MESSAGES
from providers_app.dialects.anthropic_messages import AnthropicMessages
from providers_app.dialects.gemini_generate import GeminiGenerate
from providers_app.providers.vertex_ai.requests import (
    ANTHROPIC,
    GLOBAL,
    GOOGLE,
    Model,
    call_url,
    location_of,
    model_of,
    settings,
)
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest
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
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "Sign in again, or start the machine with the scope cloud-platform.",
    "API_KEY_INVALID": "Vertex AI does not know the key. Create one for express mode in Vertex AI Studio.",
    "API_KEY_SERVICE_BLOCKED": f"The key's restrictions leave out {API}. Change them in the console.",
    "CREDENTIALS_MISSING": "Keys work in express mode with Google's models only. Otherwise use a service account.",
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
    "The location's shared capacity is used up for now; Maestro retries. The location global has the most; provisioned "
    "throughput is not shared."
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
        return f"The model may not be served in {where}, or needs access in Model Garden. Try the location global."
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


class VertexStreaming:
    """Streaming of both publishers' formats; a name of neither is taken for a model of Google."""

    dialect: Dialect = GENERATE

    def dialect_of(self, model: str, credential: Credential) -> Dialect:
        """Return the dialect of the model's publisher. Raise ``InvalidRequest``."""
        found = model_of(model)
        return spoken(found.publisher.name, location_for(found, credential))

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Build the request without its credential. Raise ``InvalidRequest``, ``UnsupportedOperation``."""
        model = model_of(chat.model)
        method = model.publisher.streamed if chat.stream else model.publisher.whole
        url = call_url(model, method, credential)
        body = self.dialect_of(chat.model, credential).build_body(bare(chat, model))
        return post(url, body, streamed=chat.stream)


def location_for(model: Model, credential: Credential) -> str:
    """Return the location that the model is asked in."""
    if credential.auth_type == "api_key":
        return GLOBAL
    return model.location or location_of(credential)


def bare(chat: ChatRequest, model: Model) -> ChatRequest:
    """Return the chat as the publisher's format needs it: the id alone, and what Vertex AI adds to the body."""
    more: dict[str, Any] = {}
    if model.publisher is ANTHROPIC:
        more = {"anthropic_version": settings().anthropic_version, **({"stream": True} if chat.stream else {})}
    params = msgspec.structs.replace(chat.params, extra={**more, **chat.params.extra})
    return msgspec.structs.replace(chat, model=model.id, params=params)


BEHAVIOUR = VertexStreaming()
