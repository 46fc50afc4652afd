"""``POST /chat/completions``."""

from providers_app.providers.openrouter.options import routed
from providers_app.providers.openrouter.requests import DIALECT, post
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest


class OpenRouterStreaming:
    """Chat Completions, streamed or whole."""

    dialect: Dialect = DIALECT

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Build the request without its key."""
        body = self.dialect.build_body(routed(chat, credential))
        return post("/chat/completions", credential, body, streamed=chat.stream)


BEHAVIOUR = OpenRouterStreaming()
