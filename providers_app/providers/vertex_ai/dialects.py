"""The dialects of Vertex AI: each publisher's own format, with Google Cloud's errors around it.

Google's models know no ids of calls. Anthropic's are asked in the Messages format without ``model`` (it is in the
address) and with ``anthropic_version``; their errors come in Anthropic's words or in Google's.
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
"""

from collections.abc import Mapping
from functools import lru_cache

import msgspec

from providers_app.dialects.anthropic_messages import DIALECT as MESSAGES
from providers_app.dialects.anthropic_messages import AnthropicMessages
from providers_app.dialects.anthropic_messages import RequestForm as MessagesForm
from providers_app.dialects.gemini_generate import GeminiGenerate
from providers_app.dialects.gemini_generate import RequestForm as GenerateForm
from providers_app.errors import UpstreamError
from providers_app.providers.vertex_ai import refusals
from providers_app.providers.vertex_ai.publishers import ANTHROPIC, GOOGLE
from providers_app.types.dialect import Dialect

FAMILY = "vertex_ai"
"""Replay of reasoning: signatures from another route are refused."""


class GenerateOnVertex(GeminiGenerate, frozen=True, kw_only=True):
    """generateContent with Google Cloud's errors; ``location`` is where the model was asked, for their hints."""

    location: str = ""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error, with what to do about it in the console."""
        return refusals.error_of(status, headers, body, self.location)


class MessagesOnVertex(AnthropicMessages, frozen=True, kw_only=True):
    """Messages with Google Cloud's errors; ``location`` as for the other."""

    location: str = ""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error, with what to do about it in the console."""
        return refusals.error_of(status, headers, body, self.location)


# Ids of Anthropic's older models carry their date behind an "@" here.
_BUDGETED = (*(f"{name}@" for name in ("claude-sonnet-4", "claude-opus-4")), *MessagesForm().budget_models)
GENERATE = GenerateOnVertex(request=GenerateForm(family=FAMILY, echo_call_ids=False))
CLAUDE = MessagesOnVertex(
    request=MessagesForm(
        family=FAMILY, budget_models=_BUDGETED, unsupported=MESSAGES.request.unsupported | {"model", "stream"}
    )
)
CLAUDE_COUNT = AnthropicMessages(request=MessagesForm(family=FAMILY, budget_models=_BUDGETED))
"""Tokens are counted at one address for all models, so that the model is in the body."""
SPOKEN: dict[str, GenerateOnVertex | MessagesOnVertex] = {GOOGLE.name: GENERATE, ANTHROPIC.name: CLAUDE}


@lru_cache(maxsize=256)
def spoken(publisher: str, location: str) -> Dialect:
    """Return the dialect of the publisher's models, asked in ``location``."""
    return msgspec.structs.replace(SPOKEN[publisher], location=location)
