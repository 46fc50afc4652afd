"""Gather what one round of the journal commits: of each running stream what is new, and its ending."""

import logging
import time
from collections.abc import Callable

import msgspec
from django.utils import timezone

from context_app.models import Stream
from context_app.streams import spool
from context_app.streams.live import Ending, LiveStream, fitting

logger = logging.getLogger(__name__)

HEARTBEAT_S = 1.0
"""Interval of a stream's heartbeat. The column is indexed, so not every commit writes it."""
MAX_ENDINGS = 20
"""Streams that end in one round: an ending writes chunks, and the transaction must stay short."""
MAX_PAYLOAD = 1024 * 1024
"""Bytes of events in one segment."""
MAX_ROUND = 4 * 1024 * 1024
"""Bytes of events in one round."""
MAX_ENDING_BYTES = 1024 * 1024
"""Bytes of text after which a round takes no further ending: one takes several times its text while it is written."""


class Piece(msgspec.Struct, frozen=True):
    """The part of a round that belongs to one stream. Frozen: a retried round writes exactly the same."""

    live: LiveStream
    first: int
    last: int
    payload: bytes
    ending: Ending | None
    heartbeat: bool


def gather(streams: list[LiveStream]) -> list[Piece]:
    """Return what is new in ``streams``, and the heartbeats that are due."""
    now = time.monotonic()
    pieces: list[Piece] = []
    endings = size = 0
    room = MAX_ROUND
    for live in streams:
        finish, last = live.finish, live.last  # in this order: no event follows the ending
        first = live.committed + 1
        events = live.between(first, last) if last >= first else []
        if events is None:  # unreachable: only committed events leave the memory
            raise RuntimeError(f"events of stream {live.id} left the memory before they were stored")
        count = fitting(events, MAX_PAYLOAD) if room > 0 else 0
        if count < len(events):
            last, finish = first + count - 1, None
            events = events[:count]
        ending = None
        if finish is not None and endings < MAX_ENDINGS and size < MAX_ENDING_BYTES:
            endings += 1
            size += live.share.kept
            ending = _finished(live, finish)
        heartbeat = now - live.heartbeat >= HEARTBEAT_S
        if events or ending is not None or heartbeat:
            payload = spool.join(events) if events else b""
            room -= len(payload)
            pieces.append(Piece(live, first, last, payload, ending, heartbeat))
    return pieces


def _finished(live: LiveStream, finish: Callable[[], Ending]) -> Ending:
    """Return the ending of a stream; of one that cannot be made, what every ending has."""
    try:
        return finish()
    except Exception:
        logger.exception("the ending of the answer %s could not be made", live.id)
        problem = {
            "code": "internal_error",
            "message": "The answer could not be stored because of an error in Maestro.",
        }
        result = {"complete": False, "finish_reason": "error", "error": problem}
        return Ending(state=Stream.State.FAILED, result=result, chunks=(), at=timezone.now())
