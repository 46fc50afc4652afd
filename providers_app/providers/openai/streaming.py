"""``POST /responses``."""

from providers_app.behaviours.http import HttpRequest
from providers_app.behaviours.streaming import Dialect
from providers_app.dialects.openai_responses import DIALECT
from providers_app.providers.openai.requests import post
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential


class OpenAIStreaming:
    """Responses, streamed or whole."""

    dialect: Dialect = DIALECT

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """The request without its key."""
        accept = "text/event-stream" if chat.stream else "application/json"
        return post("/responses", credential, self.dialect.build_body(chat), accept=accept)


BEHAVIOUR = OpenAIStreaming()
