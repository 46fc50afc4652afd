"""Check a turn and write it: message, turn and stream in one short transaction. Synchronous.

Each check only reads, and raises a typed error that names what is wrong.
"""

import uuid
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.utils import timezone

from context_app import assembly, media_store, selectors, sending, tokens
from context_app.errors import SignedOut, UnknownTurn
from context_app.models import Context, ContextChunk, ContextEdit, Stream, Turn
from context_app.services import choosing, chunks, contexts
from context_app.services.choosing import Choice
from context_app.services.questions import MAX_PARAMS_BYTES, Offer, Question, check_stored
from context_app.streams.reader import UnknownStream
from context_app.streams.runner import TurnRequest
from context_app.streams.runtime import Runtime
from providers_app.chat import request
from providers_app.errors import EmptyPrompt, InvalidRequest, TooManyRunning, TurnRunning
from sessions_app import disk
from sessions_app.models import Pk


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """A turn whose answer is being written. ``created`` is false when an earlier call with its ``client_id`` did it."""

    turn_id: UUID
    stream_id: UUID
    context_id: UUID
    client_id: str
    attempt: int
    created: bool


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """The turn that was written, and its request; ``request`` is ``None`` when the turn had been started before."""

    started: Started
    request: TurnRequest | None


def begin(runtime: Runtime, owner_id: Pk, context_id: UUID | None, asked: Question) -> Prepared:
    """Check and write a new turn, in a new chat without a ``context_id``, or find the one with this ``client_id``.

    Raises what ``turns.ask`` raises.
    """
    config, text, client_id = runtime.config, asked.text, asked.client_id
    given = (text, asked.system, *(str(columns["content"]) for columns in asked.before))
    if (longest := max(map(len, given))) > config.max_chunk_chars:
        raise InvalidRequest(f"The message has {longest:,} characters; at most {config.max_chunk_chars:,} are sent.")
    context = Context(owner_id=owner_id) if context_id is None else selectors.get_context(owner_id, context_id)
    if existing := _existing(context, client_id):
        return existing
    choice = choosing.choose(owner_id, context, asked.session, asked.model)
    params = _params(context, asked.params)
    before = [] if context_id is None else selectors.chunks(context)
    added = [*asked.before, *asked.pictures, *(columns for _, columns in asked.results)]
    more = tokens.estimate(text) + tokens.estimate(asked.system)
    more += sum(one.get("tokens") or tokens.estimate(str(one["content"])) for one in added)
    choosing.check_window(choice, before, more + asked.offer.tokens, config.default_window)
    calls = [_call(before, call_id) for call_id, _ in asked.results]
    disk.require_space()
    runtime.prepare()
    try:
        with transaction.atomic():
            stream = add_stream(runtime, owner_id)
            if context_id is None:
                context.save(force_insert=True)
            elif asked.alone and Turn.objects.filter(context=context, stream__state=Stream.State.RUNNING).exists():
                raise TurnRunning("An answer is being written in this chat.")
            columns = _request_columns(choice) | msgspec.json.decode(msgspec.json.encode(asked.offer))
            turn = Turn.objects.create(context=context, stream=stream, params=params, client_id=client_id, **columns)
            if asked.system.strip():
                chunks.set_system(context=context, actor=owner_id, content=asked.system)
            results = zip(calls, asked.results, strict=True)
            new = [*({**columns, "turn": call.turn} for call, (_, columns) in results), *asked.before]
            new += [columns | {"turn": turn} for columns in asked.pictures]
            if text:
                new.append({"kind": "user", "role": "user", "content": text, "turn": turn})
            for one in new:
                chunks.append(context=context, **one)
            media_store.claim((one["metadata"] for one in new if one["kind"] == "image"), context)
            chunks.lock(context.pk)
            outgoing = chunks.completed(selectors.chunks(context))
            latest = {"session": choice.session, "model": choice.model, "alias": choice.alias}
            latest["tool_tokens"] = asked.offer.tokens
            Context.objects.filter(pk=context.pk).update(**latest, updated_at=timezone.now())
            contexts.title_from(context, text)
    except (IntegrityError, TooManyRunning):
        # Two tabs (or a hasty page) sent the same message at the same moment: the other one was first, and may have
        # taken the last place.
        if existing := _existing(context, client_id):
            return existing
        raise
    return prepared(turn, choice, asked.offer, outgoing, {**contexts.lasting(context), **asked.options})


def retry(runtime: Runtime, owner_id: Pk, context_id: UUID, turn_id: UUID) -> Prepared:
    """Check and write a new stream for a turn whose answer has ended. Raises what ``turns.retry`` raises."""
    context = selectors.get_context(owner_id, context_id)
    turn = Turn.objects.select_related("stream", "session").filter(pk=turn_id, context=context).first()
    if turn is None:
        raise UnknownTurn("There is no such message in this chat.")
    if turn.stream is not None and turn.stream.state == Stream.State.RUNNING:
        raise TurnRunning("The answer is still being written.")
    choice = choosing.again(owner_id, context, turn)
    asked = ContextChunk.objects.filter(turn=turn, role=ContextChunk.Role.USER).values_list("deleted_at", flat=True)
    if asked and None not in asked:  # a turn that goes on with the results of tools has no message
        raise EmptyPrompt("The message was deleted, so there is nothing to ask again.")
    end = selectors.question_end(turn)
    before = until(end, selectors.chunks(context))
    offer = msgspec.convert({"tools": turn.tools, "tool_choice": turn.tool_choice}, Offer)
    choosing.check_window(choice, before, offer.tokens, runtime.config.default_window)
    disk.require_space()
    runtime.prepare()
    with transaction.atomic():
        stream = add_stream(runtime, owner_id)
        # Conditional: of two retries at once, one wins.
        columns = _request_columns(choice) | {"stream": stream, "attempt": turn.attempt + 1}
        if not Turn.objects.filter(pk=turn.pk, stream=turn.stream_id).update(**columns):
            raise TurnRunning("The answer is already being asked for again.")
        delete_answer(context, turn, owner_id)
        chunks.lock(context.pk)
        before = chunks.completed(until(end, selectors.chunks(context)))
        Context.objects.filter(pk=context.pk).update(tool_tokens=offer.tokens, updated_at=timezone.now())
    turn.stream, turn.attempt = stream, turn.attempt + 1
    return prepared(turn, choice, offer, before, contexts.lasting(context))


def _existing(context: Context, client_id: str) -> Prepared | None:
    turn = Turn.objects.filter(context=context, client_id=client_id).first() if client_id else None
    return None if turn is None else Prepared(started=_started(turn, created=False), request=None)


def until(end: int, rows: list[ContextChunk]) -> list[ContextChunk]:
    """Return the chunks up to the order ``end``, with the results of their calls, wherever those stand."""
    calls = {sending.call_key(row) for row in rows if row.kind == "tool_call" and row.order <= end}
    return [row for row in rows if row.order <= end or (row.kind == "tool_result" and sending.call_key(row) in calls)]


def request_stop(owner_id: Pk, stream_id: UUID, context_id: UUID | None) -> None:
    """Ask the process that runs a stream to stop it; it reads this with each commit. Raises ``UnknownStream``."""
    mine = Stream.objects.filter(pk=stream_id, owner_id=owner_id)
    if context_id is not None:
        mine = mine.filter(turn__context_id=context_id)
    if not mine.exists():
        raise UnknownStream("There is no such answer.")
    running = Stream.objects.filter(pk=stream_id, state=Stream.State.RUNNING, cancel_requested_at=None)
    running.update(cancel_requested_at=timezone.now())


def _params(context: Context, params: dict[str, Any] | None) -> dict[str, Any]:
    """Return the given parameters, else the chat's. Raises ``InvalidRequest``."""
    chosen = context.params if params is None else params
    if not isinstance(chosen, dict):
        raise InvalidRequest("params is an object with the names of parameters.")
    check_stored("params", chosen, MAX_PARAMS_BYTES)
    request.parse_params(chosen)
    return chosen


def _call(before: list[ContextChunk], call_id: str) -> ContextChunk:
    """Return the latest tool call of that id. Raises ``InvalidRequest``."""
    for chunk in reversed(before):
        if chunk.kind == ContextChunk.Kind.TOOL_CALL and chunk.metadata.get("call_id") == call_id:
            return chunk
    raise InvalidRequest(f"The tool result {call_id!r} answers no tool call of this context.")


def _request_columns(choice: Choice) -> dict[str, Any]:
    session = choice.session
    label = f"{session.provider}/{session.name}"
    columns = {"session": session, "session_label": label, "provider": session.provider, "model": choice.model}
    return columns | {"alias": choice.alias}


def add_stream(runtime: Runtime, owner_id: Pk) -> Stream:
    """Write a running stream of this process. Raises ``TooManyRunning``, ``SignedOut``. Call it in a transaction."""
    # The row is the queue: without it, two requests at once would both find room (SQLite has one writer anyway). An
    # account that is being removed was disabled first, so no turn begins during its removal.
    people = get_user_model().objects.select_for_update(no_key=True)
    if people.filter(pk=owner_id, is_active=True).first() is None:
        raise SignedOut("This account is disabled.")
    running = Stream.objects.filter(owner_id=owner_id, state=Stream.State.RUNNING).count()
    limit = runtime.config.max_running_per_owner
    if running >= limit:
        raise TooManyRunning(f"{running} of your answers are being written; at most {limit} may be.")
    return Stream.objects.create(owner_id=owner_id, process=runtime.process, heartbeat_at=timezone.now())


def delete_answer(context: Context, turn: Turn, owner_id: Pk) -> None:
    """Delete the earlier answer from the context, as one edit."""
    now = timezone.now()
    old = ContextChunk.objects.filter(turn=turn, deleted_at=None).exclude(role=ContextChunk.Role.USER)
    ids = [str(key) for key in old.values_list("pk", flat=True)]
    if ids:
        old.update(deleted_at=now, not_sent=ContextChunk.NotSent.DELETED)
        ContextEdit.objects.create(
            context=context,
            actor_id=owner_id,
            action="retry",
            before={key: {"deleted_at": None} for key in ids},
            after={key: {"deleted_at": now.isoformat()} for key in ids},
        )


def prepared(
    turn: Turn,
    choice: Choice,
    offer: Offer,
    outgoing: list[ContextChunk],
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Prepared:
    session, alias = choice.session, choice.alias
    turn_request = TurnRequest(
        owner=session.owner_id,
        provider=session.provider,
        session=str(session.pk),
        model=choice.model,
        alias="" if alias is None else str(alias.pk),
        conversation=str(turn.context_id),
        last=None if alias is None else _last_route(turn),
        messages=assembly.build_messages(outgoing),
        params={**turn.params, **options},
        tools=offer.tools,
        tool_choice=offer.tool_choice,
    )
    return Prepared(started=_started(turn, created=True), request=turn_request)


def _last_route(turn: Turn) -> tuple[str, str] | None:
    """Return the session and model that answered with this alias in the chat last."""
    ended = Turn.objects.filter(context=turn.context_id, alias=turn.alias_id, stream__state=Stream.State.COMPLETE)
    found = ended.exclude(pk=turn.pk).order_by("-created_at").values_list("session_id", "model").first()
    return (str(found[0]), found[1]) if found is not None and found[0] is not None else None


def _started(turn: Turn, *, created: bool) -> Started:
    return Started(
        turn_id=turn.pk,
        stream_id=turn.stream_id or uuid.UUID(int=0),
        context_id=turn.context_id,
        client_id=turn.client_id,
        attempt=turn.attempt,
        created=created,
    )
