"""The journal: one thread per process that commits what all running streams gathered, in one transaction per interval.

Each round: gather what is new → commit (segments, progress, endings) → tell readers and the spool → look for Stop
requests. A round that fails for the database's sake (locked, connection lost) is repeated as it is until it succeeds:
a repeated insert of the same segment changes nothing, so nothing is lost, doubled or out of order. A round that fails
for a stream's sake (its owner was deleted, say) is done again stream by stream, and only that stream is given up.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections, transaction
from django.utils import timezone

from context_app.models import Stream
from context_app.streams import rounds, writes
from context_app.streams.live import LiveStream
from context_app.streams.spool import Spool

logger = logging.getLogger(__name__)

QUIET_POLL_S = 0.25
"""How long a round waits while nothing new arrives; also how late a Stop from elsewhere is seen then."""
IDLE_CLOSE_S = 5.0
"""The connection is given back when no stream ran for this long."""
MAX_BACKOFF_S = 1.0
SURPRISES = 3
"""How often a round is tried whose error is none of the database's."""


class Journal:
    """``add`` streams, ``poke`` when something urgent happened, ``stop`` at the end. ``committed`` and ``lost`` are
    told on the journal's thread which streams made progress, and which no longer belong to this process."""

    def __init__(
        self,
        process: str,
        interval_s: float,
        spool: Spool,
        *,
        committed: Callable[[list[LiveStream]], None],
        cancelled: Callable[[UUID], object],
        lost: Callable[[LiveStream], None],
    ) -> None:
        self.process = process
        self.interval_s = interval_s
        self.failing_since: float | None = None
        self._spool = spool
        self._committed = committed
        self._cancelled = cancelled
        self._lost = lost
        self._lock = threading.Lock()
        self._streams: dict[UUID, LiveStream] = {}
        self._stuck: list[LiveStream] = []
        self._wake = threading.Event()
        self._halt = threading.Event()
        self._stopping = False
        self._deadline = 0.0
        self._thread: threading.Thread | None = None

    def add(self, live: LiveStream) -> None:
        """Look after a stream from now on, until its ending is stored."""
        live.heartbeat = time.monotonic()
        with self._lock:
            self._streams[live.id] = live
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()
        self._wake.set()

    def open_streams(self) -> list[LiveStream]:
        """The streams whose ending is not stored yet."""
        with self._lock:
            return list(self._streams.values())

    def poke(self) -> None:
        """Do the next round now: a stream ended, or the spool refuses."""
        self._wake.set()

    def stop(self, timeout: float) -> bool:
        """Commit what is left within ``timeout`` seconds and end the thread; ``True`` when nothing is left."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stopping = True
            self._deadline = time.monotonic() + timeout
        self._halt.set()
        self._wake.set()
        if thread is not None:
            thread.join(timeout + 0.2)
        return not self._needed()

    def _run(self) -> None:
        quiet_since = time.monotonic()
        while True:
            try:
                pieces = rounds.gather(self.open_streams())
                if pieces:
                    self._write(pieces)
                if self.open_streams():
                    quiet_since = time.monotonic()
                    for stream in writes.cancel_requests(self.process):
                        self._cancelled(stream)
            except Exception as error:
                # Nothing that happens in a round may end the thread that keeps everybody's answers.
                logger.exception("a round of the journal failed (%s)", type(error).__name__)
                self._drop_connection()
                pieces = []
                self._pause(MAX_BACKOFF_S)
            if self._stopping and (not self.open_streams() or time.monotonic() > self._deadline):
                break
            if not pieces and not self.open_streams() and time.monotonic() - quiet_since > IDLE_CLOSE_S:
                self._drop_connection()
            self._rest(pieces)
        connections.close_all()

    def _rest(self, pieces: list[rounds.Piece]) -> None:
        """Between two rounds."""
        streams = self.open_streams()
        if self._stopping:
            self._pause(0.01)
        elif sum(piece.ending is not None for piece in pieces) >= rounds.MAX_ENDINGS:
            self._wake.clear()  # more of them are waiting
        elif pieces or any(live.last > live.committed or live.ending is not None for live in streams):
            self._pause(self.interval_s, whole=True)
        else:
            self._pause(QUIET_POLL_S if streams else IDLE_CLOSE_S)

    def _pause(self, seconds: float, *, whole: bool = False) -> None:
        # A whole interval is what makes commits few: being poked does not shorten it, only being stopped does.
        alarm = self._halt if whole and not self._stopping else self._wake
        alarm.wait(seconds)
        self._wake.clear()

    def _write(self, pieces: list[rounds.Piece]) -> None:
        """Commit ``pieces``, however long the database takes. While stopping, only until the deadline."""
        delay = self.interval_s
        surprises = 0
        while True:
            try:
                lost, gone = self._commit(pieces)
                break
            except (OperationalError, InterfaceError) as error:
                if self.failing_since is None:
                    self.failing_since = time.monotonic()
                    logger.warning("the journal cannot commit (%s); it keeps everything and tries again", error)
                self._drop_connection()
                if self._stopping and time.monotonic() > self._deadline:
                    return
                self._pause(delay, whole=True)
                delay = min(delay * 2, MAX_BACKOFF_S)
            except DatabaseError as error:  # no outage: these rows would be refused every time
                self._apart(pieces, error)
                return
            except Exception as error:  # noqa: BLE001 - whatever one stream's rows provoke must not stop the others
                self._drop_connection()
                surprises += 1
                if surprises >= SURPRISES:
                    self._apart(pieces, error)
                    return
                self._pause(delay, whole=True)
        if self.failing_since is not None:
            logger.warning("the journal commits again after %.1f s", time.monotonic() - self.failing_since)
            self.failing_since = None
        self._settle(pieces, lost, gone)

    def _apart(self, pieces: list[rounds.Piece], error: Exception) -> None:
        """One of the streams is at fault: each on its own, and give up the one that fails alone."""
        if len(pieces) == 1:
            self._give_up(pieces[0].live, error)
            return
        for piece in pieces:
            self._write([piece])

    def _commit(self, pieces: list[rounds.Piece]) -> tuple[set[UUID], set[UUID]]:
        """One transaction. Returns the streams that another process took over, and those that were deleted."""
        with transaction.atomic():
            going = [piece for piece in pieces if piece.ending is None]
            lost: set[UUID] = set()
            for beat in (True, False):
                progress = [(piece.live.id, piece.last) for piece in going if piece.beat is beat]
                lost |= writes.advance(progress, self.process, timezone.now(), beat=beat)
            gone = lost - set(Stream.objects.filter(id__in=lost).values_list("id", flat=True)) if lost else set()
            writes.insert_segments(
                writes.SegmentRow(piece.live.id, piece.first, piece.last, piece.payload)
                for piece in pieces
                if piece.payload and piece.live.id not in gone
            )
            for piece in pieces:
                if piece.ending is not None and not writes.finish(
                    piece.live.id, piece.ending, piece.last, process=self.process
                ):
                    lost.add(piece.live.id)
                if piece.live.id in lost:  # stored all the same, for it was shown
                    Stream.objects.filter(id=piece.live.id, last_seq__lt=piece.last).update(last_seq=piece.last)
        return lost - gone, gone

    def _settle(self, pieces: list[rounds.Piece], lost: set[UUID], gone: set[UUID]) -> None:
        now = time.monotonic()
        for piece in pieces:
            live = piece.live
            if piece.beat:
                live.heartbeat = now
            live.committed = max(live.committed, piece.last)
            live.accept(piece.last)  # where the spool refused, this is what makes them visible
            if live.id in gone:
                self._drop(live)
            elif live.id in lost:
                # Nothing more is let in; what came in since this round began goes into the next.
                live.fence()
                self._cancelled(live.id)
                if live.committed >= live.last:
                    self._drop(live)
            elif piece.ending is not None:
                live.stored = True
                self._forget(live)
                live.wake()
            live.trim()
        self._spool.compact(self._needed)
        self._committed([piece.live for piece in pieces])

    def _give_up(self, live: LiveStream, error: Exception) -> None:
        """Stored it cannot be, but what was shown stays in the spool, and the next start tries again."""
        logger.error("stream %s cannot be stored (%s: %s)", live.id, type(error).__name__, error)
        with self._lock:
            self._stuck.append(live)
        self._drop(live)

    def _needed(self) -> list[LiveStream]:
        """The streams for whose sake the spool is kept."""
        with self._lock:
            return [*self._streams.values(), *self._stuck]

    def _drop(self, live: LiveStream) -> None:
        live.fence()
        self._forget(live)
        self._lost(live)

    def _forget(self, live: LiveStream) -> None:
        with self._lock:
            self._streams.pop(live.id, None)

    def _drop_connection(self) -> None:
        with suppress(DatabaseError, InterfaceError):
            connection.close()
