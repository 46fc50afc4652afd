"""Requests to OpenRouter and the dialect that it speaks."""

from collections.abc import Mapping

from providers_app.behaviours import addresses
from providers_app.dialects.openai_chat import OpenAIChat, RequestForm
from providers_app.errors import UnknownModel, UpstreamError
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest
from providers_app.wire.status import recast

SLUG = "openrouter"


def post(path: str, credential: Credential, body: bytes, *, streamed: bool = False) -> HttpRequest:
    """Return a JSON request that names the application."""
    url = addresses.address(SLUG, credential, path)
    return addresses.post(url, body, streamed=streamed, headers=attribution(credential))


def get(path: str, credential: Credential) -> HttpRequest:
    """Return a request for data."""
    return addresses.get(addresses.address(SLUG, credential, path))


def attribution(credential: Credential) -> dict[str, str]:
    """Return the headers that name the application (https://openrouter.ai/docs/app-attribution)."""
    found = {"HTTP-Referer": "app_url", "X-OpenRouter-Title": "app_title"}
    return {header: value for header, name in found.items() if (value := addresses.setting(SLUG, credential, name))}


UNKNOWN_MODEL = "is not a valid model ID"
"""The end of the message of a 400 about the model; it has no other mark."""


class OpenRouterChat(OpenAIChat, frozen=True, kw_only=True):
    """The common dialect, and one error that names itself in its text only."""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error of an answer with an error status."""
        error = super().error(status, headers, body)
        unknown = status == 400 and error.message.rstrip(".").endswith(UNKNOWN_MODEL)
        return recast(error, UnknownModel) if unknown else error


DIALECT = OpenRouterChat(
    request=RequestForm(
        family="openrouter",
        max_tokens_field="max_tokens",
        # Every stream ends with its usage, asked for or not (https://openrouter.ai/docs/api_reference/streaming).
        include_usage=False,
        reasoning_field="reasoning",
        reasoning_replay="details",
    )
)
