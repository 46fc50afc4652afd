"""Take over the streams of dead processes: store what their spools hold, and mark them as interrupted.

A spool whose lock is free has a dead owner. A stream whose heartbeat is too old has a dead or unreachable one; while a
process of this data folder holds its lock, it is alive but slow, and is given eight times as long. Every change is one
conditional update, so any number of processes may do this at the same time, and none touches a living stream.
"""

import datetime
import fcntl
import logging
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import UUID

import msgspec
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django.utils import timezone

from context_app.models import Stream, Turn
from context_app.streams import spool, writes
from context_app.streams.live import Ending
from context_app.streams.transcript import INTERRUPTED, Transcript, decode
from providers_app.types.events import ErrorInfo

logger = logging.getLogger(__name__)

ALIVE_FACTOR = 8
ATTEMPTS = 5
_HINT = "Regenerate for a whole answer."
DIED = ErrorInfo(code=INTERRUPTED, message="The server died while this answer was being written.", hint=_HINT)
SILENT = ErrorInfo(code=INTERRUPTED, message="The server that wrote this answer stopped responding.", hint=_HINT)


class Contended(Exception):
    """Another process changed the stream at the same time; nothing was stored."""


def run(folder: Path, *, own: frozenset[UUID], process: str, timeout_s: float) -> list[UUID]:
    """Take over dead streams and return those that ended by it. ``own`` are the streams that this ``process`` runs.

    ``timeout_s`` is the age in seconds after which a heartbeat is too old.
    """
    ended: list[UUID] = []
    alive: set[str] = set()
    for name, files in _spools(folder).items():
        if name == process:
            continue
        with _locked(files) as opened:
            if opened is None:
                alive.add(name)
                continue
            found, whole = _replay(name, opened)
            ended += found
            for path in files if whole else ():
                path.unlink(missing_ok=True)
    now = timezone.now()
    stale = Stream.objects.filter(
        state=Stream.State.RUNNING, heartbeat_at__lt=now - datetime.timedelta(seconds=timeout_s)
    )
    for stream in stale.only("id", "process", "heartbeat_at")[:500]:
        slow = stream.process in alive and (now - stream.heartbeat_at).total_seconds() < timeout_s * ALIVE_FACTOR
        if stream.id not in own and not slow and adopt(stream.id, {}, SILENT, heartbeat_before=stream.heartbeat_at):
            ended.append(stream.id)
    if ended:
        logger.warning("%d answers of dead processes are marked as interrupted", len(ended))
    return ended


def adopt(
    stream_id: UUID, events: dict[int, bytes], reason: ErrorInfo, *, heartbeat_before: datetime.datetime | None = None
) -> bool:
    """Store the ``events`` (by number) that the journal lacks, and end the stream if it still runs.

    Events after a gap cannot be stored and were never shown. A stream that had ended keeps its state; its partial chunk
    grows by the new events. With ``heartbeat_before``, nothing happens unless the heartbeat still is that one. Returns
    whether this call ended the stream. Raises ``Contended`` when another process changed it during each attempt.
    """
    for _ in range(ATTEMPTS):
        stream = Stream.objects.filter(id=stream_id).first()
        if stream is None or stream.pruned_at is not None:  # gone, or ended long ago
            return False
        last, known = writes.stored_events(stream_id)
        more: list[bytes] = []
        while (event := events.get(last + 1 + len(more))) is not None:
            more.append(event)
        if stream.state != Stream.State.RUNNING and not more:
            return False
        ending = _ending(stream_id, [*known, *more], reason)
        with transaction.atomic():
            unchanged = Stream.objects.filter(id=stream_id, state=stream.state, last_seq=stream.last_seq)
            if heartbeat_before is not None:
                unchanged = unchanged.filter(heartbeat_at=heartbeat_before)
            if not unchanged.update(last_seq=last + len(more)):
                if heartbeat_before is not None:
                    return False
                continue  # another process changed it in between
            if more:
                writes.insert_segments([writes.SegmentRow(stream_id, last + 1, last + len(more), spool.join(more))])
            if stream.state == Stream.State.RUNNING:
                return writes.finish(stream_id, ending, last + len(more))
            if stream.state == Stream.State.INTERRUPTED:
                _grow(stream, ending, last + len(more))
            return False
    raise Contended(stream_id)


def refresh(stream_id: UUID) -> None:
    """Write the partial chunk of an ended stream again, from all the events that are stored by now."""
    stream = Stream.objects.filter(id=stream_id, state=Stream.State.INTERRUPTED, pruned_at=None).first()
    if stream is None:
        return
    last, known = writes.stored_events(stream_id)
    ending = _ending(stream_id, known, SILENT)
    with transaction.atomic():
        _grow(stream, ending, last)


def _grow(stream: Stream, ending: Ending, last: int) -> None:
    """Extend the chunk and the text of an ended stream; its state stays."""
    writes.write_chunks(stream.id, msgspec.structs.replace(ending, state=stream.state))
    result = {**ending.result, "complete": False, "error": stream.result.get("error")}
    Stream.objects.filter(id=stream.id).update(result=result, last_seq=last)


def _ending(stream_id: UUID, events: list[bytes], reason: ErrorInfo) -> Ending:
    turn = Turn.objects.filter(stream_id=stream_id).first()
    gathered = Transcript(turn.provider if turn is not None else "")
    for event in events:
        try:
            gathered.add(decode(event))
        except msgspec.DecodeError:  # written by another version; it stays stored, the text goes on without it
            logger.warning("an event of stream %s is of an unknown kind", stream_id)
    return gathered.ending(timezone.now(), cut=reason)


def _replay(name: str, files: list[tuple[Path, int]]) -> tuple[list[UUID], bool]:
    """Store the spool of a dead process, and end every stream that it left running.

    Returns the streams that ended, and whether everything was stored: only then may the files be removed.
    """
    found: defaultdict[UUID, dict[int, bytes]] = defaultdict(dict)
    for path, fd in files:
        try:
            with os.fdopen(fd, "rb", closefd=False) as file:
                data = file.read()
            records = [(record, spool.split(record.payload)) for record in spool.parse(data)]
        except (OSError, msgspec.DecodeError) as error:
            aside = path.with_suffix(".unreadable")
            path.rename(aside)
            logger.error("a spool file cannot be read (%s); it is now %s", type(error).__name__, aside)
            continue
        size = 0
        for record, events in records:
            size += spool.HEADER_SIZE + len(record.payload)
            found[record.stream] |= dict(enumerate(events, start=record.first_seq))
        if size < len(data):
            logger.warning("the spool %s has a torn tail of %d bytes, never shown", path.name, len(data) - size)
    left = Stream.objects.filter(process=name, state=Stream.State.RUNNING).values_list("id", flat=True)
    ended, whole = [], True
    for stream in {*found, *left}:
        try:
            if adopt(stream, found.get(stream, {}), DIED):
                ended.append(stream)
        except (OperationalError, InterfaceError):
            raise
        except (Contended, DatabaseError) as error:
            whole = False
            logger.error("the spool of %s is kept: stream %s was not stored (%r)", name, stream, error)
    return ended, whole


def _spools(folder: Path) -> dict[str, list[Path]]:
    """Return the spool files by process, oldest first."""
    found: defaultdict[str, list[tuple[int, Path]]] = defaultdict(list)
    for path in folder.glob("*.log"):
        process, _, number = path.stem.rpartition(".")
        if process and number.isdigit():
            found[process].append((int(number), path))
    return {process: [path for _, path in sorted(files)] for process, files in sorted(found.items())}


@contextmanager
def _locked(files: list[Path]) -> Iterator[list[tuple[Path, int]] | None]:
    """Open and lock all files of a dead process; yield ``None`` when any of them is locked or gone."""
    opened: list[tuple[Path, int]] = []
    with ExitStack() as held:
        try:
            for path in files:
                fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                held.callback(os.close, fd)
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(fd).st_nlink == 0:  # replayed and removed by another process just now
                    raise FileNotFoundError(path)
                opened.append((path, fd))
        except OSError:
            yield None
            return
        yield opened
