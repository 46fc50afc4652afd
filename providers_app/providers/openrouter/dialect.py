"""Chat Completions as OpenRouter speaks it."""

from collections.abc import Mapping

from providers_app.dialects.openai_chat import OpenAIChat, RequestForm
from providers_app.errors import UnknownModel, UpstreamError
from providers_app.wire.status import recast

UNKNOWN_MODEL = "is not a valid model ID"
"""How the message of a 400 ends that is about the model; it has no other mark."""


class OpenRouterChat(OpenAIChat, frozen=True, kw_only=True):
    """The common dialect, and one error that names itself in its text only."""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The typed error of an answer with an error status."""
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
