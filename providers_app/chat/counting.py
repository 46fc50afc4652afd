"""Count the tokens of a request: by the provider where it has an endpoint for that, else by an estimate."""

from collections.abc import Iterable

import msgspec

from providers_app.behaviours.lookups import ask
from providers_app.dispatch import clients
from providers_app.dispatch.faults import faults_of
from providers_app.errors import NotFound, UnknownModel, UnsupportedOperation
from providers_app.ports import Session
from providers_app.registry.resolver import authorizer, resolve, spoken, supports
from providers_app.types import chat as types
from providers_app.types.catalogue import TokenCount
from providers_app.types.credentials import Credential
from providers_app.types.events import Origin, Usage

CHARACTERS_PER_TOKEN = 4
MESSAGE_TOKENS = 4
IMAGE_TOKENS = 1000
PDF_TOKENS = 2000
"""The least for a document, about one page; also used for a document behind an address, whose size is unknown."""
BYTES_PER_PDF_TOKEN = 40
BYTES_PER_AUDIO_TOKEN = 500
"""32 tokens for one second at 128 kbit/s."""


async def count(session: Session, credential: Credential, chat: types.ChatRequest) -> TokenCount:
    """Return the provider's own count, or an estimate where it has no such endpoint. Raises ``UpstreamError``."""
    with faults_of(session.provider, chat):
        found = await _counted(session, credential, chat) if supports(session.provider, "counting") else None
        return TokenCount(estimate(chat), "estimated") if found is None else TokenCount(found, "provider")


async def _counted(session: Session, credential: Credential, chat: types.ChatRequest) -> int | None:
    """Return the provider's count; ``None`` where it has no endpoint for this kind of login, or at this address."""
    slug, counter = session.provider, resolve(session.provider, "counting")
    chat = msgspec.structs.replace(chat, asked=Origin(slug, chat.model, session.id))
    try:
        built = counter.build(chat, credential)
    except UnsupportedOperation:
        return None
    request = authorizer(slug, credential.auth_type)(credential, built)
    try:
        http, dialect = clients.http_for(slug, session.owner, credential), spoken(slug, chat.model, credential)
        return counter.parse((await ask(request, http, dialect)).body)
    except NotFound as error:
        if isinstance(error, UnknownModel) or credential.base_url is None:
            raise
        return None  # a compatible server without the endpoint


def estimate_text(text: str) -> int:
    """Estimate the tokens of a text: about four characters each, at least one where there is any text."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def estimate_messages(messages: Iterable[types.Message]) -> int:
    """Estimate the tokens of messages with their framing and their media."""
    return sum(MESSAGE_TOKENS + sum(map(estimate_part, message.parts)) for message in messages)


def estimate_part(part: types.Part) -> int:
    """Estimate the tokens of one part; a picture counts as ``IMAGE_TOKENS``, other media by their size."""
    match part:
        case types.TextPart(text=text) | types.ReasoningPart(text=text):
            return estimate_text(text)
        case types.ImagePart():
            return IMAGE_TOKENS
        case types.FilePart(media_type=media_type, data=data):
            size = len(data or "") * 3 // 4
            if media_type.startswith("text/") and data:
                return -(-size // CHARACTERS_PER_TOKEN)
            return max(PDF_TOKENS, size // BYTES_PER_PDF_TOKEN)
        case types.AudioPart(data=data):
            return max(1, len(data) * 3 // 4 // BYTES_PER_AUDIO_TOKEN)
        case types.ToolCallPart(name=name, arguments=arguments):
            return estimate_text(name) + estimate_text(msgspec.json.encode(arguments).decode())
        case types.BlockPart(data=data):
            return estimate_text(msgspec.json.encode(data).decode())
        case types.ToolResultPart():
            return estimate_text(part.content) + sum(map(estimate_part, part.media))


def estimated(chat: types.ChatRequest, generated: int) -> Usage:
    """Return the estimated tokens of a request that ended before the provider counted ``generated`` characters."""
    sent, came = estimate(chat), -(-generated // CHARACTERS_PER_TOKEN)
    return Usage(input_tokens=sent, output_tokens=came, total_tokens=sent + came, source="estimated")


def estimate(chat: types.ChatRequest) -> int:
    """Estimate the tokens of a whole request, tools included."""
    tools = sum(estimate_text(msgspec.json.encode(tool).decode()) for tool in chat.tools)
    return estimate_messages(chat.messages) + tools
