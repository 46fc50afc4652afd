"""Chat Completions: OpenAI's older format, spoken by nearly every other server."""

from collections.abc import Mapping
from typing import ClassVar, Literal

import msgspec

from providers_app.dialects.openai_chat.errors import MISSING_MODEL_TYPES, WORDS
from providers_app.dialects.openai_chat.request import RequestForm, build_body, rules_of
from providers_app.dialects.openai_chat.stream import ChatReading
from providers_app.dialects.reducer import BodyReducer
from providers_app.dialects.tool_forms import OPENAI_NAMES, NameForm
from providers_app.errors import UnknownModel, UpstreamError
from providers_app.types.chat import ChatRequest
from providers_app.types.rules import FormatRules
from providers_app.wire.error_body import fields_of_body
from providers_app.wire.status import ErrorWords, error_of_answer


class OpenAIChat(msgspec.Struct, frozen=True, kw_only=True):
    """Chat Completions; what a compatible server does differently is declared in the fields.

    ``request`` says how its requests differ, ``think_tags`` whether its reasoning lies between ``<think>`` tags in the
    text (``opened``: the template already wrote the opening tag), ``words`` what its error words mean, ``own_limits``
    that OpenAI's limits hold there: other servers take more, or less.
    """

    name: ClassVar[str] = "openai_chat"
    tool_names: ClassVar[NameForm] = OPENAI_NAMES

    request: RequestForm = RequestForm()
    think_tags: Literal["off", "tags", "opened"] = "off"
    words: ErrorWords = WORDS
    own_limits: bool = False

    def rules(self, model: str) -> FormatRules:
        """Return the rules of the format for ``model``."""
        return rules_of(self.request, self.own_limits)

    def build_body(self, chat: ChatRequest) -> bytes:
        """Build the JSON body of a request."""
        return build_body(chat, self.request)

    def reducer(self) -> BodyReducer:
        """Return a fresh reducer for one answer, streamed or whole."""
        return BodyReducer(ChatReading(self.think_tags))

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error of an answer with an error status."""
        if status == 404 and fields_of_body(body).type in MISSING_MODEL_TYPES:
            words = ErrorWords(refining=dict.fromkeys(MISSING_MODEL_TYPES, UnknownModel), kinds={})
            return error_of_answer(status, headers, body, words)
        return error_of_answer(status, headers, body, self.words)


DIALECT = OpenAIChat()

__all__ = ["DIALECT", "OpenAIChat", "RequestForm"]
