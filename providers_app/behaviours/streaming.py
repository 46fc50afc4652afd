"""How a provider is asked for an answer and how its bytes become events."""

from collections.abc import Mapping
from typing import Protocol

from providers_app.behaviours.http import HttpRequest
from providers_app.errors import UpstreamError
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.events import Event


class Reducer(Protocol):
    """Turns the bytes of one streamed answer into events. Pure: no I/O, any cut of the bytes gives the same events."""

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete."""
        ...

    def close(self) -> list[Event]:
        """The events that the end of the body completes; a body that ended too early gives ``StreamFailed``."""
        ...


class Dialect(Protocol):
    """A wire format, sans I/O."""

    @property
    def name(self) -> str:
        """``openai_chat``, ``openai_responses``, ``anthropic_messages`` or ``gemini_generate``."""
        ...

    def build_body(self, chat: ChatRequest) -> bytes:
        """The JSON body of a request, deterministic."""
        ...

    def reducer(self) -> Reducer:
        """A fresh reducer for one streamed answer."""
        ...

    def parse(self, body: bytes) -> list[Event]:
        """The events of a whole (not streamed) answer with status 2xx; errors inside it become ``StreamFailed``."""
        ...

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """The typed error of an answer with status >= 400, whatever its body is."""
        ...


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
