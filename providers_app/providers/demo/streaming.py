"""Requests to the responder in this process."""

from providers_app.dialects.openai_chat import OpenAIChat
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.http import HttpRequest

URL = "demo://local/v1/chat/completions"


class DemoStreaming:
    """Chat Completions over ``demo://``."""

    dialect = OpenAIChat()

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Build the request."""
        headers = {
            "content-type": "application/json",
            "accept": "text/event-stream" if chat.stream else "application/json",
        }
        return HttpRequest(method="POST", url=URL, headers=headers, body=self.dialect.build_body(chat))


BEHAVIOUR = DemoStreaming()
