"""The Responses API: OpenAI's primary format."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from providers_app.dialects.openai_responses.errors import WORDS
from providers_app.dialects.openai_responses.request import build_body, rules_of
from providers_app.dialects.openai_responses.stream import ResponsesReading
from providers_app.dialects.reducer import BodyReducer
from providers_app.dialects.tool_forms import OPENAI_NAMES, RESPONSES_IDS, IdForm, NameForm
from providers_app.errors import UpstreamError
from providers_app.types.chat import ChatRequest
from providers_app.types.rules import FormatRules
from providers_app.wire.status import error_of_answer


class OpenAIResponses(msgspec.Struct, frozen=True, kw_only=True):
    """The Responses API.

    ``family`` is the slug whose reasoning is replayed, ``encrypted_reasoning`` asks for it in a form that can be,
    ``unsupported`` names top-level fields that are never sent.
    """

    name: ClassVar[str] = "openai_responses"
    tool_names: ClassVar[NameForm] = OPENAI_NAMES

    family: str = "openai"
    encrypted_reasoning: bool = True
    ids: IdForm = RESPONSES_IDS
    unsupported: frozenset[str] = frozenset()

    def rules(self, model: str) -> FormatRules:
        """Return the rules of the format for ``model``."""
        return rules_of(self.unsupported)

    def build_body(self, chat: ChatRequest) -> bytes:
        """Build the JSON body of a request."""
        return build_body(chat, self.family, self.ids, self.encrypted_reasoning, self.unsupported)

    def reducer(self) -> BodyReducer:
        """Return a fresh reducer for one answer, streamed or whole."""
        return BodyReducer(ResponsesReading())

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error of an answer with an error status."""
        return error_of_answer(status, headers, body, WORDS)


DIALECT = OpenAIResponses()

__all__ = ["DIALECT", "OpenAIResponses"]
