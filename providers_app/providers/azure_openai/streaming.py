"""``POST .../chat/completions`` on both surfaces and ``POST /openai/v1/responses``, and what Azure's refusals mean.

Stream options came with 2024-09-01-preview, and the limit by its newer name with them; JSON schemas with
2024-08-01-preview, the effort of reasoning with 2024-12-01-preview
(https://learn.microsoft.com/azure/ai-services/openai/whats-new). An older version refuses what it does not know.
"""

from collections.abc import Mapping
from functools import lru_cache

from providers_app.dialects.openai_chat import OpenAIChat, RequestForm
from providers_app.dialects.openai_responses import OpenAIResponses
from providers_app.errors import AuthenticationFailed, BadRequest, NotFound, PermissionDenied, UpstreamError
from providers_app.providers.azure_openai import requests
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest
from providers_app.wire.status import recast

STREAM_OPTIONS = MAX_COMPLETION_TOKENS = "2024-09-01"
JSON_SCHEMA = "2024-08-01"
REASONING_EFFORT = "2024-12-01"
ROLE = (
    "Assign the role Cognitive Services OpenAI User on the resource (Access control in Azure's portal). It takes "
    "effect within a few minutes."
)
NO_KEYS = "Key access is switched off for this resource. Connect it with an application of Entra instead."
PAIR = "Check that the key or sign-in and the endpoint belong to the same resource."
ADDRESS = "Check the surface, the API version and the endpoint, for example https://NAME.openai.azure.com."
BAD_VERSION = ("InvalidApiVersionParameter", "ApiVersionNotSupported")


class AzureChat(OpenAIChat, frozen=True, kw_only=True):
    """The common dialect with Azure's refusals."""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error of an answer with an error status."""
        return explained(super().error(status, headers, body))


class AzureResponses(OpenAIResponses, frozen=True, kw_only=True):
    """The common dialect with Azure's refusals."""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error of an answer with an error status."""
        return explained(super().error(status, headers, body))


def explained(error: UpstreamError) -> UpstreamError:
    """Add what to do about an error at Azure, by its code (Azure OpenAI REST API reference), never by its text."""
    match error.upstream_code:
        case "PermissionDenied":
            return recast(error, PermissionDenied, ROLE)
        case "AuthenticationTypeDisabled":
            return recast(error, PermissionDenied, NO_KEYS)
    if isinstance(error, AuthenticationFailed):
        return recast(error, type(error), PAIR)
    if type(error) is NotFound or (type(error) is BadRequest and error.upstream_code in BAD_VERSION):
        return recast(error, type(error), ADDRESS)
    return error


@lru_cache(maxsize=64)
def _classic(version: str) -> AzureChat:
    new_limit = version >= MAX_COMPLETION_TOKENS
    return AzureChat(
        own_limits=True,
        request=RequestForm(
            family=requests.SLUG,
            include_usage=version >= STREAM_OPTIONS,
            max_tokens_field="max_completion_tokens" if new_limit else "max_tokens",
            structured="json_schema" if version >= JSON_SCHEMA else "json_object",
            unsupported=frozenset() if version >= REASONING_EFFORT else frozenset({"reasoning_effort"}),
        ),
    )


CHAT = AzureChat(own_limits=True, request=RequestForm(family=requests.SLUG))
RESPONSES = AzureResponses(family=requests.SLUG)


class AzureStreaming:
    """As the session says: Chat Completions or Responses, streamed or whole. The model is a deployment's name."""

    dialect: Dialect = CHAT

    def dialect_of(self, model: str, credential: Credential) -> Dialect:
        """Return what the session's surface and API version speak, the same for every deployment."""
        if requests.speaks_responses(credential):
            return RESPONSES
        return CHAT if requests.surface(credential) == "v1" else _classic(requests.api_version(credential)[:10])

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Build the request without its key. Raise ``InvalidRequest``."""
        body = self.dialect_of(chat.model, credential).build_body(chat)
        return requests.post_chat(chat.model, credential, body, streamed=chat.stream)


BEHAVIOUR = AzureStreaming()
