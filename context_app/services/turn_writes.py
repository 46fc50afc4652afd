"""What a turn writes: message, turn and stream in one short transaction, after everything was checked. Synchronous."""

import uuid
from typing import Any
from uuid import UUID

import msgspec
from django.db import IntegrityError, transaction
from django.utils import timezone

from context_app import assembly, selectors, tokens
from context_app.errors import TooManyRunning, TurnRunning, UnknownTurn
from context_app.models import Context, ContextChunk, ContextEdit, Stream, Turn
from context_app.services import chunks, contexts, turn_checks
from context_app.streams.reader import UnknownStream
from context_app.streams.runner import Ask
from context_app.streams.runtime import Runtime
from providers_app.errors import EmptyPrompt, InvalidRequest
from sessions_app.models import AuthSession, Pk


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """A turn whose answer is being written. ``created`` is false when ``client_id`` had begun it before."""

    turn_id: UUID
    stream_id: UUID
    context_id: UUID
    client_id: str
    attempt: int
    created: bool


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What was written, and what to ask; ``ask`` is ``None`` when the turn had been begun before."""

    started: Started
    ask: Ask | None


def begin(
    runtime: Runtime,
    owner_id: Pk,
    context_id: UUID,
    text: str,
    session_ref: str | None,
    model: str | None,
    params: dict[str, Any] | None,
    client_id: str,
) -> Prepared:
    """Check and write a new turn, or find the one that ``client_id`` names. Raises what ``turns.start`` raises."""
    config = runtime.config
    if len(text) > config.max_chunk_chars:
        raise InvalidRequest(f"The message has {len(text):,} characters; at most {config.max_chunk_chars:,} are sent.")
    context = turn_checks.context_of(owner_id, context_id)
    if client_id and (known := Turn.objects.filter(context=context, client_id=client_id).first()) is not None:
        return _again(known)
    session = turn_checks.session_of(owner_id, context, session_ref)
    model = turn_checks.model_of(session, context, session_ref, model)
    params = turn_checks.params_of(context, params)
    before = selectors.chunks(context)
    turn_checks.check_window(session, model, before, tokens.estimate(text), config.default_window)
    now = timezone.now()
    runtime.prepare()
    try:
        with transaction.atomic():
            turn_checks.check_running(owner_id, config.max_running_per_owner)
            stream = Stream.objects.create(owner_id=owner_id, process=runtime.process, heartbeat_at=now)
            turn = Turn.objects.create(
                context=context,
                stream=stream,
                session=session,
                session_label=f"{session.provider}/{session.name}",
                provider=session.provider,
                model=model,
                params=params,
                client_id=client_id,
            )
            question = chunks.append(context=context, kind="user", role="user", content=text, turn=turn)
            Context.objects.filter(pk=context.pk).update(session=session, model=model, updated_at=now)
            contexts.title_from(context, text)
    except (IntegrityError, TooManyRunning):
        # Two tabs (or a hasty page) sent the same message at the same moment: the other one was first, and may have
        # taken the last place.
        if client_id and (known := Turn.objects.filter(context=context, client_id=client_id).first()) is not None:
            return _again(known)
        raise
    return _prepared(turn, stream, session, model, params, [*before, question])


def retry(runtime: Runtime, owner_id: Pk, context_id: UUID, turn_id: UUID) -> Prepared:
    """Check and write a new stream for a turn whose answer is over. Raises what ``turns.retry`` raises."""
    context = turn_checks.context_of(owner_id, context_id)
    turn = Turn.objects.select_related("stream", "session").filter(pk=turn_id, context=context).first()
    if turn is None:
        raise UnknownTurn("There is no such message in this chat.")
    if turn.stream is not None and turn.stream.state == Stream.State.RUNNING:
        raise TurnRunning("The answer is still being written.")
    session = turn_checks.session_of(
        owner_id, context, str(turn.session_id) if turn_checks.usable(turn.session) else None
    )
    model = (
        turn.model
        if session.pk == turn.session_id and turn.model
        else turn_checks.model_of(session, context, None, None)
    )
    question = ContextChunk.objects.filter(turn=turn, kind=ContextChunk.Kind.USER, deleted_at=None).first()
    if question is None:
        raise EmptyPrompt("The message was deleted, so there is nothing to ask again.")
    before = [chunk for chunk in selectors.chunks(context) if chunk.order <= question.order]
    turn_checks.check_window(session, model, before, 0, runtime.config.default_window)
    now = timezone.now()
    runtime.prepare()
    with transaction.atomic():
        turn_checks.check_running(owner_id, runtime.config.max_running_per_owner)
        stream = Stream.objects.create(owner_id=owner_id, process=runtime.process, heartbeat_at=now)
        # Conditional: of two retries at once, one wins.
        changed = Turn.objects.filter(pk=turn.pk, stream=turn.stream_id).update(
            stream=stream,
            attempt=turn.attempt + 1,
            session=session,
            session_label=f"{session.provider}/{session.name}",
            provider=session.provider,
            model=model,
        )
        if not changed:
            raise TurnRunning("The answer is already being asked for again.")
        _set_aside(context, turn, owner_id)
        Context.objects.filter(pk=context.pk).update(updated_at=now)
    turn.attempt += 1
    return _prepared(turn, stream, session, model, turn.params, before)


def _set_aside(context: Context, turn: Turn, owner_id: Pk) -> None:
    """The earlier answer leaves the context as one edit, which can be undone."""
    now = timezone.now()
    old = ContextChunk.objects.filter(turn=turn, deleted_at=None).exclude(kind=ContextChunk.Kind.USER)
    ids = [str(key) for key in old.values_list("pk", flat=True)]
    if ids:
        old.update(deleted_at=now)
        ContextEdit.objects.create(
            context=context,
            actor_id=owner_id,
            action="retry",
            before={key: {"deleted_at": None} for key in ids},
            after={key: {"deleted_at": now.isoformat()} for key in ids},
        )


def _prepared(
    turn: Turn, stream: Stream, session: AuthSession, model: str, params: dict[str, Any], going: list[ContextChunk]
) -> Prepared:
    started = Started(
        turn_id=turn.pk,
        stream_id=stream.pk,
        context_id=turn.context_id,
        client_id=turn.client_id,
        attempt=turn.attempt,
        created=True,
    )
    ask = Ask(
        owner=session.owner_id,
        provider=session.provider,
        session=str(session.pk),
        model=model,
        messages=assembly.build_messages(going),
        params=params,
    )
    return Prepared(started=started, ask=ask)


def _again(turn: Turn) -> Prepared:
    started = Started(
        turn_id=turn.pk,
        stream_id=turn.stream_id or uuid.UUID(int=0),
        context_id=turn.context_id,
        client_id=turn.client_id,
        attempt=turn.attempt,
        created=False,
    )
    return Prepared(started=started, ask=None)


def request_stop(owner_id: Pk, stream_id: UUID, context_id: UUID | None) -> None:
    """Note that a stream is to be stopped; its process looks for that in every commit. Raises ``UnknownStream``."""
    mine = Stream.objects.filter(pk=stream_id, owner_id=owner_id)
    if context_id is not None:
        mine = mine.filter(turn__context_id=context_id)
    if not mine.exists():
        raise UnknownStream("There is no such answer.")
    Stream.objects.filter(pk=stream_id, state=Stream.State.RUNNING, cancel_requested_at=None).update(
        cancel_requested_at=timezone.now()
    )
