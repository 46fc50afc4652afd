"""Commit what all running streams have gathered, in one transaction per interval, on one thread per process.

Each round: gather what is new, commit it (segments, progress, endings), tell readers and the spool, look for Stop
requests. A round that fails because of an outage (locked, connection lost) is retried as it is until it succeeds:
inserting the same segment again changes nothing, so nothing is lost, doubled or out of order. A round that fails
because of one stream (its owner was deleted, say) is committed stream by stream, and only that stream is given up.
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
from context_app.streams import spool, writes
from context_app.streams.live import LiveStream
from context_app.streams.rounds import MAX_ENDINGS, Piece, gather
from providers_app.dispatch.budget import give_back

logger = logging.getLogger(__name__)

QUIET_POLL_S = 0.25
"""Length of a round without news; a Stop from another process is noticed within this time."""
IDLE_CLOSE_S = 5.0
"""Time without running streams after which the database connection is closed."""
MAX_BACKOFF_S = 1.0
ATTEMPTS = 3
"""Attempts at a round whose error does not come from the database."""


class Journal:
    """The journal of one process.

    ``committed``, ``cancelled`` and ``lost`` are called on the journal's thread: with streams that made progress,
    with the id of a stream that is to stop, and with a stream that no longer belongs to this process.
    """

    def __init__(
        self,
        process: str,
        interval_s: float,
        spool: spool.Spool,
        *,
        committed: Callable[[list[LiveStream]], None],
        cancelled: Callable[[UUID], object],
        lost: Callable[[LiveStream], None],
    ) -> None:
        self.process = process
        self.interval_s = interval_s
        self.failing_since: float | None = None
        self._round_s = 0.0  # that the last round took
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
        self._large = False  # an ending took much memory
        self._deadline = 0.0
        self._thread: threading.Thread | None = None

    def add(self, live: LiveStream) -> None:
        """Store a stream from now on, until its ending is stored."""
        live.heartbeat = time.monotonic()
        with self._lock:
            self._streams[live.id] = live
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
                self._thread.start()
        self._wake.set()

    def open_streams(self) -> list[LiveStream]:
        """Return the streams whose ending is not stored yet."""
        with self._lock:
            return list(self._streams.values())

    def lag_s(self) -> float:
        """Return for how many seconds it cannot commit, else how long the last commit took."""
        since = self.failing_since
        return self._round_s if since is None else time.monotonic() - since

    def poke(self) -> None:
        """Begin the next round now: a stream ended, or the spool refuses."""
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
        return not self._unstored()

    def _run(self) -> None:
        quiet_since = time.monotonic()
        while True:
            try:
                pieces: list[Piece] = []
                if self._large:  # nothing refers to it any more
                    self._large = False
                    give_back()
                pieces = gather(self.open_streams())
                if pieces:
                    begun = time.monotonic()
                    self._write(pieces)
                    self._round_s = time.monotonic() - begun
                if self.open_streams():
                    quiet_since = time.monotonic()
                    for stream in writes.cancel_requests(self.process):
                        self._cancelled(stream)
            except Exception as error:
                # No error of one round may end the thread that stores every answer.
                logger.exception("a round of the journal failed (%s)", type(error).__name__)
                self._drop_connection()
                pieces = []
                self._pause(MAX_BACKOFF_S)
            if self._stopping and (not self.open_streams() or time.monotonic() > self._deadline):
                break
            if not pieces and not self.open_streams() and time.monotonic() - quiet_since > IDLE_CLOSE_S:
                self._drop_connection()
            self._pause_after(pieces)
        connections.close_all()

    def _pause_after(self, pieces: list[Piece]) -> None:
        streams = self.open_streams()
        if self._stopping:
            self._pause(0.01)
        elif sum(piece.ending is not None for piece in pieces) >= MAX_ENDINGS:
            self._wake.clear()  # more of them are waiting
        elif pieces or any(live.last > live.committed or live.finish is not None for live in streams):
            self._pause(self.interval_s, whole=True)
        else:
            self._pause(QUIET_POLL_S if streams else IDLE_CLOSE_S)

    def _pause(self, seconds: float, *, whole: bool = False) -> None:
        # A whole interval is what makes commits few: ``poke`` does not shorten it, only ``stop`` does.
        alarm = self._halt if whole and not self._stopping else self._wake
        alarm.wait(seconds)
        self._wake.clear()

    def _write(self, pieces: list[Piece]) -> None:
        """Commit ``pieces``, however long an outage lasts; while stopping, only until the deadline."""
        delay = self.interval_s
        failures = 0
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
                self._write_separately(pieces, error)
                return
            except Exception as error:  # noqa: BLE001 - an error caused by one stream must not stop the others
                self._drop_connection()
                failures += 1
                if failures >= ATTEMPTS:
                    self._write_separately(pieces, error)
                    return
                self._pause(delay, whole=True)
        if self.failing_since is not None:
            logger.warning("the journal commits again after %.1f s", time.monotonic() - self.failing_since)
            self.failing_since = None
        self._settle(pieces, lost, gone)

    def _write_separately(self, pieces: list[Piece], error: Exception) -> None:
        """Write each stream on its own and give up the one that fails alone."""
        if len(pieces) > 1:
            for piece in pieces:
                self._write([piece])
            return
        live = pieces[0].live
        # Its events stay in the spool, and the next start of the server tries to store them.
        logger.error("stream %s cannot be stored (%s: %s)", live.id, type(error).__name__, error)
        with self._lock:
            self._stuck.append(live)
        self._drop(live)

    def _commit(self, pieces: list[Piece]) -> tuple[set[UUID], set[UUID]]:
        """Commit one transaction. Returns the streams that another process took over, and those that were deleted."""
        with connection.wrap_database_errors, transaction.atomic():
            running = [piece for piece in pieces if piece.ending is None]
            lost: set[UUID] = set()
            for heartbeat in (True, False):
                progress = [(piece.live.id, piece.last) for piece in running if piece.heartbeat is heartbeat]
                lost |= writes.advance(progress, self.process, timezone.now(), heartbeat=heartbeat)
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
                if piece.live.id in lost:  # stored all the same, because it was shown
                    Stream.objects.filter(id=piece.live.id, last_seq__lt=piece.last).update(last_seq=piece.last)
        return lost - gone, gone

    def _settle(self, pieces: list[Piece], lost: set[UUID], gone: set[UUID]) -> None:
        now = time.monotonic()
        for piece in pieces:
            live = piece.live
            if piece.heartbeat:
                live.heartbeat = now
            live.committed = max(live.committed, piece.last)
            live.accept(piece.last)  # makes visible what the spool refused
            if live.id in gone:
                self._drop(live)
            elif live.id in lost:
                # Nothing more is let in; what came in since this round began goes into the next.
                live.fence()
                self._cancelled(live.id)
                if live.committed >= live.last:
                    self._drop(live)
            elif piece.ending is not None:
                self._forget(live)
                live.end(piece.ending)
                self._large |= live.released
            live.trim()
        self._spool.compact(self._unstored)
        self._committed([piece.live for piece in pieces])

    def _unstored(self) -> list[LiveStream]:
        """Return the streams that still need the spool."""
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
