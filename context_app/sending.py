"""Decide whether a row of a context is sent, and write the decision to the row (``ContextChunk.not_sent``).

A chunk that is deleted, excluded, still streaming, blank or without its data is not sent. Pinning never sends what is
excluded; it protects from everything that removes many chunks at once. A tool call and its result are one thing: a
result is sent if its call is, and one for each call. Every service that writes chunks calls ``store`` (``decide`` for
rows that it creates), so that the panel and the counts can trust the column.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any
from uuid import UUID

from django.db.models import Q

from context_app import tokens
from context_app.models import ContextChunk

BLOCKS = frozenset({"server_tool", "block"})
"""Kinds that hold a block in a provider's own form."""
CALL_KINDS = ("tool_call", "tool_result", "server_tool", "block")
"""Kinds of which a call and its result, with the same call id, are edited together."""
NOT_RUN = "This call was not run, so there is no result."

NotSent = ContextChunk.NotSent
CallKey = tuple[UUID | None, str]


def call_key(chunk: ContextChunk) -> CallKey:
    """Return the key that a tool call shares with its result: a call id is unique only within its turn's answer."""
    return chunk.turn_id, str(chunk.metadata.get("call_id", ""))


def arguments_of(call: ContextChunk) -> dict[str, Any] | None:
    """Return the arguments of a tool call; ``None`` where they are not a JSON object."""
    if call.metadata.get("invalid_arguments"):
        return None
    value = call.metadata.get("arguments")
    if isinstance(value, dict):
        return value
    try:
        value = json.loads(call.content or "{}")
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def decide(chunks: Sequence[ContextChunk]) -> None:
    """Set ``not_sent`` of each chunk. ``chunks`` must be in their order, and hold both halves of their calls."""
    calls = Counter[CallKey]()
    for chunk in chunks:
        chunk.not_sent = _own_reason(chunk)
        if chunk.kind == "tool_call" and not chunk.not_sent:
            calls[call_key(chunk)] += 1
    results = [chunk for chunk in chunks if chunk.kind == "tool_result" and not chunk.not_sent]
    for result in sorted(results, key=_stands_in):
        key = call_key(result)
        if calls[key]:
            calls[key] -= 1
        else:
            result.not_sent = NotSent.ANSWERED if key in calls else NotSent.NO_CALL


def _own_reason(chunk: ContextChunk) -> str:
    """Return why the chunk's own state keeps it from being sent."""
    data = chunk.metadata
    if chunk.deleted_at is not None:
        return NotSent.DELETED
    if chunk.excluded:
        return NotSent.EXCLUDED
    if chunk.state == "streaming":
        return NotSent.STREAMING
    if chunk.kind in BLOCKS:
        return "" if isinstance(data.get("data"), dict) else NotSent.NO_DATA
    if chunk.kind == "image":
        if not (data.get("ref") or data.get("url")):
            return NotSent.NO_FILE
        return "" if str(data.get("media_type") or "image/").startswith("image/") else NotSent.NO_IMAGE
    if chunk.kind == "tool_call":
        if not data.get("name"):
            return NotSent.NO_NAME
        return NotSent.INVALID_ARGUMENTS if arguments_of(chunk) is None else ""
    return "" if chunk.kind == "tool_result" or chunk.content.strip() else NotSent.BLANK


def _stands_in(result: ContextChunk) -> bool:
    return bool(result.metadata.get("not_run"))


def completed(chunks: Sequence[ContextChunk]) -> list[ContextChunk]:
    """Return the chunks, in their order, with a new row for the result of each call that is sent and has none.

    Every provider refuses a call without one. The rows are not stored yet; they stand behind the run of calls that
    their own belongs to.
    """
    outgoing = [chunk for chunk in chunks if not chunk.not_sent]
    results = Counter(call_key(chunk) for chunk in outgoing if chunk.kind == "tool_result")
    done = list(chunks)
    owed: list[ContextChunk] = []
    for chunk, following in zip_longest(outgoing, outgoing[1:]):
        if chunk.kind == "tool_call":
            owed += [] if results[call_key(chunk)] > 0 else [_not_run(chunk)]
            results[call_key(chunk)] -= 1
        if following is None or following.kind != "tool_call":
            for result in owed:
                result.order = chunk.order
            done, owed = [*done, *owed], []
    return sorted(done, key=lambda chunk: chunk.order)


def _not_run(call: ContextChunk) -> ContextChunk:
    return ContextChunk(
        context_id=call.context_id,
        turn_id=call.turn_id,
        role=ContextChunk.Role.TOOL,
        kind=ContextChunk.Kind.TOOL_RESULT,
        content=NOT_RUN,
        tokens=tokens.estimate(NOT_RUN),
        metadata={
            "call_id": call.metadata.get("call_id", ""),
            "name": call.metadata["name"],
            "is_error": True,
            "not_run": True,
        },
        provenance={"by": "maestro"},
    )


def store(
    rows: Iterable[ContextChunk],
    columns: Mapping[str, Any] | None = None,
    related: Iterable[ContextChunk] | None = None,
) -> None:
    """Write ``columns``, which ``rows`` of one context have already, and the decision about them and their calls.

    ``related`` are all calls and results of the turns of ``rows``; they are read where they are not given.
    """
    mine = {row.pk: row for row in rows}
    if related is None:
        related = _related(mine.values())
    chunks = list(({row.pk: row for row in related} | mine).values())
    before = {row.pk: row.not_sent for row in chunks}
    decide(sorted(chunks, key=lambda row: (row.order, row.created_at)))
    groups: defaultdict[tuple[bool, str], list[UUID]] = defaultdict(list)
    for row in chunks:
        written = bool(columns) and row.pk in mine
        if written or row.not_sent != before[row.pk]:
            groups[written, row.not_sent].append(row.pk)
    for (written, reason), keys in groups.items():
        ContextChunk.objects.filter(pk__in=keys).update(not_sent=reason, **(columns or {} if written else {}))


def _related(rows: Iterable[ContextChunk]) -> list[ContextChunk]:
    """Return the calls and results of the turns whose calls or results are among ``rows`` (of one context)."""
    halves = [row for row in rows if row.kind in CALL_KINDS]
    if not halves:
        return []
    turns = Q(turn__in={row.turn_id for row in halves}) | Q(turn=None)
    return list(ContextChunk.objects.filter(turns, context=halves[0].context_id, kind__in=CALL_KINDS))
