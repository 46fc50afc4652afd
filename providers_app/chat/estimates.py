"""How many tokens a request has, estimated where nobody counts: about four characters to a token."""

from collections.abc import Iterable

import msgspec

from providers_app.types.chat import (
    AudioPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    TextPart,
    ToolCallPart,
)

CHARACTERS_PER_TOKEN = 4
MESSAGE_TOKENS = 4
IMAGE_TOKENS = 1000
PDF_TOKENS = 2000
"""At least: about one page, and all that can be said of a document behind an address."""
BYTES_PER_PDF_TOKEN = 40
BYTES_PER_AUDIO_TOKEN = 500
"""32 tokens for a second of 128 kbit/s."""


def estimate_text(text: str) -> int:
    """Tokens of a text, at least one where there is any."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def estimate_messages(messages: Iterable[Message]) -> int:
    """Tokens of messages with their framing, pictures, documents and recordings included."""
    return sum(MESSAGE_TOKENS + sum(map(estimate_part, message.parts)) for message in messages)


def estimate_part(part: Part) -> int:
    """Tokens of one part; a picture counts as ``IMAGE_TOKENS``, other media by their size."""
    match part:
        case TextPart(text=text) | ReasoningPart(text=text):
            return estimate_text(text)
        case ImagePart():
            return IMAGE_TOKENS
        case FilePart(media_type=media_type, data=data):
            size = len(data or "") * 3 // 4
            if media_type.startswith("text/") and data:
                return -(-size // CHARACTERS_PER_TOKEN)
            return max(PDF_TOKENS, size // BYTES_PER_PDF_TOKEN)
        case AudioPart(data=data):
            return max(1, len(data) * 3 // 4 // BYTES_PER_AUDIO_TOKEN)
        case ToolCallPart(name=name, arguments=arguments):
            return estimate_text(name) + estimate_text(msgspec.json.encode(arguments).decode())
        case _:
            return estimate_text(part.content) + sum(map(estimate_part, part.media))


def estimate(chat: ChatRequest) -> int:
    """Tokens of a whole request, tools included."""
    tools = sum(estimate_text(msgspec.json.encode(tool).decode()) for tool in chat.tools)
    return estimate_messages(chat.messages) + tools
