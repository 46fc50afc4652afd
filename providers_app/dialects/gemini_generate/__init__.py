"""generateContent: the native format of Gemini and Vertex AI."""

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from providers_app.dialects.gemini_generate.errors import WORDS
from providers_app.dialects.gemini_generate.request import RequestForm, build_body, rules_of
from providers_app.dialects.gemini_generate.stream import GenerateReading
from providers_app.dialects.reducer import BodyReducer
from providers_app.dialects.tool_forms import GEMINI_NAMES, NameForm
from providers_app.errors import UpstreamError
from providers_app.types.chat import ChatRequest
from providers_app.types.rules import FormatRules
from providers_app.wire.status import error_of_answer


class GeminiGenerate(msgspec.Struct, frozen=True, kw_only=True):
    """generateContent of the Gemini API and of Vertex AI;

    ``request`` holds the facts about the server and its models.
    """

    name: ClassVar[str] = "gemini_generate"
    tool_names: ClassVar[NameForm] = GEMINI_NAMES

    request: RequestForm = RequestForm()

    def rules(self, model: str) -> FormatRules:
        """Return the rules of the format for ``model``."""
        return rules_of(self.request.unsupported, self.request.budgeted(model))

    def build_body(self, chat: ChatRequest) -> bytes:
        """Build the JSON body of a request."""
        return build_body(chat, self.request)

    def reducer(self) -> BodyReducer:
        """Return a fresh reducer for one answer, streamed or whole."""
        return BodyReducer(GenerateReading())

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error of an answer with an error status."""
        return error_of_answer(status, headers, body, WORDS)


DIALECT = GeminiGenerate()

__all__ = ["DIALECT", "GeminiGenerate", "RequestForm"]
