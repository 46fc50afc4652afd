"""How many tokens a request has, estimated where nobody counts: about four characters to a token."""

from collections.abc import Iterable

import msgspec

from providers_app.types.chat import ChatRequest, ImagePart, Message, ReasoningPart, TextPart, ToolCallPart

CHARACTERS_PER_TOKEN = 4
MESSAGE_TOKENS = 4
IMAGE_TOKENS = 1000


def estimate_text(text: str) -> int:
    """Tokens of a text, at least one where there is any."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def estimate_messages(messages: Iterable[Message]) -> int:
    """Tokens of messages with their framing; a picture counts as ``IMAGE_TOKENS``."""
    total = 0
    for message in messages:
        total += MESSAGE_TOKENS
        for part in message.parts:
            match part:
                case TextPart(text=text) | ReasoningPart(text=text):
                    total += estimate_text(text)
                case ImagePart():
                    total += IMAGE_TOKENS
                case ToolCallPart(name=name, arguments=arguments):
                    total += estimate_text(name) + estimate_text(msgspec.json.encode(arguments).decode())
                case _:
                    total += estimate_text(part.content)
    return total


def estimate(chat: ChatRequest) -> int:
    """Tokens of a whole request, tools included."""
    tools = sum(estimate_text(msgspec.json.encode(tool).decode()) for tool in chat.tools)
    return estimate_messages(chat.messages) + tools
