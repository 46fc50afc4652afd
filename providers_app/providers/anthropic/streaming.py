"""``POST /v1/messages``."""

from providers_app.dialects.anthropic_messages import DIALECT
from providers_app.providers.anthropic.requests import post
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest


class AnthropicStreaming:
    """Messages, streamed or whole."""

    dialect: Dialect = DIALECT

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Build the request without its key."""
        return post("/v1/messages", credential, self.dialect.build_body(chat), streamed=chat.stream)


BEHAVIOUR = AnthropicStreaming()
