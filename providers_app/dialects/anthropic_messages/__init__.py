"""The Messages API of Anthropic."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from providers_app.dialects.anthropic_messages.errors import MISSING_MODEL, WORDS, refined
from providers_app.dialects.anthropic_messages.request import RequestForm, build_body, rules_of
from providers_app.dialects.anthropic_messages.stream import MessagesReading
from providers_app.dialects.reducer import BodyReducer
from providers_app.dialects.tool_forms import ANTHROPIC_NAMES, NameForm
from providers_app.errors import UpstreamError
from providers_app.types.chat import ChatRequest
from providers_app.types.rules import FormatRules
from providers_app.wire.status import error_of_answer


class AnthropicMessages(msgspec.Struct, frozen=True, kw_only=True):
    """The Messages API; ``request`` holds the facts about the server and its models."""

    name: ClassVar[str] = "anthropic_messages"
    pauses: ClassVar[bool] = True  # `pause_turn`: sent back as it is, the answer goes on
    tool_names: ClassVar[NameForm] = ANTHROPIC_NAMES

    request: RequestForm = RequestForm()

    def rules(self, model: str) -> FormatRules:
        """Return the rules of the format for ``model``."""
        form = self.request
        return rules_of(form.unsupported, form.default_max_tokens, model.startswith(form.budget_models))

    def build_body(self, chat: ChatRequest) -> bytes:
        """Build the JSON body of a request."""
        return build_body(chat, self.request)

    def reducer(self) -> BodyReducer:
        """Return a fresh reducer for one answer, streamed or whole."""
        return BodyReducer(MessagesReading())

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error of an answer with an error status."""
        return refined(error_of_answer(status, headers, body, MISSING_MODEL if status == 404 else WORDS))


DIALECT = AnthropicMessages()

__all__ = ["DIALECT", "AnthropicMessages", "RequestForm"]
