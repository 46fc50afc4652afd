"""Keep what was shown in files until it is in the database.

Each file ``<process>.<n>.log`` is locked (``flock``) as long as its process lives, so a free lock means a dead owner.
A write is one ``os.write`` without fsync: it survives SIGKILL of the process, not a power cut. Files are private to
their user. They consist of framed records, each with its own checksum, so that a torn tail is recognised:

    magic "MSP1" | stream id (16) | number of the first event (u64) | length (u32) | CRC-32 (u32) | payload

The payload is a JSON array of events, the same bytes that a segment holds.
"""

import fcntl
import logging
import os
import struct
import threading
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import msgspec

from context_app.streams.live import LiveStream

logger = logging.getLogger(__name__)

ROTATE_BYTES = 8 * 1024 * 1024
MAGIC = b"MSP1"
_HEADER = struct.Struct(">4s16sQII")
HEADER_SIZE = _HEADER.size
_array = msgspec.json.Decoder(list[msgspec.Raw])


class Record(msgspec.Struct, frozen=True):
    """The events of one upstream read of one stream; ``payload`` is a JSON array."""

    stream: UUID
    first_seq: int
    payload: bytes


def join(events: list[bytes]) -> bytes:
    """Return encoded events as a JSON array."""
    return b"[" + b",".join(events) + b"]"


def split(payload: bytes | memoryview) -> list[bytes]:
    """Return the encoded events of a JSON array, without decoding them. Raises ``msgspec.DecodeError``."""
    return [bytes(item) for item in _array.decode(payload)]


def frame(stream: UUID, first_seq: int, payload: bytes) -> bytes:
    """Return one record, ready to be appended to a spool file."""
    crc = _checksum(stream.bytes, first_seq, payload)
    return _HEADER.pack(MAGIC, stream.bytes, first_seq, len(payload), crc) + payload


def parse(data: bytes) -> Iterator[Record]:
    """Yield the records at the front of ``data``, up to the first that is torn or damaged."""
    position = 0
    while position + _HEADER.size <= len(data):
        magic, stream, first_seq, length, crc = _HEADER.unpack_from(data, position)
        start = position + _HEADER.size
        payload = data[start : start + length]
        if magic != MAGIC or len(payload) < length or _checksum(stream, first_seq, payload) != crc:
            return
        yield Record(UUID(bytes=stream), first_seq, payload)
        position = start + length


def _checksum(stream: bytes, first_seq: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(stream + first_seq.to_bytes(8, "big")))


class SpoolFile:
    """One open, locked, append-only file. Raises ``OSError`` from its constructor when it cannot be made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        # Locked under another name first, so that no process ever sees it unlocked.
        hidden = path.with_name(f".{path.name}")
        self.fd = os.open(hidden, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            hidden.rename(path)
        except OSError:
            os.close(self.fd)
            hidden.unlink(missing_ok=True)
            raise

    def write(self, data: bytes) -> None:
        """Append all of ``data`` or, with ``OSError``, none of it."""
        try:
            written = os.write(self.fd, data)
        except OSError:
            self._cut()
            raise
        if written != len(data):
            self._cut()
            raise OSError(f"the spool took {written} of {len(data)} bytes")
        self.size += written

    def empty(self) -> None:
        os.ftruncate(self.fd, 0)
        self.size = 0

    def close(self, *, remove: bool) -> None:
        if remove:
            self.path.unlink(missing_ok=True)
        os.close(self.fd)

    def _cut(self) -> None:
        # A half-written record in the middle would hide everything behind it from a replay.
        with suppress(OSError):
            os.ftruncate(self.fd, self.size)


class Spool:
    """The files of one process. Every method may be called from any thread.

    ``write`` runs on the event loop, so it waits for nothing but another write: files are made, emptied and removed
    outside its lock. Two files take turns for that: one is written while the other is emptied.
    """

    def __init__(self, folder: Path, process: str) -> None:
        self.folder = folder
        self.process = process
        self.failing = False
        self._lock = threading.Lock()  # which file is current, and writing to it
        self._upkeep = threading.Lock()  # making, emptying and removing files
        self._file: SpoolFile | None = None
        self._spare: SpoolFile | None = None
        self._retired: list[tuple[SpoolFile, dict[UUID, int]]] = []
        self._number = 0

    def open(self) -> None:
        """Make the first file, so that this process is known to live before it owns a stream. Raises ``OSError``."""
        with self._upkeep:
            if self._file is None:
                self._file = self._make()

    def write(self, streams: Collection[LiveStream]) -> bool:
        """Append what the streams have beyond their ``spooled`` number and accept it; ``False`` when the disk refuses.

        Refused events stay where they are: they are part of the next write, and the journal accepts them if it is
        first.
        """
        with self._lock:
            parts: list[bytes] = []
            reached: list[tuple[LiveStream, int]] = []
            for live in streams:
                last = live.last
                events = live.between(max(live.spooled, live.committed) + 1, last) if last > live.spooled else None
                if events:
                    payload = join(events)
                    parts.append(frame(live.id, last - len(events) + 1, payload))
                if last > live.spooled:
                    reached.append((live, last))
            try:
                if parts:
                    self._current().write(b"".join(parts))
            except OSError as error:
                if not self.failing:
                    logger.error("the spool cannot be written (%s); answers are shown when the journal has them", error)
                self.failing = True
                return False
            self.failing = False
            for live, last in reached:
                live.spooled = last
        for live, last in reached:
            live.accept(last)
        return True

    def compact(self, running: Callable[[], Collection[LiveStream]]) -> None:
        """Drop what the journal has; start another file when the current one is large and still needed."""
        with self._upkeep:
            current = self._file
            if current is not None and current.size and self._spare is None:
                try:
                    self._spare = self._make()
                except OSError as error:
                    logger.error("the spool cannot be rotated (%s)", error)
            with self._lock:
                # Asked under the lock: a stream that came since the caller looked may have written already.
                streams = running()
                marks = {live.id: live.spooled for live in streams if live.spooled > live.committed}
                if current is not None and self._spare is not None and current.size > (ROTATE_BYTES if marks else 0):
                    self._file, self._spare = self._spare, None
                    self._retired.append((current, marks))
            committed = {live.id: live.committed for live in streams}
            retired, self._retired = self._retired, []
            for file, marks in retired:
                if any(committed.get(stream, mark) < mark for stream, mark in marks.items()) or not self._reuse(file):
                    self._retired.append((file, marks))

    def close(self, *, clean: bool) -> None:
        """Release the files. ``clean`` says that the journal has everything; else they stay for a take-over."""
        with self._upkeep:
            files, spare = self._files(), self._spare
            with self._lock:
                self._file = None
            self._spare, self._retired = None, []
            for file in files:
                file.close(remove=clean or file is spare)

    def forget_in_child(self) -> None:
        """After a fork: the child must not hold the parent's lock open."""
        for file in self._files():
            with suppress(OSError):
                os.close(file.fd)

    def _files(self) -> list[SpoolFile]:
        return [file for file in (self._file, self._spare, *(file for file, _ in self._retired)) if file is not None]

    def _reuse(self, file: SpoolFile) -> bool:
        """Empty a file whose events are all committed, or remove it; ``False`` when the disk refuses."""
        try:
            if self._spare is None:
                file.empty()
                self._spare = file
            else:
                file.close(remove=True)
        except OSError as error:
            logger.error("the spool file %s cannot be emptied (%s)", file.path.name, error)
            return False
        return True

    def _current(self) -> SpoolFile:
        if self._file is None:
            raise FileNotFoundError("there is no spool file")
        return self._file

    def _make(self) -> SpoolFile:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._number += 1
        return SpoolFile(self.folder / f"{self.process}.{self._number}.log")
