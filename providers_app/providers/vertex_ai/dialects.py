"""What is spoken on Vertex AI: each publisher's own format, with Google Cloud's errors around it.

Google's models know no ids of calls. Anthropic's are asked in the Messages format without ``model`` (it is in the
address) and with ``anthropic_version``; their errors come in Anthropic's words or in Google's, whoever refused.
https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/use-claude
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from providers_app.dialects.anthropic_messages import DIALECT as MESSAGES
from providers_app.dialects.anthropic_messages import AnthropicMessages
from providers_app.dialects.anthropic_messages import RequestForm as MessagesForm
from providers_app.dialects.gemini_generate import GeminiGenerate
from providers_app.dialects.gemini_generate import RequestForm as GenerateForm
from providers_app.dialects.tool_forms import NameForm
from providers_app.errors import UpstreamError
from providers_app.providers.vertex_ai import refusals
from providers_app.providers.vertex_ai.publishers import ANTHROPIC, GOOGLE, Publisher
from providers_app.types.chat import ChatRequest
from providers_app.types.dialect import Dialect, Reducer
from providers_app.types.events import Event
from providers_app.types.rules import FormatRules

FAMILY = "vertex_ai"
"""Whose reasoning may be sent back: signatures that another route gave are refused."""


class OnVertex(msgspec.Struct, frozen=True, kw_only=True):
    """A format whose error answers are Google Cloud's; ``location`` is where the model was asked, for their hints."""

    inner: GeminiGenerate | AnthropicMessages
    location: str = ""

    @property
    def name(self) -> str:
        """That of the format."""
        return self.inner.name

    @property
    def request(self) -> Any:
        """The facts about the server that the format is built with."""
        return getattr(self.inner, "request", None)

    @property
    def tool_names(self) -> NameForm:
        """Which names of tools the format takes."""
        return self.inner.tool_names

    def rules(self, model: str) -> FormatRules:
        """What the format takes in a request for ``model``."""
        return self.inner.rules(model)

    def build_body(self, chat: ChatRequest) -> bytes:
        """The JSON body of a request; ``chat.model`` is the bare id."""
        return self.inner.build_body(chat)

    def reducer(self) -> Reducer:
        """A fresh reducer for one answer."""
        return self.inner.reducer()

    def parse(self, body: bytes) -> list[Event]:
        """The events of a whole answer."""
        return self.inner.parse(body)

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The typed error, with what to do about it in the console."""
        return refusals.error_of(status, headers, body, self.location)


# Ids of Anthropic's older models carry their date behind an "@" here.
_BUDGETED = (
    *(f"{name}@" for name in ("claude-sonnet-4", "claude-opus-4")),
    *MessagesForm().budget_models,
)
GENERATE = OnVertex(inner=GeminiGenerate(request=GenerateForm(family=FAMILY, echo_call_ids=False)))
CLAUDE = OnVertex(
    inner=AnthropicMessages(
        request=MessagesForm(
            family=FAMILY, budget_models=_BUDGETED, unsupported=MESSAGES.request.unsupported | {"model", "stream"}
        )
    )
)
CLAUDE_COUNT = AnthropicMessages(request=MessagesForm(family=FAMILY, budget_models=_BUDGETED))
"""Tokens are counted at one address for all models, so that the model is in the body."""
SPOKEN: dict[str, OnVertex] = {GOOGLE.name: GENERATE, ANTHROPIC.name: CLAUDE}


def spoken(publisher: Publisher, location: str) -> Dialect:
    """What this publisher's models speak."""
    return msgspec.structs.replace(SPOKEN[publisher.name], location=location)
