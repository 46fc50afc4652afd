"""``POST /responses``, in the form that the session's kind of login takes."""

from providers_app.providers.openai import subscription
from providers_app.providers.openai.dialect import DIALECT
from providers_app.providers.openai.requests import post
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest


class OpenAIStreaming:
    """Responses, streamed or whole; ChatGPT logins are always answered streamed, and read by the same dialect."""

    dialect: Dialect = DIALECT

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """The request without its key."""
        streamed = chat.stream or subscription.mode_of(credential) != "api_key"
        accept = "text/event-stream" if streamed else "application/json"
        return post("/responses", credential, subscription.body_of(chat, credential), accept=accept)


BEHAVIOUR = OpenAIStreaming()
