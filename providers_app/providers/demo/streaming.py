"""Chat Completions over ``demo://``: requests to the responder in this process."""

from providers_app.behaviours.addresses import ChatEndpoint, post
from providers_app.dialects.openai_chat import OpenAIChat

URL = "demo://local/v1/chat/completions"
BEHAVIOUR = ChatEndpoint(
    dialect=OpenAIChat(), request=lambda chat, credential, body: post(URL, body, streamed=chat.stream)
)
