"""Start, stop and retry turns.

``start`` and ``retry`` check everything first, write message, turn and stream in one short transaction, and only then
start the runner: a refused turn leaves nothing behind. Both run to their end even if the caller is cancelled.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import aclosing, suppress
from typing import Any, cast
from uuid import UUID

import msgspec
from django.utils import timezone

from context_app.errors import UnknownTurn
from context_app.models import Stream
from context_app.services import going_on, turn_writes
from context_app.services.questions import Question, offer_of
from context_app.services.turn_writes import Prepared, Started
from context_app.streams import pubsub
from context_app.streams.live import LiveStream
from context_app.streams.reader import Batch, UnknownStream, read
from context_app.streams.runtime import Runtime, current
from context_app.streams.transcript import decode
from providers_app import loop
from providers_app.chat.request import ToolChoiceInput, ToolsInput
from providers_app.errors import EmptyPrompt, InvalidRequest, ProviderError, ShuttingDown, UnknownContext, error_from
from providers_app.types.events import Event, StreamFailed, StreamStart
from sessions_app.models import Pk
from sessions_app.stores.pool import in_store

__all__ = ["Question", "Started", "ask", "events", "go_on", "retry", "start", "stop", "stop_all"]

MAX_CLIENT_ID = 64
STOP_S = 5.0
"""Seconds that a stopped answer has to be stored, for a program that leaves it."""


async def start(
    *,
    owner: Any,
    context_id: UUID | str,
    text: str,
    session: str | None = None,
    model: str | None = None,
    params: dict[str, Any] | None = None,
    tools: ToolsInput | None = None,
    tool_choice: ToolChoiceInput | None = None,
    client_id: str = "",
) -> Started:
    """Send ``text`` in a chat of ``owner`` and begin the answer.

    ``session`` (id or name), ``model`` and ``params`` (names of ``ChatParams``) default to those of the chat, and
    ``session`` and ``model`` become them. ``tools`` and ``tool_choice``, as ``provider.stream_chat`` takes them, hold
    for this turn and its retries. The same ``client_id`` twice is the same turn. Raises ``EmptyPrompt``,
    ``UnknownContext``, ``UnknownSession``, ``AmbiguousSession``, ``SessionDisabled``, ``SessionRequired``,
    ``ModelRequired``, ``InvalidRequest``, ``ContextTooLong``, ``TooManyRunning``, ``ShuttingDown``,
    ``StoreUnavailable``, ``DiskFull``.
    """
    if not isinstance(text, str) or not text.strip():
        raise EmptyPrompt("There is nothing to send.")
    if not isinstance(client_id, str) or len(client_id) > MAX_CLIENT_ID or "\x00" in client_id:
        raise InvalidRequest(f"client_id is a text of at most {MAX_CLIENT_ID} characters without NUL.")
    key = _uuid(context_id, UnknownContext("There is no such chat."))
    clean = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    offer = offer_of(tools, tool_choice)
    asked = Question(text=clean, session=session, model=model, params=params, client_id=client_id, offer=offer)
    return await ask(owner=owner, context_id=key, question=asked)


async def ask(*, owner: Any, context_id: UUID | None, question: Question) -> Started:
    """Ask a checked question in a chat, or in a new one, and begin the answer.

    Raises what ``start`` raises, and ``TurnRunning`` for a question that must be alone.
    """
    return await _launch(turn_writes.begin, _owner_id(owner), context_id, question)


async def retry(*, owner: Any, context_id: UUID | str, turn_id: UUID | str) -> Started:
    """Answer a turn again: the earlier answer is deleted from the context (undoably), and a new stream starts.

    Raises ``UnknownContext``, ``UnknownTurn``, ``TurnRunning``, and what ``start`` raises.
    """
    context_key = _uuid(context_id, UnknownContext("There is no such chat."))
    turn_key = _uuid(turn_id, UnknownTurn("There is no such message in this chat."))
    return await _launch(turn_writes.retry, _owner_id(owner), context_key, turn_key)


async def go_on(*, owner: Any, context_id: UUID | str, turn_id: UUID | str) -> Started:
    """Go on with the answer of a turn, in the way that the chat is set to: a new stream holds the whole answer.

    Raises ``CannotContinue``, ``UnknownContext``, ``UnknownTurn``, ``TurnRunning``, and what ``start`` raises.
    """
    context_key = _uuid(context_id, UnknownContext("There is no such chat."))
    turn_key = _uuid(turn_id, UnknownTurn("There is no such message in this chat."))
    return await _launch(going_on.go_on, _owner_id(owner), context_key, turn_key)


async def stop(*, owner: Any, stream_id: UUID | str, context_id: UUID | str | None = None) -> None:
    """Stop an answer in whatever process: here at once, elsewhere within one commit. An ended one stays as it is.

    Raises ``UnknownStream`` for a stream of another person (or another chat).
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
    await in_store(turn_writes.request_stop, owner_id, key, context_key)


def stop_all(owner_ids: Collection[Pk], *, seconds: float) -> bool:
    """Stop every answer of these people in every process, and wait at most ``seconds`` until all are stored.

    Reads and writes the database, and blocks: call it neither on a loop nor in a transaction. Returns ``False`` when
    some still run: their process is busy, or dead and not yet taken over.
    """
    runtime = current()
    for live in runtime.running():
        if live.owner_id in owner_ids:
            runtime.cancel(live.id)
    running = Stream.objects.filter(owner_id__in=owner_ids, state=Stream.State.RUNNING)
    running.filter(cancel_requested_at=None).update(cancel_requested_at=timezone.now())
    deadline = time.monotonic() + seconds
    while running.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


async def events(person: Pk, started: Started) -> AsyncGenerator[Event, None]:
    """Yield the stored events of an answer. Leaving before the end stops it and waits until that is stored."""
    ended, begun = False, False
    try:
        async with aclosing(read(started.stream_id)) as items:
            async for item in items:
                if not isinstance(item, Batch):
                    ended = True
                    return
                for event in map(decode, item.events):
                    if isinstance(event, StreamFailed) and not begun:
                        live = current().find(started.stream_id)
                        raise (live and live.failure) or error_from(event.error)
                    begun = True
                    if isinstance(event, StreamStart):
                        event = msgspec.structs.replace(event, context_id=str(started.context_id))
                    yield event
    finally:
        if not ended:
            await stop(owner=person, stream_id=started.stream_id)
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_S), aclosing(read(started.stream_id)) as items:
                    async for _ in items:
                        pass


async def _launch(write: Callable[..., Prepared], *args: Any) -> Started:
    """Write a turn and run it on the provider loop, to the end even if the caller is cancelled."""
    runtime = current()

    async def guarded() -> Started | ProviderError:
        task = loop.spawn(_begin(runtime, write, *args), name="start a turn")
        return await asyncio.shield(task)

    found = await loop.hand_over(guarded())
    if isinstance(found, ProviderError):
        raise found
    return found


async def _begin(runtime: Runtime, write: Callable[..., Prepared], *args: Any) -> Started | ProviderError:
    """Write the turn, then run it. A refusal is returned, not raised, because the caller may be gone."""
    if runtime.closing:
        return ShuttingDown("The server is stopping.")
    try:
        prepared = await in_store(write, runtime, *args)
    except ProviderError as error:
        return error
    started = prepared.started
    if prepared.request is not None:
        live = LiveStream(started.stream_id, owner_id=prepared.request.owner, context_id=started.context_id)
        runtime.start(live, prepared.request.open, prepared.request.provider, prepared.request.estimated)
        message = {"type": "turn", "turn": str(started.turn_id), "process": runtime.process}
        runtime.hub.publish(message, started.context_id)
        loop.spawn(pubsub.send(f"chat.{started.context_id}", message))
    return started


def _owner_id(owner: Any) -> Pk:
    key = getattr(owner, "pk", owner)
    if key is None:
        raise UnknownContext("There is no such chat.")
    return cast(Pk, key)


def _uuid(value: Any, error: ProviderError) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(str(value))
    except ValueError:
        raise error from None
