"""The events of a stored answer for the program that asked: it reads what the page reads, and leaving is Stop."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import msgspec

from context_app.services.turn_writes import Started
from context_app.services.turns import stop
from context_app.streams import runtime
from context_app.streams.reader import Batch, read
from context_app.streams.transcript import decode
from providers_app.errors import error_from
from providers_app.types.events import Event, StreamFailed, StreamStart
from sessions_app.models import Pk

STOP_S = 5.0
"""Seconds that a stopped answer has to be stored."""


async def events(person: Pk, started: Started) -> AsyncGenerator[Event, None]:
    """Yield the stored events of an answer. Leaving before the end stops it and waits until that is stored."""
    ended, begun = False, False
    try:
        async with aclosing(read(started.stream_id)) as items:
            async for item in items:
                if not isinstance(item, Batch):
                    ended = True
                    return
                for event in map(decode, item.events):
                    if isinstance(event, StreamFailed) and not begun:
                        live = runtime.current().find(started.stream_id)
                        raise (live and live.failure) or error_from(event.error)
                    begun = True
                    if isinstance(event, StreamStart):
                        event = msgspec.structs.replace(event, context_id=str(started.context_id))
                    yield event
    finally:
        if not ended:
            await stop(owner=person, stream_id=started.stream_id)
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_S), aclosing(read(started.stream_id)) as items:
                    async for _ in items:
                        pass
