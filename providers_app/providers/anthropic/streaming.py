"""``POST /v1/messages``."""

from providers_app.behaviours.addresses import ChatEndpoint
from providers_app.dialects.anthropic_messages import DIALECT
from providers_app.providers.anthropic.requests import post

BEHAVIOUR = ChatEndpoint(
    dialect=DIALECT, request=lambda chat, credential, body: post("/v1/messages", credential, body, streamed=chat.stream)
)
