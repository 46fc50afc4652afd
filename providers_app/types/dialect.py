"""A wire format without I/O: request bodies out, bytes of answers in, events out."""

from collections.abc import Mapping
from typing import Protocol

from providers_app.errors import UpstreamError
from providers_app.types.chat import ChatRequest
from providers_app.types.events import Event


class Reducer(Protocol):
    """Turns the bytes of one streamed answer into events. Pure: no I/O, any cut of the bytes gives the same events."""

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete."""

    def close(self) -> list[Event]:
        """Return the events that the end of the body completes; a body that ended too early gives ``StreamFailed``."""


class Dialect(Protocol):
    """A wire format, sans I/O."""

    @property
    def name(self) -> str:
        """``openai_chat``, ``openai_responses``, ``anthropic_messages`` or ``gemini_generate``."""

    def build_body(self, chat: ChatRequest) -> bytes:
        """Return the JSON body of a request; the same request gives the same bytes."""

    def reducer(self) -> Reducer:
        """Return a fresh reducer of one 2xx answer, streamed or whole; errors in it become ``StreamFailed``."""

    def error(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        """Return the typed error of an answer with status >= 400; its body may be of any form."""
