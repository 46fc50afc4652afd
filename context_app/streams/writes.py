"""Write streams to the database: progress, segments, endings, chunks.

Plain SQL is used where a row is written for every stream and commit.
"""

import datetime
import uuid
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from django.db import connection
from django.utils import timezone

from context_app import media_store, selectors, sending, tokens
from context_app.models import Context, ContextChunk, Stream, StreamSegment, Turn
from context_app.streams import spool
from context_app.streams.live import AnswerChunk, Ending
from providers_app.chat.counting import IMAGE_TOKENS
from sessions_app.models import AuthSession


class SegmentRow(msgspec.Struct, frozen=True):
    """The events ``first..last`` of a stream, as they are stored."""

    stream: UUID
    first: int
    last: int
    payload: bytes


def insert_segments(rows: Iterable[SegmentRow]) -> None:
    """Append segments. Existing rows are left alone, so a commit whose answer was lost can be retried."""
    binary = connection.Database.Binary  # type: ignore[attr-defined]
    values = [(_key(row.stream), row.first, row.last, binary(row.payload)) for row in rows]
    if values:
        names = ", ".join(_column(StreamSegment, name) for name in ("stream", "first_seq", "last_seq", "payload"))
        table = connection.ops.quote_name(StreamSegment._meta.db_table)
        sql = f"INSERT INTO {table} ({names}) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"  # noqa: S608
        with connection.cursor() as cursor:
            cursor.executemany(sql, values)


def advance(
    progress: Sequence[tuple[UUID, int]], process: str, now: datetime.datetime, *, heartbeat: bool = True
) -> set[UUID]:
    """Store the progress of streams and, with ``heartbeat``, renew it. Returns those that are not this process's."""
    if not progress:
        return set()
    table = connection.ops.quote_name(Stream._meta.db_table)
    running = Stream.State.RUNNING.value
    field: Any = Stream._meta.get_field("heartbeat_at")
    also = ", heartbeat_at = %s" if heartbeat else ""
    at = (field.get_db_prep_save(now, connection),) if heartbeat else ()
    sql = f"UPDATE {table} SET last_seq = %s{also} WHERE id = %s AND state = %s AND process = %s"  # noqa: S608
    rows = [(last, *at, _key(stream), running, process) for stream, last in progress]
    with connection.cursor() as cursor:
        cursor.executemany(sql, rows)
        if cursor.rowcount == len(progress):
            return set()
    ids = {stream for stream, _ in progress}
    mine = Stream.objects.filter(id__in=ids, state=Stream.State.RUNNING, process=process)
    return ids - set(mine.values_list("id", flat=True))


def _key(stream: UUID) -> Any:
    """Return a UUID as the database's driver takes it."""
    return stream if connection.features.has_native_uuid_field else stream.hex


def _column(model: Any, name: str) -> str:
    return connection.ops.quote_name(model._meta.get_field(name).column)


def finish(stream: UUID, ending: Ending, last_seq: int, *, process: str | None = None) -> bool:
    """Mark a running stream as ended and write its chunks, exactly once; ``False`` when it no longer runs.

    With ``process``, it must still belong to that process. A stream that this very ending ended before (the commit's
    answer was lost) counts as ended by this call.
    """
    running = Stream.objects.filter(id=stream, state=Stream.State.RUNNING)
    if process is not None:
        running = running.filter(process=process)
    changed = running.update(
        state=ending.state, result=ending.result, last_seq=last_seq, ended_at=ending.at, heartbeat_at=ending.at
    )
    if changed:
        write_chunks(stream, ending)
        return True
    return Stream.objects.filter(id=stream, state=ending.state, ended_at=ending.at).exists()


def write_chunks(stream: UUID, ending: Ending) -> None:
    """Put the answer right behind its question. A chunk's id follows from the stream, so writing it again is safe."""
    turn = Turn.objects.select_related("context").filter(stream_id=stream).first()
    if turn is None:  # the chat is gone, or the turn was asked again
        return
    _note_route(turn, ending)
    # First, because it locks the context: a chunk that is appended meanwhile would read the same end.
    Context.objects.filter(pk=turn.context_id).update(updated_at=timezone.now())
    order = selectors.question_end(turn) + 1
    state = ContextChunk.State.COMPLETE if ending.state == Stream.State.COMPLETE else ContextChunk.State.PARTIAL
    media_store.claim((chunk.metadata for chunk in ending.chunks if chunk.kind == "image"), turn.context)
    provenance = {"stream": str(stream), "provider": turn.provider, "model": turn.model}
    rows = [
        ContextChunk(
            id=uuid.uuid5(stream, str(index)),
            context_id=turn.context_id,
            turn=turn,
            order=order + index,
            role=ContextChunk.Role.ASSISTANT,
            kind=chunk.kind,
            content=chunk.content,
            tokens=_tokens(chunk),
            state=state,
            intent=chunk.intent,
            metadata=chunk.metadata,
            provenance=provenance,
        )
        for index, chunk in enumerate(ending.chunks)
    ]
    ContextChunk.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["id"],
        update_fields=["content", "tokens", "state", "intent", "metadata"],
    )
    sending.store(ContextChunk.objects.filter(turn=turn))  # rows that were there already may be edited since


def _note_route(turn: Turn, ending: Ending) -> None:
    """Note which session and model answered a turn that an alias was asked."""
    routing = ending.result.get("routing")
    if not routing:
        return
    turn.provider, turn.model = routing["provider"], routing["model"]
    turn.session_label = f"{routing['provider']}/{routing['session']}"
    columns = {"provider": turn.provider, "model": turn.model, "session_label": turn.session_label}
    session = AuthSession.objects.filter(pk=routing["session_id"]).values_list("pk", flat=True).first()
    Turn.objects.filter(pk=turn.pk).update(**columns, session_id=session)


def _tokens(chunk: AnswerChunk) -> int:
    """Estimate the tokens of a chunk as it would be sent."""
    if chunk.kind == "image":
        return IMAGE_TOKENS
    data = chunk.metadata.get("data")
    return tokens.estimate(chunk.content if data is None else msgspec.json.encode(data).decode())


def cancel_requests(process: str) -> set[UUID]:
    """Return the running streams of ``process`` that were asked to stop, in whatever process."""
    rows = Stream.objects.filter(process=process, state=Stream.State.RUNNING, cancel_requested_at__isnull=False)
    return set(rows.values_list("id", flat=True))


def stored_events(stream: UUID) -> tuple[int, list[bytes]]:
    """Return the number of the last stored event of a stream, and its stored events in order."""
    rows = StreamSegment.objects.filter(stream_id=stream).order_by("first_seq").values_list("last_seq", "payload")
    events: list[bytes] = []
    last = 0
    for last, payload in rows:  # noqa: B007 - the last one is returned
        events += spool.split(payload)
    return last, events
