"""Pictures, documents and recordings as wires have them, and clear words about a part that a wire has no place for."""

import base64
import binascii
from typing import Literal

from providers_app.errors import UnsupportedContent
from providers_app.types.advice import Advice
from providers_app.types.chat import (
    AudioPart,
    BlockPart,
    ChatRequest,
    FilePart,
    ImagePart,
    Part,
    ReasoningPart,
    ToolResultPart,
)

AUDIO_FORMATS = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
"""The formats that ``input_audio`` of OpenAI's dialects accepts."""


def data_address(part: ImagePart | FilePart | AudioPart) -> str:
    """Return the content as a ``data:`` URL."""
    return f"data:{part.media_type};base64,{part.data or ''}"


def image_address(part: ImagePart) -> str:
    """Return the picture's own URL, else a ``data:`` URL."""
    return part.url or data_address(part)


def is_text(part: FilePart) -> bool:
    """Tell whether the document is plain text whose content is present, not behind a URL."""
    return part.data is not None and part.media_type.startswith("text/")


def text_of(part: FilePart) -> str:
    """Decode a document that ``is_text``; bytes that are no UTF-8 become U+FFFD."""
    try:
        return base64.b64decode(part.data or "").decode("utf-8", "replace")
    except binascii.Error:
        return ""


def headed_text(part: FilePart) -> str:
    """Return a text document with its name as a heading, for wires that have no documents of text."""
    return f"# {part.name}\n\n{text_of(part)}" if part.name else text_of(part)


def file_name(part: FilePart) -> str:
    """Return its name, or one made of its type, because the wire demands one."""
    return part.name or ("document.pdf" if part.media_type == "application/pdf" else "document")


def unsupported(part: ImagePart | FilePart | AudioPart, api: str) -> UnsupportedContent:
    """Return the error to raise for a part that ``api`` has no form for."""
    where = " by address" if not isinstance(part, AudioPart) and part.url else ""
    return UnsupportedContent(
        f"{api} takes no {kind_of(part)} of type {part.media_type}{where}.",
        hint="Exclude it from the context, send it in another form, or ask another provider.",
    )


def kind_of(part: ImagePart | FilePart | AudioPart) -> str:
    """``picture``, ``document`` or ``recording``."""
    return "picture" if isinstance(part, ImagePart) else "recording" if isinstance(part, AudioPart) else "document"


def result_text(result: ToolResultPart) -> str:
    """Return a tool's result as text alone, for wires whose results are text; say what is left out."""
    if not result.media:
        return result.content
    files = [part for part in result.media if isinstance(part, FilePart) and is_text(part)]
    kinds = [f"{kind_of(part)} ({part.media_type})" for part in result.media if part not in files]
    texts = [headed_text(part) for part in files]
    notes = [f"[Left out, because this API takes only text from tools: {', '.join(kinds)}.]"] if kinds else []
    return "\n\n".join(filter(None, [result.content, *texts, *notes]))


Change = Literal["part_dropped", "part_moved", "part_renamed", "part_inserted"]
"""The codes of notes."""
_NAMES = {ReasoningPart: "Reasoning", BlockPart: "Provider data", ImagePart: "Picture", ToolResultPart: "Tool result"}


def note(chat: ChatRequest, part: Part, code: Change, what: str) -> None:
    """Add to ``chat.notes`` what is done to ``part``, unless it comes from no chunk; ``what`` is a sentence."""
    if part.source:
        level: Literal["warning", "hint"] = "warning" if code == "part_dropped" else "hint"
        chat.notes.append(Advice(level=level, field="messages", what=what, code=code, source=part.source))


def dropped(chat: ChatRequest, part: Part, why: str) -> None:
    """Note that ``part`` is not sent; ``why`` continues the sentence."""
    note(chat, part, "part_dropped", f"{_NAMES.get(type(part), 'Part')} not sent: {why}.")
