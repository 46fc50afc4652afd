"""What one round of the journal writes. Pure: it looks at the running streams and touches nothing."""

import time

import msgspec

from context_app.streams import records
from context_app.streams.live import Ending, LiveStream

HEARTBEAT_S = 1.0
"""How often a stream renews its heartbeat; an index hangs on it, so not in every commit."""
MAX_ENDINGS = 20
"""Streams that end in one round: an ending writes chunks, and the transaction has to stay short."""
MAX_PAYLOAD = 1024 * 1024
"""Bytes of events in one segment."""


class Piece(msgspec.Struct, frozen=True):
    """What one round writes for one stream. Frozen: a repeated round writes exactly the same."""

    live: LiveStream
    first: int
    last: int
    payload: bytes
    ending: Ending | None
    beat: bool


def gather(streams: list[LiveStream]) -> list[Piece]:
    """What is new of ``streams``, and the heartbeats that are due."""
    now = time.monotonic()
    pieces: list[Piece] = []
    endings = 0
    for live in streams:
        ending, last = live.ending, live.last  # in this order: no event comes after the ending
        first = live.committed + 1
        events = live.between(first, last) if last >= first else []
        if events is None:  # cannot be: only committed events leave the memory
            raise RuntimeError(f"events of stream {live.id} left the memory before they were stored")
        fitting = _fitting(events)
        if fitting < len(events):
            last, ending = first + fitting - 1, None
            events = events[:fitting]
        if ending is not None:
            endings += 1
            if endings > MAX_ENDINGS:
                ending = None
        beat = now - live.heartbeat >= HEARTBEAT_S
        if events or ending is not None or beat:
            pieces.append(Piece(live, first, last, records.join(events) if events else b"", ending, beat))
    return pieces


def _fitting(events: list[bytes]) -> int:
    size = 0
    for index, event in enumerate(events):
        size += len(event)
        if size > MAX_PAYLOAD and index:
            return index
    return len(events)
