"""Read a stream from a cursor on: every event once, in order, in whatever process the stream runs or ran.

In the process that runs it, a reader waits for its event and slices the memory tail: no database, no channel layer.
Elsewhere it reads the journal every 500 ms, sooner when the channel layer announces news. A reader holds only a
cursor, so a slow one costs no memory: it gets more events at a time.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any
from uuid import UUID

import msgspec

from context_app.models import Stream, StreamSegment
from context_app.streams import pubsub, spool
from context_app.streams.live import LiveStream, Waiter
from context_app.streams.runtime import Runtime, current
from providers_app.errors import CallerError
from sessions_app.errors import StoreUnavailable
from sessions_app.stores.pool import in_store

MAX_EVENTS = 2000
MAX_BYTES = 256 * 1024
POLL_S = 0.5
ANNOUNCE_S, REANNOUNCE_S = 20.0, 1.0
"""Interval at which a remote reader announces itself: while it is told of news, and while it is not."""
BEYOND_GRACE_S = 2.0
"""A cursor of another process may be ahead of the journal by one commit; after this time it is wrong."""
MAX_STORE_WAIT_S = 5.0


class UnknownStream(CallerError, code="unknown_stream", status=404):
    """No such stream, or not the caller's."""

    why = "Its chat was deleted, or the page is older than the stored answer."
    fix = "Reload the page."


class Batch(msgspec.Struct, frozen=True):
    """Encoded events from ``first_seq`` on, without gaps."""

    first_seq: int
    events: list[bytes]

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self.events) - 1


class Ended(msgspec.Struct, frozen=True):
    """The stream is over and stored; nothing follows."""

    state: str
    last_seq: int
    result: dict[str, Any]


class Reset(msgspec.Struct, frozen=True):
    """The cursor is beyond what is stored, which is ``length`` events; nothing follows."""

    length: int


Item = Batch | Ended | Reset


async def read(stream_id: UUID, after: int = 0) -> AsyncGenerator[Item, None]:
    """Yield what follows event ``after``, until ``Ended`` or ``Reset``. Raises ``UnknownStream``.

    The caller checks ownership. An outage of the database is waited out.
    """
    cursor = max(0, after)
    runtime = current()
    while True:
        live = runtime.find(stream_id)
        source = _local(live, cursor) if live and not live.released else _journal(runtime, stream_id, cursor)
        async with aclosing(source) as items:
            async for item in items:
                if isinstance(item, Batch):
                    cursor = item.last_seq
                yield item
                if not isinstance(item, Batch):
                    return


async def _local(live: LiveStream, cursor: int) -> AsyncGenerator[Item, None]:
    """Read from memory. Ends without ``Ended`` when the journal has to be read instead."""
    waiter = Waiter()
    live.join(waiter)
    try:
        while not live.released:
            waiter.reset()
            ending = live.ending if live.stored else None
            if cursor > live.accepted:
                yield Reset(live.accepted)
                return
            events = live.visible(cursor, MAX_EVENTS, MAX_BYTES)
            if events is None:
                # So slow a reader that memory no longer has its place: one batch from the journal.
                found = await _patient_fetch(live.id, cursor)
                if found is None or found.batch is None:
                    return
                cursor = found.batch.last_seq
                yield found.batch
            elif events:
                yield Batch(cursor + 1, events)
                cursor += len(events)
            elif ending is not None:
                yield Ended(ending.state, cursor, ending.result)
                return
            else:
                await waiter.wait()
    finally:
        live.leave(waiter)


async def _journal(runtime: Runtime, stream_id: UUID, cursor: int) -> AsyncGenerator[Item, None]:
    """Read from the database, until the end or until the stream runs in this process."""
    waiter = Waiter()
    loop = asyncio.get_running_loop()
    announced, informed, beyond_since = 0.0, 0.0, None

    def on_message(_: dict[str, Any]) -> None:
        nonlocal informed
        informed = loop.time()
        waiter.ring()

    listener = pubsub.Listener(f"stream.{stream_id}", on_message)
    try:
        while (live := runtime.find(stream_id)) is None or live.released:
            waiter.reset()
            found = await _patient_fetch(stream_id, cursor)
            if found is None:
                raise UnknownStream("There is no such answer.")
            if found.batch is not None:
                cursor, beyond_since = found.batch.last_seq, None
                yield found.batch
                continue
            if found.state != Stream.State.RUNNING:
                # Of a stream whose segments were pruned there is nothing but the ending, wherever the cursor was.
                yield Ended(found.state, found.length, found.result) if cursor <= found.length else Reset(found.length)
                return
            if cursor > found.length:
                beyond_since = beyond_since or loop.time()
                if loop.time() - beyond_since > BEYOND_GRACE_S:
                    yield Reset(found.length)
                    return
            # The layer may have lost the announcement; a runner without one sends nothing.
            if loop.time() - announced > (ANNOUNCE_S if informed > announced else REANNOUNCE_S):
                announced = loop.time()
                await pubsub.send(f"process.{found.process}", {"type": "reader", "stream": str(stream_id)})
            await waiter.wait(POLL_S)
    finally:
        await listener.close()


class _Found(msgspec.Struct, frozen=True):
    state: str
    process: str
    length: int
    result: dict[str, Any]
    batch: Batch | None


def _fetch(stream_id: UUID, cursor: int) -> _Found | None:
    # The state is read first: if it says "ended", all segments were there before it.
    row = Stream.objects.filter(id=stream_id).values_list("state", "process", "last_seq", "result").first()
    if row is None:
        return None
    segments = StreamSegment.objects.filter(stream_id=stream_id, last_seq__gt=cursor).order_by("first_seq")
    events: list[bytes] = []
    size = 0
    for first_seq, payload in segments.values_list("first_seq", "payload").iterator(chunk_size=50):
        if first_seq > cursor + len(events) + 1:
            break  # unreachable: segments have no gaps; behind one, nothing may be shown
        fresh = spool.split(bytes(payload))[cursor + len(events) + 1 - first_seq :]
        events += fresh
        size += len(payload)
        if size >= MAX_BYTES or len(events) >= MAX_EVENTS:
            break
    return _Found(*row, Batch(cursor + 1, events) if events else None)


async def _patient_fetch(stream_id: UUID, cursor: int) -> _Found | None:
    delay = POLL_S
    while True:
        try:
            return await in_store(_fetch, stream_id, cursor)
        except StoreUnavailable:
            await asyncio.sleep(delay)
            delay = min(delay * 2, MAX_STORE_WAIT_S)
