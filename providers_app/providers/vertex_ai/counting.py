"""``:countTokens`` for Google's models, ``count-tokens:rawPredict`` for Anthropic's; both are free of charge.

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/count-tokens
"""

import msgspec

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


class Counter(msgspec.Struct, frozen=True, kw_only=True):
    """The counting method of a publisher; ``stands_in`` replaces the model's id in the address."""

    dialect: Dialect
    method: str
    fields: frozenset[str]
    result: str
    stands_in: str = ""

    def of(self, model: Model) -> JsonCount:
        """Return the counting of one model."""
        asked = Model(model.publisher, self.stands_in or model.id, model.location)
        return JsonCount(
            dialect=self.dialect,
            fields=self.fields,
            request=lambda chat, credential, body: post(call_url(asked, self.method, credential), body),
            result=self.result,
        )


COUNTERS = {
    GOOGLE.name: Counter(
        dialect=GENERATE,
        method="countTokens",
        fields=frozenset({"contents", "systemInstruction", "tools", "generationConfig"}),
        result="totalTokens",
    ),
    ANTHROPIC.name: Counter(
        dialect=CLAUDE_COUNT,
        method="rawPredict",
        fields=frozenset(
            {
                *("anthropic_version", "messages", "model", "system", "tools", "tool_choice", "thinking"),
                *("output_config", "cache_control"),
            }
        ),
        result="input_tokens",
        stands_in="count-tokens",
    ),
}


class VertexCounting:
    """By publisher."""

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Build the counting request without its credential. Raise ``InvalidRequest``, ``UnsupportedOperation``."""
        model = publishers.read(chat.model)
        return COUNTERS[model.publisher.name].of(model).build(bare(chat, model), credential)

    def parse(self, body: bytes) -> int:
        """Either publisher's number. Raises ``BadAnswer``."""
        last: BadAnswer | None = None
        for name, counter in COUNTERS.items():
            try:
                return counter.of(Model(publishers.PUBLISHERS[name], name)).parse(body)
            except BadAnswer as error:
                last = error
        raise last or BadAnswer("The count of tokens could not be read.")


BEHAVIOUR = VertexCounting()
