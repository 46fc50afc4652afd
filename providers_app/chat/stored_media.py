"""Files that models make: their bytes go into the owner's media store, and come back from it when they are sent."""

import asyncio
import base64
from collections.abc import Iterable

import msgspec

from providers_app import conf, ports
from providers_app.errors import ContextTooLong, ProviderError, UnknownMedia
from providers_app.ports import Owner
from providers_app.types.chat import ImagePart, Message, Part, TextPart
from providers_app.types.events import Event, GeneratedFile

GONE = "(A picture stood here that is not stored any more.)"


async def keep(owner: Owner, events: list[Event]) -> list[Event]:
    """Store the bytes of generated files, in place; their events then hold references.

    The event of a file that could not be stored says why. Without a media store the bytes stay where they are.
    """
    store = ports.media_store()
    for number, event in enumerate(events):
        if store is None or not isinstance(event, GeneratedFile) or not event.data:
            continue
        kept = msgspec.structs.replace(event, data=b"", size=len(event.data))
        try:
            ref = await store.put(owner, event.media_type, event.data, name=event.name)
            events[number] = msgspec.structs.replace(kept, ref=ref)
        except ProviderError as error:
            events[number] = msgspec.structs.replace(kept, problem=error.message)
    return events


async def load(owner: Owner, messages: Iterable[Message]) -> tuple[Message, ...]:
    """Return the messages with the bytes of pictures that they name by reference.

    A picture that is gone is said in words. Raises ``ContextTooLong`` when they cannot fit into one request.
    """
    loaded: list[Message] = []
    size = 0
    for message in messages:
        if any(isinstance(part, ImagePart) and part.ref for part in message.parts):
            parts = [await _loaded(owner, part) for part in message.parts]
            size += sum(len(part.data or "") for part in parts if isinstance(part, ImagePart))
            if size > conf.current().max_request_bytes:
                raise ContextTooLong(f"The pictures alone have more than {conf.current().max_request_bytes:,} bytes.")
            message = Message(message.role, tuple(parts))
        loaded.append(message)
    return tuple(loaded)


async def _loaded(owner: Owner, part: Part) -> Part:
    if not isinstance(part, ImagePart) or not part.ref or part.data:
        return part
    store = ports.media_store()
    try:
        if store is None:
            raise UnknownMedia("No media store is installed.")
        media_type, data = await store.read(owner, part.ref)
    except UnknownMedia:
        gone = ImagePart(part.media_type, url=part.url, origin=part.origin, source=part.source)
        return gone if part.url else TextPart(GONE, source=part.source)
    encoded = await asyncio.to_thread(base64.b64encode, data)
    return msgspec.structs.replace(part, media_type=media_type, data=encoded.decode("ascii"), url=None)
