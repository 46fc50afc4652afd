"""Remove what is past its retention: deleted chats, streams without a turn, events of old answers."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from context_app import media_store
from context_app.models import Context, Stream, StreamSegment, Turn
from context_app.services import contexts

BATCH = 50
"""Rows per transaction, which has to stay short."""
MAX_BATCHES = 200
"""Batches per run; the next run goes on."""
_PRUNED_STATES = (Stream.State.COMPLETE, Stream.State.CANCELLED, Stream.State.FAILED)


class Removed(NamedTuple):
    """The numbers of destroyed chats, streams and files, and of streams that lost their events."""

    contexts: int
    streams: int
    pruned: int
    files: int


def prune() -> Removed:
    """Remove everything that is due. Safe to run again, and in several processes at once."""
    now, config = timezone.now(), settings.MAESTRO.context
    ended_before = now - timedelta(days=config.segment_retention_days)
    gone = _in_batches(_contexts, now - contexts.KEEP_DELETED)
    streams, pruned = _in_batches(_orphans, ended_before), _in_batches(_segments, ended_before)
    _in_batches(
        lambda before: media_store.delete_unclaimed(before, BATCH), now - timedelta(days=config.media_retention_days)
    )
    return Removed(gone, streams, pruned, media_store.sweep())


def _in_batches(remove: Callable[[datetime], int], before: datetime) -> int:
    total = 0
    for _ in range(MAX_BATCHES):
        total += (count := remove(before))
        if count < BATCH:
            break
    return total


def _contexts(deleted_before: datetime) -> int:
    # A stream that is still written must end first: its journal goes on adding rows to it.
    running = Turn.objects.filter(context=OuterRef("pk"), stream__state=Stream.State.RUNNING)
    due = Context.objects.filter(~Exists(running), deleted_at__lt=deleted_before).order_by("deleted_at")
    rows = list(due[:BATCH])
    for context in rows:
        contexts.destroy(context)
    return len(rows)


def _orphans(ended_before: datetime) -> int:
    """Delete streams without a turn: after a retry, or after an operator deleted the chat."""
    due = Stream.objects.filter(turn__isnull=True, ended_at__lt=ended_before).exclude(state=Stream.State.RUNNING)
    keys = list(due.values_list("pk", flat=True)[:BATCH])
    Stream.objects.filter(pk__in=keys).delete()
    return len(keys)


def _segments(ended_before: datetime) -> int:
    """Delete the events of answers that are complete in their chunks.

    Interrupted answers keep theirs: the spool of a machine that was away may still add to them.
    """
    due = Stream.objects.filter(pruned_at=None, ended_at__lt=ended_before, state__in=_PRUNED_STATES)
    keys = list(due.values_list("pk", flat=True)[:BATCH])
    with transaction.atomic():
        StreamSegment.objects.filter(stream_id__in=keys).delete()
        Stream.objects.filter(pk__in=keys, pruned_at=None).update(pruned_at=timezone.now())
    return len(keys)
