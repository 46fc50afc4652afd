"""``models/<model>:streamGenerateContent`` (without ``alt=sse`` one JSON array) and ``:generateContent``."""

from providers_app.behaviours.addresses import ChatEndpoint
from providers_app.dialects.gemini_generate import DIALECT
from providers_app.providers.gemini.requests import model_path, post

METHODS = {True: "streamGenerateContent?alt=sse", False: "generateContent"}
BEHAVIOUR = ChatEndpoint(
    dialect=DIALECT,
    request=lambda chat, credential, body: post(
        model_path(chat.model, METHODS[chat.stream]), credential, body, streamed=chat.stream
    ),
)
