"""``models/<model>:streamGenerateContent?alt=sse`` and ``:generateContent``."""

from providers_app.dialects.gemini_generate import DIALECT
from providers_app.providers.gemini.requests import model_path, post
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest


class GeminiStreaming:
    """generateContent, streamed or whole; without ``alt=sse`` the stream would be one JSON array."""

    dialect: Dialect = DIALECT

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Build the request without its key."""
        body = self.dialect.build_body(chat)
        if chat.stream:
            path = model_path(chat.model, "streamGenerateContent") + "?alt=sse"
            return post(path, credential, body, streamed=True)
        return post(model_path(chat.model, "generateContent"), credential, body)


BEHAVIOUR = GeminiStreaming()
