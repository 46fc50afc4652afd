"""Pictures, documents and recordings as wires have them, and a clear word where a wire has no place for one."""

import base64
import binascii

from providers_app.errors import UnsupportedContent
from providers_app.types.chat import AudioPart, FilePart, ImagePart, ToolResultPart

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
    kinds = [f"{kind_of(part)} ({part.media_type})" for part in result.media if not _is_text_file(part)]
    texts = [headed_text(part) for part in result.media if isinstance(part, FilePart) and is_text(part)]
    notes = [f"[Left out, because this API takes only text from tools: {', '.join(kinds)}.]"] if kinds else []
    return "\n\n".join(filter(None, [result.content, *texts, *notes]))


def _is_text_file(part: ImagePart | FilePart) -> bool:
    return isinstance(part, FilePart) and is_text(part)
