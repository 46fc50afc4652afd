"""``:countTokens`` for Google's models, ``count-tokens:rawPredict`` for Anthropic's; both are free of charge.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/count-tokens
"""

from functools import partial

from providers_app.behaviours.addresses import post
from providers_app.behaviours.lookups import JsonCount
from providers_app.errors import BadAnswer
from providers_app.providers.vertex_ai.requests import ANTHROPIC, GOOGLE, Model, call_url, model_of
from providers_app.providers.vertex_ai.streaming import CLAUDE_COUNT, GENERATE, bare
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

GOOGLE_FIELDS = frozenset({"contents", "systemInstruction", "tools", "generationConfig"})
CLAUDE_FIELDS = frozenset(
    {
        *("anthropic_version", "messages", "model", "system", "tools", "tool_choice", "thinking"),
        *("output_config", "cache_control"),
    }
)


def counter(model: Model) -> JsonCount:
    """Return the counting of one model; Anthropic's are counted at one address for all of them."""
    if model.publisher is ANTHROPIC:
        model, method = Model(ANTHROPIC, "count-tokens", model.location), "rawPredict"
        count = partial(JsonCount, dialect=CLAUDE_COUNT, fields=CLAUDE_FIELDS, result="input_tokens")
    else:
        method = "countTokens"
        count = partial(JsonCount, dialect=GENERATE, fields=GOOGLE_FIELDS, result="totalTokens")
    return count(request=lambda chat, credential, body: post(call_url(model, method, credential), body))


class VertexCounting:
    """By publisher."""

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Build the counting request without its credential. Raise ``InvalidRequest``, ``UnsupportedOperation``."""
        model = model_of(chat.model)
        return counter(model).build(bare(chat, model), credential)

    def parse(self, body: bytes) -> int:
        """Read either publisher's number. Raise ``BadAnswer``."""
        try:
            return counter(Model(GOOGLE, "")).parse(body)
        except BadAnswer:
            return counter(Model(ANTHROPIC, "")).parse(body)


BEHAVIOUR = VertexCounting()
