"""Files that models make: their bytes go into the owner's media store, and come back from it when they are sent."""

import asyncio
import base64
from collections.abc import Iterable
from typing import Literal

import msgspec

from providers_app import conf, ports
from providers_app.errors import ContextTooLong, MediaRefused, ProviderError, UnknownMedia
from providers_app.ports import Owner
from providers_app.types.chat import ImagePart, Message, Part, TextPart
from providers_app.types.events import Event, GeneratedFile

GONE = "(A picture stood here that is not stored any more.)"


async def keep(owner: Owner, events: list[Event]) -> list[Event]:
    """Store the bytes of generated files, in place; their events then hold references, or say why they do not."""
    store = ports.media_store()
    for number, event in enumerate(events):
        if store is None or not isinstance(event, GeneratedFile) or not event.data:
            continue
        width, height = dimensions(event.data)
        kept = msgspec.structs.replace(event, data=b"", size=len(event.data), width=width, height=height)
        try:
            ref = await store.put(owner, event.media_type, event.data, name=event.name)
            events[number] = msgspec.structs.replace(kept, ref=ref)
        except ProviderError as error:
            events[number] = msgspec.structs.replace(kept, problem=error.message)
    return events


def dimensions(data: bytes) -> tuple[int, int]:
    """Return width and height in pixels of a PNG, GIF, WebP or JPEG, from its head; zeros for anything else."""

    def number(at: int, size: int, order: Literal["big", "little"] = "big") -> int:
        return int.from_bytes(data[at : at + size], order)

    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return number(16, 4), number(20, 4)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return number(6, 2, "little"), number(8, 2, "little")
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":  # https://developers.google.com/speed/webp/docs/riff_container
        match data[12:16]:
            case b"VP8 ":
                return number(26, 2, "little") & 0x3FFF, number(28, 2, "little") & 0x3FFF
            case b"VP8L":
                bits = number(21, 4, "little")
                return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
            case b"VP8X":
                return number(24, 3, "little") + 1, number(27, 3, "little") + 1
    at = 2 if data.startswith(b"\xff\xd8") else len(data)
    while at + 9 <= len(data) and data[at] == 0xFF:  # the segments of a JPEG, up to its frame header
        if data[at + 1] & 0xF0 == 0xC0 and data[at + 1] not in (0xC4, 0xC8, 0xCC):
            return number(at + 7, 2), number(at + 5, 2)
        at += 2 + number(at + 2, 2)
    return 0, 0


async def load(owner: Owner, messages: Iterable[Message]) -> tuple[Message, ...]:
    """Return the messages with the bytes of pictures that they name by reference; a missing one is said in words.

    Raises ``ContextTooLong`` before the first one is read that does not fit into one request any more.
    """
    loaded: list[Message] = []
    left = most = conf.current().max_request_bytes
    for message in messages:
        parts: list[Part] = []
        for part in message.parts:
            try:
                part = await _loaded(owner, part, left)
            except MediaRefused:
                left = -1
            left -= len(part.data or "") if isinstance(part, ImagePart) else 0
            if left < 0:
                raise ContextTooLong(f"The pictures alone have more than {most:,} bytes.")
            parts.append(part)
        loaded.append(Message(message.role, tuple(parts)))
    return tuple(loaded)


async def _loaded(owner: Owner, part: Part, left: int) -> Part:
    """Return the part with its bytes, which may have ``left`` characters in base64. Raises ``MediaRefused``."""
    if not isinstance(part, ImagePart) or not part.ref or part.data:
        return part
    store = ports.media_store()
    try:
        if store is None:
            raise UnknownMedia("No media store is installed.")
        media_type, data = await store.read(owner, part.ref, at_most=left * 3 // 4)
    except UnknownMedia:
        gone = ImagePart(part.media_type, url=part.url, origin=part.origin, source=part.source)
        return gone if part.url else TextPart(GONE, source=part.source)
    encoded = await asyncio.to_thread(base64.b64encode, data)
    return msgspec.structs.replace(part, media_type=media_type, data=encoded.decode("ascii"), url=None)
