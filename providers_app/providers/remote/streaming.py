"""``POST /chat/completions``."""

from providers_app.behaviours.addresses import address, post
from providers_app.providers.remote.dialect import dialect
from providers_app.providers.remote.servers import SLUG
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
        """Build the request without its key."""
        url = address(SLUG, credential, "/chat/completions")
        return post(url, dialect(credential).build_body(chat), streamed=chat.stream)


BEHAVIOUR = RemoteStreaming()
