"""Turns: a message is sent, its answer begins to be written, is stopped, or is asked for again.

``start`` and ``retry`` check everything first, write message, turn and stream in one short transaction, and only then
start the runner: a refused turn leaves nothing behind. Both run to their end even when the caller goes away in the
middle.
"""

import asyncio
import uuid
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import msgspec
from django.db import IntegrityError, transaction
from django.utils import timezone

from context_app import assembly, selectors, tokens
from context_app.errors import ShuttingDown, TurnRunning, UnknownTurn
from context_app.models import Context, ContextChunk, ContextEdit, Stream, Turn
from context_app.services import chunks, contexts, turn_checks
from context_app.streams import layer
from context_app.streams.live import LiveStream
from context_app.streams.reader import UnknownStream
from context_app.streams.runner import Ask
from context_app.streams.runtime import Runtime, current
from providers_app import loop
from providers_app.errors import EmptyPrompt, InvalidRequest, ProviderError, UnknownContext
from sessions_app.models import AuthSession, Pk
from sessions_app.pool import in_store

MAX_CLIENT_ID = 64


class Started(msgspec.Struct, frozen=True, kw_only=True):
    """A turn whose answer is being written. ``created`` is false when ``client_id`` had begun it before."""

    turn_id: UUID
    stream_id: UUID
    context_id: UUID
    client_id: str
    attempt: int
    created: bool


class _Prepared(msgspec.Struct, frozen=True, kw_only=True):
    started: Started
    ask: Ask | None


async def start(
    *,
    owner: Any,
    context_id: UUID | str,
    text: str,
    session: str | None = None,
    model: str | None = None,
    params: dict[str, Any] | None = None,
    client_id: str = "",
) -> Started:
    """Send ``text`` in a chat of ``owner`` and begin the answer.

    ``session`` (id or name), ``model`` and ``params`` (names of ``ChatParams``) default to those of the chat, and
    ``session`` and ``model`` become them. The same ``client_id`` twice is the same turn. Raises ``EmptyPrompt``,
    ``UnknownContext``, ``UnknownSession``, ``AmbiguousSession``, ``SessionDisabled``, ``SessionRequired``,
    ``ModelRequired``, ``InvalidRequest``, ``ContextTooLong``, ``TooManyRunning``, ``ShuttingDown``,
    ``StoreUnavailable``.
    """
    if not isinstance(text, str) or not text.strip():
        raise EmptyPrompt("There is nothing to send.")
    if not isinstance(client_id, str) or len(client_id) > MAX_CLIENT_ID:
        raise InvalidRequest(f"client_id is a text of at most {MAX_CLIENT_ID} characters.")
    key = _uuid(context_id, UnknownContext("There is no such chat."))
    runtime = current()
    return await _detached(
        _launch(
            runtime,
            _write_turn,
            runtime,
            _owner_id(owner),
            key,
            text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode(),
            session,
            model,
            params,
            client_id,
        )
    )


async def retry(*, owner: Any, context_id: UUID | str, turn_id: UUID | str) -> Started:
    """Ask again for the answer of a turn: the earlier answer is taken out of the context (undoably), a new stream
    begins.

    Raises ``UnknownContext``, ``UnknownTurn``, ``TurnRunning``, and what ``start`` raises.
    """
    context_key = _uuid(context_id, UnknownContext("There is no such chat."))
    turn_key = _uuid(turn_id, UnknownTurn("There is no such message in this chat."))
    runtime = current()
    return await _detached(_launch(runtime, _write_retry, runtime, _owner_id(owner), context_key, turn_key))


async def stop(*, owner: Any, stream_id: UUID | str, context_id: UUID | str | None = None) -> None:
    """Stop an answer, wherever it runs: here at once, elsewhere within one commit. One that is over is left alone.

    Raises ``UnknownStream`` for what is not the owner's (or not of that chat).
    """
    key = _uuid(stream_id, UnknownStream("There is no such answer."))
    context_key = None if context_id is None else _uuid(context_id, UnknownStream("There is no such answer."))
    owner_id = _owner_id(owner)
    runtime = current()
    live = runtime.find(key)
    mine = live is not None and live.owner_id == owner_id and context_key in (None, live.context_id)
    # Not even a database that is away keeps an answer that runs here from being stopped.
    if mine and runtime.cancel(key):
        return
    await in_store(_request_stop, owner_id, key, context_key)


async def _detached(work: Coroutine[Any, Any, Started | ProviderError]) -> Started:
    """Run to the end on the provider loop, whatever becomes of the caller."""

    async def guarded() -> Started | ProviderError:
        task = loop.spawn(work, name="start a turn")
        return await asyncio.shield(task)

    found = await loop.hand_over(guarded())
    if isinstance(found, ProviderError):
        raise found
    return found


async def _launch(runtime: Runtime, write: Any, *args: Any) -> Started | ProviderError:
    """Write, then run. A refusal is returned, not raised: nobody may be there to hear it."""
    if runtime.closing:
        return ShuttingDown("The server is stopping.")
    try:
        # A process is known to live by its spool; it must be there before a stream is this process's.
        runtime.prepare()
        prepared: _Prepared = await in_store(write, *args)
    except ProviderError as error:
        return error
    started = prepared.started
    if prepared.ask is not None:
        live = LiveStream(
            started.stream_id,
            owner_id=prepared.ask.owner,
            context_id=started.context_id,
        )
        runtime.start(live, prepared.ask.open, prepared.ask.provider)
        message = {"type": "turn", "turn": str(started.turn_id), "process": runtime.process}
        runtime.hub.publish(started.context_id, message)
        loop.spawn(layer.tell(f"chat.{started.context_id}", message))
    return started


def _write_turn(
    runtime: Runtime,
    owner_id: Pk,
    context_id: UUID,
    text: str,
    session_ref: str | None,
    model: str | None,
    params: dict[str, Any] | None,
    client_id: str,
) -> _Prepared:
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
    except IntegrityError:
        # Two tabs (or a hasty page) sent the same message at the same moment: the other one was first.
        if client_id and (known := Turn.objects.filter(context=context, client_id=client_id).first()) is not None:
            return _again(known)
        raise
    return _prepared(turn, stream, session, model, params, [*before, question])


def _write_retry(runtime: Runtime, owner_id: Pk, context_id: UUID, turn_id: UUID) -> _Prepared:
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
) -> _Prepared:
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
    return _Prepared(started=started, ask=ask)


def _again(turn: Turn) -> _Prepared:
    started = Started(
        turn_id=turn.pk,
        stream_id=turn.stream_id or uuid.UUID(int=0),
        context_id=turn.context_id,
        client_id=turn.client_id,
        attempt=turn.attempt,
        created=False,
    )
    return _Prepared(started=started, ask=None)


def _request_stop(owner_id: Pk, stream_id: UUID, context_id: UUID | None) -> None:
    mine = Stream.objects.filter(pk=stream_id, owner_id=owner_id)
    if context_id is not None:
        mine = mine.filter(turn__context_id=context_id)
    if not mine.exists():
        raise UnknownStream("There is no such answer.")
    Stream.objects.filter(pk=stream_id, state=Stream.State.RUNNING, cancel_requested_at=None).update(
        cancel_requested_at=timezone.now()
    )


def _owner_id(owner: Any) -> Pk:
    key = getattr(owner, "pk", owner)
    if key is None:
        raise UnknownContext("There is no such chat.")
    found: Pk = key
    return found


def _uuid(value: Any, error: ProviderError) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(str(value))
    except ValueError:
        raise error from None
