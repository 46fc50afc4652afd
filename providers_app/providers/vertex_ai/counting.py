"""``:countTokens`` for Google's models, ``count-tokens:rawPredict`` for Anthropic's; both are free of charge.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/count-tokens
"""

from providers_app.behaviours.addresses import post
from providers_app.behaviours.lookups import JsonCount
from providers_app.errors import BadAnswer
from providers_app.providers.vertex_ai import publishers
from providers_app.providers.vertex_ai.dialects import CLAUDE_COUNT, GENERATE
from providers_app.providers.vertex_ai.publishers import ANTHROPIC, GOOGLE, Model
from providers_app.providers.vertex_ai.requests import call_url
from providers_app.providers.vertex_ai.streaming import bare
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest

GOOGLE_FIELDS = frozenset({"contents", "systemInstruction", "tools", "generationConfig"})
CLAUDE_FIELDS = frozenset(
    {
        *("anthropic_version", "messages", "model", "system", "tools", "tool_choice", "thinking"),
        *("output_config", "cache_control"),
    }
)
COUNTS: dict[str, tuple[Dialect, str, frozenset[str], str]] = {
    GOOGLE.name: (GENERATE, "countTokens", GOOGLE_FIELDS, "totalTokens"),
    ANTHROPIC.name: (CLAUDE_COUNT, "rawPredict", CLAUDE_FIELDS, "input_tokens"),
}
"""By publisher: the dialect of the body, the method, the fields that it knows, and the number in its answer."""


def counter(model: Model) -> JsonCount:
    """Return the counting of one model; Anthropic's are counted at one address for all of them."""
    dialect, method, fields, result = COUNTS[model.publisher.name]
    asked = Model(ANTHROPIC, "count-tokens", model.location) if model.publisher is ANTHROPIC else model
    return JsonCount(
        dialect=dialect,
        fields=fields,
        request=lambda chat, credential, body: post(call_url(asked, method, credential), body),
        result=result,
    )


class VertexCounting:
    """By publisher."""

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Build the counting request without its credential. Raise ``InvalidRequest``, ``UnsupportedOperation``."""
        model = publishers.read(chat.model)
        return counter(model).build(bare(chat, model), credential)

    def parse(self, body: bytes) -> int:
        """Read either publisher's number. Raise ``BadAnswer``."""
        try:
            return counter(Model(GOOGLE, "")).parse(body)
        except BadAnswer:
            return counter(Model(ANTHROPIC, "")).parse(body)


BEHAVIOUR = VertexCounting()
