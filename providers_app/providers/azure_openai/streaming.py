"""``POST .../chat/completions`` on both surfaces, and ``POST /openai/v1/responses``."""

from providers_app.providers.azure_openai import dialect, requests
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest


class AzureStreaming:
    """As the session says: Chat Completions or Responses, streamed or whole. The model is a deployment's name."""

    dialect: Dialect = dialect.CHAT

    def dialect_of(self, model: str, credential: Credential) -> Dialect:
        """Return the dialect of the session, which is the same for every deployment."""
        return dialect.RESPONSES if requests.speaks_responses(credential) else dialect.chat(credential)

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Build the request without its key. Raise ``InvalidRequest``."""
        body = self.dialect_of(chat.model, credential).build_body(chat)
        return requests.post_chat(chat.model, credential, body, streamed=chat.stream)


BEHAVIOUR = AzureStreaming()
