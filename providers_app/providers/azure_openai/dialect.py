"""Chat Completions and Responses as Azure speaks them: what a version knows, and what its refusals mean.

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
from providers_app.types.credentials import Credential
from providers_app.wire.status import recast

STREAM_OPTIONS = MAX_COMPLETION_TOKENS = "2024-09-01"
JSON_SCHEMA = "2024-08-01"
REASONING_EFFORT = "2024-12-01"
ROLE = (
    "Give the identity the role Cognitive Services OpenAI User on the resource (Access control in Azure's portal). It "
    "takes some minutes until a new role counts."
)
NO_KEYS = "Key access is switched off for this resource. Connect it with an application of Entra instead."
PAIR = "Check that the key or sign-in and the endpoint belong to the same resource."
WHERE = (
    "Check the endpoint, the surface and the API version. The endpoint is the resource's own address, such as "
    "https://NAME.openai.azure.com."
)
BAD_VERSION = ("InvalidApiVersionParameter", "ApiVersionNotSupported")
# By the answer's code (learn.microsoft.com, "Azure OpenAI REST API reference"), never by its text.
_MEANT: dict[str, tuple[type[UpstreamError], str]] = {
    "PermissionDenied": (PermissionDenied, ROLE),
    "AuthenticationTypeDisabled": (PermissionDenied, NO_KEYS),
}


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
    """Add to an error what to do about it at Azure."""
    kind, hint = _MEANT.get(error.upstream_code or "", (type(error), ""))
    if not hint and isinstance(error, AuthenticationFailed):
        hint = PAIR
    elif not hint and (type(error) is NotFound or (type(error) is BadRequest and error.upstream_code in BAD_VERSION)):
        hint = WHERE
    return recast(error, kind, hint) if hint else error


def chat(credential: Credential) -> AzureChat:
    """Return Chat Completions with what the session's surface and version know."""
    return CHAT if requests.surface(credential) == "v1" else _classic(requests.api_version(credential)[:10])


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
