"""Pictures, documents and recordings in the dictionary forms of the common libraries, as parts.

| form | from | becomes |
|---|---|---|
| ``image_url``, ``input_image`` | OpenAI | ``ImagePart`` |
| ``image`` with ``source``, or with ``data``, ``url`` or ``ref`` | Anthropic, Maestro | ``ImagePart`` |
| ``file``, ``input_file`` | OpenAI | ``FilePart`` |
| ``document`` with ``source``, or with ``data`` or ``url`` | Anthropic, Maestro | ``FilePart`` |
| ``input_audio`` | OpenAI | ``AudioPart`` |
| ``audio`` with ``data`` | Maestro | ``AudioPart`` |

A file stored at a provider (``file_id``) is refused: it exists for one provider and one login only.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from providers_app import conf
from providers_app.errors import InvalidRequest
from providers_app.text import quoted
from providers_app.types.chat import AudioPart, FilePart, ImagePart

IMAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
DOCUMENT_TYPES = frozenset({"application/pdf", "text/plain", "text/markdown", "text/csv", "text/html", "text/xml"})
AUDIO_TYPES = frozenset(
    {"audio/wav", "audio/mpeg", "audio/mp4", "audio/aac", "audio/ogg", "audio/flac", "audio/webm", "audio/aiff"}
)
_SAME = {"audio/mp3": "audio/mpeg", "audio/x-wav": "audio/wav", "audio/wave": "audio/wav", "image/jpg": "image/jpeg"}
_FORMATS = {"wav": "audio/wav", "mp3": "audio/mpeg", "m4a": "audio/mp4"}
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_PIECE = 64 * 1024
_KNOWN: dict[type, tuple[str, frozenset[str]]] = {
    ImagePart: ("picture", IMAGE_TYPES),
    FilePart: ("document", DOCUMENT_TYPES),
    AudioPart: ("recording", AUDIO_TYPES),
}

MediaPart = ImagePart | FilePart | AudioPart
M = TypeVar("M", bound=MediaPart)


def parse_media(location: str, part: Mapping[str, Any]) -> MediaPart | None:
    """Return the part; ``None`` when its ``type`` is none of the forms above. Raises ``InvalidRequest``."""
    kind = part.get("type")
    read = _FORMS.get(kind) if isinstance(kind, str) else None
    return None if read is None else read(location, part)


def checked_media(location: str, part: M) -> M:
    """Return the part. Raises ``InvalidRequest`` unless its type, content and size may be sent."""
    what, known = _KNOWN[type(part)]
    url = None if isinstance(part, AudioPart) else part.url
    name = part.name if isinstance(part, FilePart) else ""
    if not isinstance(part.media_type, str) or not isinstance(url or "", str) or not isinstance(name, str):
        raise InvalidRequest(f"{location}: a part of type {type(part).__name__} has a field of a wrong type.")
    if isinstance(part, ImagePart) and part.ref and isinstance(part.ref, str):
        return part  # of the owner's media store; read when the request is made
    if url:
        if not url.startswith(("https://", "http://", "gs://")):
            raise InvalidRequest(f"{location}: a {what}'s URL must begin with https://, http:// or data:.")
        return part
    if part.media_type not in known:
        accepted = f"Accepted: {', '.join(sorted(known))}."
        raise InvalidRequest(f"{location}: {what}s of type {quoted(part.media_type)} are not accepted.", hint=accepted)
    _check_data(location, what, part.data)
    return part


def _check_data(location: str, what: str, data: Any) -> None:
    limit = conf.current().max_file_bytes
    if isinstance(data, str) and len(data) * 3 // 4 > limit + 2:
        raise InvalidRequest(
            f"{location}: a {what} of {len(data) * 3 // 4:,} bytes is too large; the limit is {limit:,}.",
            hint="Send a smaller one, give its URL instead, or raise MAESTRO_PROVIDERS__MAX_FILE_BYTES.",
        )
    if not isinstance(data, str) or not _is_base64(data):
        raise InvalidRequest(f"{location}: a {what}'s data is empty or not base64.")


def _is_base64(data: str) -> bool:
    """Check base64 in pieces without decoding, so that a large file neither blocks the loop nor is copied."""
    if not data or len(data) % 4 or not data.isascii():
        return False
    end = len(data) - (2 if data.endswith("==") else 1 if data.endswith("=") else 0)
    pieces = (data[at : min(at + _PIECE, end)] for at in range(0, end, _PIECE))
    return not any(piece.encode("ascii").translate(None, _BASE64) for piece in pieces)


def _type(given: Any, default: str) -> str:
    name = given.partition(";")[0].strip().lower() if isinstance(given, str) and given else default
    return _SAME.get(name, name)


def _data_url(location: str, what: str, url: str) -> tuple[str, str]:
    """Return the media type and the base64 content of a ``data:`` URL."""
    head, comma, data = url[5:].partition(",")
    if not comma or not head.endswith(";base64"):
        raise InvalidRequest(f"{location}: a {what}'s data URL must be base64.")
    return head.removesuffix(";base64"), data


def _image(location: str, part: Mapping[str, Any]) -> ImagePart:
    address = part.get("image_url")
    url = address.get("url") if isinstance(address, Mapping) else address
    if not isinstance(url, str) or not url:
        _refuse_file_id(location, part)
        raise InvalidRequest(f"{location}: a picture has no URL.")
    return _image_at(location, url)


def _image_at(location: str, url: str) -> ImagePart:
    if url.startswith("data:"):
        media_type, data = _data_url(location, "picture", url)
        return checked_media(location, ImagePart(_type(media_type, "image/png"), data))
    return checked_media(location, ImagePart(url=url))


def _plain_image(location: str, part: Mapping[str, Any]) -> ImagePart:
    source = _source(location, part)
    url, ref = source.get("url"), source.get("ref")
    if isinstance(url, str) and url:
        return _image_at(location, url)
    media_type, ref = _type(source.get("media_type"), "image/png"), ref if isinstance(ref, str) else ""
    return checked_media(location, ImagePart(media_type, source.get("data"), ref=ref))


def _document(location: str, part: Mapping[str, Any]) -> FilePart:
    source = _source(location, part)
    name = str(part.get("title") or part.get("name") or "")
    url = source.get("url")
    if source.get("type") == "text":
        text = str(source.get("data") or "")
        data = base64.b64encode(text.encode("utf-8", "replace")).decode()
        return _file(location, _type(source.get("media_type"), "text/plain"), data, None, name)
    media_type = _type(source.get("media_type"), "application/pdf")
    return _file(location, media_type, source.get("data"), url if isinstance(url, str) else None, name)


def _openai_file(location: str, part: Mapping[str, Any]) -> FilePart:
    inner = part.get("file")
    body = inner if isinstance(inner, Mapping) else part
    name = str(body.get("filename") or "")
    url, data = body.get("file_url"), body.get("file_data")
    if not data and not url:
        _refuse_file_id(location, body)
    media_type = _type(None, "text/plain" if name.lower().endswith((".txt", ".md", ".csv")) else "application/pdf")
    if isinstance(data, str) and data.startswith("data:"):
        given, data = _data_url(location, "document", data)
        media_type = _type(given, media_type)
    return _file(location, media_type, data, url if isinstance(url, str) else None, name)


def _file(location: str, media_type: str, data: Any, url: str | None, name: str) -> FilePart:
    if url and url.startswith("data:"):
        media_type, data = _data_url(location, "document", url)
        url = None
    return checked_media(location, FilePart(_type(media_type, "application/pdf"), None if url else data, url, name))


def _audio(location: str, part: Mapping[str, Any]) -> AudioPart:
    inner = part.get("input_audio")
    body = inner if isinstance(inner, Mapping) else part
    form = body.get("format")
    media_type = _FORMATS.get(form, f"audio/{form}") if isinstance(form, str) else _type(body.get("media_type"), "")
    return checked_media(location, AudioPart(_type(media_type, "audio/wav"), body.get("data") or ""))


def _source(location: str, part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the dictionary with the content: Anthropic's ``source``, or the part itself."""
    source = part.get("source", part)
    if not isinstance(source, Mapping):
        raise InvalidRequest(f"{location}: the source of a {quoted(part.get('type'))} must be a dictionary.")
    if not source.get("data") and not source.get("url"):
        _refuse_file_id(location, source)
    return source


def _refuse_file_id(location: str, part: Mapping[str, Any]) -> None:
    if part.get("file_id"):
        message = f"{location}: a file stored at a provider (file_id) cannot be sent."
        raise InvalidRequest(message, hint="Send its content or its URL.")


_FORMS: dict[str, Callable[[str, Mapping[str, Any]], MediaPart]] = {
    "image_url": _image,
    "input_image": _image,
    "image": _plain_image,
    "file": _openai_file,
    "input_file": _openai_file,
    "document": _document,
    "input_audio": _audio,
    "audio": _audio,
}
