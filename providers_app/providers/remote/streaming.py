"""``POST /chat/completions``."""

from providers_app.providers.remote.dialect import dialect
from providers_app.providers.remote.requests import post
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest


class RemoteStreaming:
    """Chat Completions, streamed or whole."""

    @property
    def dialect(self) -> Dialect:
        """As configured for all compatible servers."""
        return dialect()

    def dialect_of(self, model: str, credential: Credential) -> Dialect:
        """As this session's server speaks it."""
        return dialect(credential)

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """The request without its key."""
        accept = "text/event-stream" if chat.stream else "application/json"
        return post("/chat/completions", credential, dialect(credential).build_body(chat), accept=accept)


BEHAVIOUR = RemoteStreaming()
