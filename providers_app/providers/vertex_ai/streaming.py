"""``generateContent`` for Google's models, ``rawPredict`` for Anthropic's; streamed by another method of the same."""

from typing import Any

import msgspec

from providers_app.behaviours.addresses import post
from providers_app.providers.vertex_ai import publishers
from providers_app.providers.vertex_ai.dialects import GENERATE, spoken
from providers_app.providers.vertex_ai.publishers import ANTHROPIC, Model
from providers_app.providers.vertex_ai.requests import GLOBAL, call_url, location_of, settings
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest


class VertexStreaming:
    """Streaming of both publishers' formats; a name of neither is taken for a model of Google."""

    dialect: Dialect = GENERATE

    def dialect_of(self, model: str, credential: Credential) -> Dialect:
        """That of the model's publisher. Raises ``InvalidRequest``."""
        found = publishers.read(model)
        return spoken(found.publisher.name, location_for(found, credential))

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """Build the request without its credential. Raise ``InvalidRequest``, ``UnsupportedOperation``."""
        model = publishers.read(chat.model)
        method = model.publisher.streamed if chat.stream else model.publisher.whole
        url = call_url(model, method, credential)
        body = self.dialect_of(chat.model, credential).build_body(bare(chat, model))
        return post(url, body, streamed=chat.stream)


def location_for(model: Model, credential: Credential) -> str:
    """Return the location that the model is asked in."""
    if credential.auth_type == "api_key":
        return GLOBAL
    return model.location or location_of(credential)


def bare(chat: ChatRequest, model: Model) -> ChatRequest:
    """``chat`` as the publisher's format wants it: the id alone, and what Vertex AI wants in the body besides."""
    more: dict[str, Any] = {}
    if model.publisher is ANTHROPIC:
        more = {"anthropic_version": settings().anthropic_version, **({"stream": True} if chat.stream else {})}
    params = msgspec.structs.replace(chat.params, extra={**more, **chat.params.extra})
    return msgspec.structs.replace(chat, model=model.id, params=params)


BEHAVIOUR = VertexStreaming()
