"""How a provider is asked for an answer: the request, and the dialect that reads what comes back."""

from typing import Protocol

from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.http import HttpRequest


class Streaming(Protocol):
    """The ``streaming`` behaviour of a provider."""

    @property
    def dialect(self) -> Dialect:
        """What the provider speaks; of several (``SeveralDialects``) the one that is meant by default."""
        ...

    def build(self, chat: ChatRequest, credential: Credential) -> HttpRequest:
        """The request, without its credential. Pure."""
        ...


class SeveralDialects(Protocol):
    """What a ``streaming`` behaviour has besides, when it is up to the model or the session which dialect is spoken."""

    def dialect_of(self, model: str, credential: Credential) -> Dialect:
        """The dialect of the answer to a request for ``model`` that is signed with ``credential``. Pure."""
        ...
