"""Readers of the four request forms: a body back into ``Message`` values, by what its own API says that it means.

They know nothing of how the bodies are built, so that a round trip compares two readings of the same facts.
"""

from collections.abc import Callable
from typing import Any

from providers_app.types.chat import Message
from tests.wire.request_forms import anthropic, chat, gemini, responses

READERS: dict[str, Callable[[dict[str, Any]], tuple[Message, ...]]] = {
    "openai_chat": chat.read,
    "openai_responses": responses.read,
    "anthropic_messages": anthropic.read,
    "gemini_generate": gemini.read,
}
