"""A provider with its strict server and a session, asked through the universal interface."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from providers_app import provider
from providers_app.errors import UnknownSession
from providers_app.ports import Session
from providers_app.registry.settings import ProvidersConfig
from providers_app.streaming import fold
from providers_app.types.chat import Message, TextPart, ToolResultPart
from providers_app.types.events import Event, TextDelta, ToolCall
from tests.vendors import anthropic, chat, gemini, openai
from tests.vendors.ledger import Ledger
from tests.vendors.server import VendorServer
from tests.wire.vendors.memory_store import MemorySessions

SETTINGS = ProvidersConfig(
    max_retries=0, allowed_private_hosts=("127.0.0.1",), idle_timeout_s=60, request_timeout_s=60, lookup_timeout_s=60
)
# slug: (server fixture, key, model, all models that its list should give)
VENDORS = {
    "anthropic": ("anthropic_server", anthropic.VALID_KEY, "claude-opus-5", 45),
    "openai": ("openai_server", openai.VALID_KEY, "gpt-5.6", None),
    "gemini": ("gemini_server", gemini.VALID_KEY, "gemini-3-pro", 63),
    "remote": ("chat_server", chat.VALID_KEY, "local-large", 2),
}
WEATHER = {
    "name": "weather",
    "description": "The weather of a place.",
    "parameters": {
        "type": "object",
        "properties": {"place": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["place"],
    },
}


@dataclass
class Vendor:
    """One provider, its server, and how to talk to it through the universal interface."""

    slug: str
    server: VendorServer
    key: str
    model: str
    listed: int | None
    store: MemorySessions

    @property
    def ledger(self) -> Ledger:
        return self.server.ledger

    async def connect(self, name: str = "main", key: str | None = None) -> Session:
        """A new session with the server's address."""
        return await provider.create_session(
            self.slug, "api_key", name=name, api_key=key or self.key, base_url=self.server.base_url
        )

    async def stream(self, fault: str = "", messages: Any = "Hello there.", **more: Any) -> list[Event]:
        """All events of one answer of the session ``main``; ``fault`` is appended to the model's name."""
        if not await self._connected():
            await self.connect()
        model = f"{self.model}-{fault}" if fault else self.model
        return [event async for event in provider.stream_chat(self.slug, "main", messages, model=model, **more)]

    async def outcome(self) -> Exception | None:
        """How the last use went, once the store was told (which is not on the caller's time)."""
        limit = time.monotonic() + 60
        while not self.store.outcomes and time.monotonic() < limit:  # noqa: ASYNC110  it is told on another loop
            await asyncio.sleep(0.01)
        return self.store.outcomes[-1].error

    async def _connected(self) -> bool:
        try:
            await self.store.lookup(self.store.owner, self.slug, "main")
        except UnknownSession:
            return False
        return True


def text_of(events: list[Event]) -> str:
    """The visible text."""
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def calls_of(events: list[Event]) -> list[ToolCall]:
    """The whole tool calls."""
    return [event for event in events if isinstance(event, ToolCall)]


def replay(_slug: str, question: str, events: list[Event], results: list[str]) -> tuple[Message, ...]:
    """The conversation after the tools of an answer have run, as the application would send it on."""
    calls = calls_of(events)
    answered = tuple(ToolResultPart(call.id, call.name, result) for call, result in zip(calls, results, strict=True))
    return (Message("user", (TextPart(question),)), fold(events).message, Message("tool", answered))
