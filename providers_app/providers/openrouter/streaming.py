"""``POST /chat/completions``."""

from providers_app.behaviours.addresses import ChatEndpoint
from providers_app.providers.openrouter.options import routed
from providers_app.providers.openrouter.requests import DIALECT, post

BEHAVIOUR = ChatEndpoint(
    dialect=DIALECT,
    request=lambda chat, credential, body: post("/chat/completions", credential, body, streamed=chat.stream),
    prepared=routed,
)
