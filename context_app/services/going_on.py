"""Go on with an answer that broke off, or that its limit cut: check it, and write the stream that takes its place.

The new stream holds the whole answer: what was before, the seam, and what follows. Synchronous.
"""

from uuid import UUID

import msgspec
from django.db import transaction
from django.utils import timezone

from context_app import selectors
from context_app.errors import UnknownTurn
from context_app.models import Context, ContextChunk, Stream, Turn
from context_app.services import chunks, contexts, turn_writes
from context_app.services.choosing import Choice
from context_app.services.questions import Offer
from context_app.services.turn_writes import Prepared
from context_app.streams import writes
from context_app.streams.runtime import Runtime
from context_app.streams.transcript import decode
from providers_app import checkpoints
from providers_app.errors import CannotContinue, TurnRunning
from providers_app.types.continuing import Way
from providers_app.types.events import Event, ReasoningDelta, StreamStart, TextDelta
from sessions_app import disk
from sessions_app.credentials import login_of
from sessions_app.models import AuthSession, Pk

Continuing = Context.Continuing


def go_on(runtime: Runtime, owner_id: Pk, context_id: UUID, turn_id: UUID) -> Prepared:
    """Check and write a new stream that goes on with the answer of a turn. Raises what ``turns.go_on`` raises."""
    context = selectors.get_context(owner_id, context_id)
    turn = Turn.objects.select_related("stream", "session").filter(pk=turn_id, context=context).first()
    if turn is None or turn.stream is None:
        raise UnknownTurn("There is no such message in this chat.")
    if turn.stream.state == Stream.State.RUNNING:
        raise TurnRunning("The answer is still being written.")
    session = turn.session
    if session is None or session.deleted_at is not None or session.status == AuthSession.Status.DISABLED:
        raise CannotContinue("The session of this answer is no longer there.")
    events = events_of(turn)
    way = _way(context, turn, session, events)
    if way == "restart":
        return turn_writes.retry(runtime, owner_id, context_id, turn_id)
    disk.require_space()
    runtime.prepare()
    end = selectors.question_end(turn)
    offer = msgspec.convert({"tools": turn.tools, "tool_choice": turn.tool_choice}, Offer)
    with transaction.atomic():
        stream = turn_writes.add_stream(runtime, owner_id)
        columns = {"stream": stream, "attempt": turn.attempt + 1}
        # Conditional: of two at once, one wins.
        if not Turn.objects.filter(pk=turn.pk, stream=turn.stream_id).update(**columns):
            raise TurnRunning("The answer is already being asked for again.")
        turn_writes.delete_answer(context, turn, owner_id)
        chunks.lock(context.pk)
        before = chunks.completed(turn_writes.until(end, selectors.chunks(context)))
        Context.objects.filter(pk=context.pk).update(updated_at=timezone.now())
    turn.stream, turn.attempt = stream, turn.attempt + 1
    prepared = turn_writes.prepared(turn, Choice(session, turn.model), offer, before, contexts.lasting(context))
    assert prepared.request is not None, "it was written just now"
    request = msgspec.structs.replace(prepared.request, earlier=events, way=way)
    return msgspec.structs.replace(prepared, request=request)


def events_of(turn: Turn) -> tuple[Event, ...]:
    """Return the events of a turn's answer: as stored, or made of its chunks once those were dropped."""
    if turn.stream is not None and turn.stream.pruned_at is None:
        _, stored = writes.stored_events(turn.stream.pk)
        return tuple(map(decode, stored))
    own = str(turn.stream_id)
    rows = ContextChunk.objects.filter(turn=turn, kind=ContextChunk.Kind.ASSISTANT, deleted_at=None).order_by("order")
    found: list[Event] = [StreamStart(turn.model)]
    for row in rows:
        if row.provenance.get("stream") == own:
            thoughts = row.metadata.get("reasoning") or ()
            found += [ReasoningDelta(str(one.get("text", "")), n) for n, one in enumerate(thoughts)]
            found.append(TextDelta(row.content))
    return tuple(found)


def _way(context: Context, turn: Turn, session: AuthSession, events: tuple[Event, ...]) -> Way:
    """Return the way in which the answer goes on; after a ``cursor`` that fails it is the next one.

    Raises ``CannotContinue``.
    """
    if context.continuing == Continuing.NEVER:
        raise CannotContinue("Answers of this chat are not continued.", hint="Change it in Parameters.")
    if context.continuing == Continuing.RESTART:
        return "restart"
    ways = checkpoints.ways_of(session.provider, turn.model, login_of(session), turn.params, events)
    if ways == ("stop",):
        raise CannotContinue("This answer cannot go on: it holds a whole tool call, or a refusal.")
    if context.continuing == Continuing.INSTRUCT and "instruct" in ways:
        return "instruct"
    return ways[0]
