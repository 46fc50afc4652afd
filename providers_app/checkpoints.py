"""The functions of the universal interface about answers that are watched, and that go on; see ``provider``.

A checkpoint lives in memory: it ends with its process. What has to survive that is stored (``store=True``).
"""

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Any

import msgspec

from providers_app.chat.messages import MessagesInput
from providers_app.chat.request import build_chat, check_control, parse_params
from providers_app.dispatch import dispatcher
from providers_app.dispatch.continued import Continued, declared
from providers_app.dispatch.faults import faults_of
from providers_app.dispatch.prepare import find
from providers_app.dispatch.request import Call
from providers_app.errors import BadRequest, CannotContinue, InvalidRequest, NotFound, ProviderError
from providers_app.loop import hand_over, hand_over_stream
from providers_app.ownership import acting, find_owner
from providers_app.registry.resolver import spoken
from providers_app.resilience.checkpoint import Pace, StreamCheckpoint, started, stored_cursor
from providers_app.text import quoted
from providers_app.types.chat import ChatRequest
from providers_app.types.continuing import WAYS, Cursor, Way, open_ways
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect
from providers_app.types.events import Event, StreamEnd, StreamFailed, UsageReport

CheckpointCallback = Callable[[StreamCheckpoint], Awaitable[None] | None]
EVENTS, MS = 50, 1000
GONE = (NotFound, BadRequest, CannotContinue)
"""Errors that say that the provider no longer has an answer, or another one."""
ASKED = frozenset({"system", "tools", "tool_choice", "context_id", "strict", "resumable"})
"""Arguments of a request beside its parameters."""


def watched(
    make: Callable[[], Awaitable[Call]], callback: CheckpointCallback, every: tuple[int, int]
) -> AsyncGenerator[Event, None]:
    """Stream an answer and call ``callback`` with its checkpoints, on the caller's loop.

    ``every`` is after how many events, and after how many milliseconds. Raises ``InvalidRequest``.
    """
    pace = _pace(callback, every)

    async def call() -> Call:
        made = await make()
        rounds = Continued(made.owner, made.chat, replay=made.replay, pace=pace)
        return msgspec.structs.replace(made, rounds=rounds)

    return _told(hand_over_stream(dispatcher.stream(call)), callback)


async def checkpoint_of(
    provider: str,
    session: str,
    messages: MessagesInput,
    events: Iterable[Event],
    *,
    model: str,
    owner: Any = None,
    **options: Any,
) -> StreamCheckpoint:
    """Return the checkpoint of an answer whose ``events`` were stored elsewhere.

    Its cursor reads an answer that the provider keeps from the beginning; what was shown is left out. The other
    arguments are those of ``stream_chat``. Raises what that raises before it sends anything.
    """
    found = await find_owner(owner)
    known = {name: options.pop(name) for name in ASKED & options.keys()}
    chat = await build_chat(found, provider, messages, model=model, params=options, **known)
    kept, first = tuple(events), started(tuple(events))
    return StreamCheckpoint(
        owner=found,
        provider=provider,
        session=session,
        model=model,
        request=chat,
        events=kept,
        last_index=len(kept),
        usage=next((event.usage for event in reversed(kept) if isinstance(event, UsageReport)), None),
        response_id=None if first is None else first.response_id,
    )


def ways_of(
    provider: str, model: str, credential: Credential, params: Mapping[str, Any], events: Iterable[Event]
) -> tuple[Way, ...]:
    """Return the ways in which a stored answer of ``model`` can go on, best first; ``stop`` alone where none.

    Raises ``UnknownProvider``, ``ProviderBroken``, ``InvalidParameter``.
    """
    with faults_of(provider):
        dialect = spoken(provider, model, credential)
        chat = ChatRequest(model=model, messages=(), params=parse_params(params))
        return _open(dialect, chat, tuple(events), stored_cursor(tuple(events)))


def _open(dialect: Dialect, chat: ChatRequest, events: tuple[Event, ...], cursor: Cursor | None) -> tuple[Way, ...]:
    """Return the ways that are open: an answer that the provider keeps was asked for as ``resumable``."""
    asked = chat if cursor is None else msgspec.structs.replace(chat, resumable=True)
    return open_ways(declared(dialect, asked), events, cursor)


def check_unwatched(callback: CheckpointCallback | None) -> None:
    """Raise ``InvalidRequest`` for a callback of an answer that is stored."""
    if callback is not None:
        raise InvalidRequest("A stored answer has no checkpoints: what it has so far is in its context.")


def continue_from_checkpoint(
    checkpoint: StreamCheckpoint,
    *,
    policy: Way | None = None,
    replay: bool = False,
    enable_stream_replay: bool | None = None,
    checkpoint_callback: CheckpointCallback | None = None,
    checkpoint_events: int = EVENTS,
    checkpoint_ms: int = MS,
    timeout: float | None = None,
    owner: Any = None,
) -> AsyncGenerator[Event, None]:
    """Stream what follows a checkpoint, as the same answer: numbers go on, tokens are added, one event ends it.

    ``policy`` is the way to go on: ``cursor`` (the provider sends the rest of the very same answer), ``prefix`` (the
    model goes on behind its text), ``instruct`` (it is asked to go on; what it repeats is taken out), ``restart`` (a
    new answer from the beginning). Without it, the best that the provider, the model and this answer allow; where the
    provider no longer has the answer, the next way.
    ``StreamContinued`` marks the seam. A whole tool call may have been run, so only a cursor goes on behind one. With
    ``replay`` the events of the checkpoint come first, for a consumer who has not seen them.

    Raises ``CannotContinue`` where there is no such way, and as ``stream_chat`` on iteration. Checkpoints live in
    memory and end with their process.
    """
    if not isinstance(checkpoint, StreamCheckpoint):
        raise InvalidRequest(f"A StreamCheckpoint is gone on with, not {type(checkpoint).__name__}.")
    if policy is not None and policy not in WAYS:
        raise InvalidRequest(f"There is no policy {quoted(policy)}.", hint=f"There are {', '.join(WAYS)}.")
    check_control(timeout)
    pace = None if checkpoint_callback is None else _pace(checkpoint_callback, (checkpoint_events, checkpoint_ms))
    who = owner if owner is not None else acting()
    source = _going_on(checkpoint, policy, replay, enable_stream_replay, pace, timeout, who)
    return source if checkpoint_callback is None else _told(source, checkpoint_callback)


resume_from_checkpoint = continue_from_checkpoint


def _pace(callback: object, every: tuple[int, int]) -> Pace:
    events, ms = every
    if not callable(callback):
        raise InvalidRequest("checkpoint_callback must be a function.")
    if not all(isinstance(number, int) and not isinstance(number, bool) and number > 0 for number in every):
        raise InvalidRequest("checkpoint_events and checkpoint_ms must be whole numbers above 0.")
    return Pace(events, ms / 1000)


def _why(way: Way, ways: tuple[Way, ...]) -> str:
    if ways == ("stop",):
        return "This answer cannot go on: it holds a whole tool call, or a refusal."
    if way == "stop":
        return "The policy is to leave the answer as it is."
    return f"This answer cannot go on by {way}. Possible: {', '.join(ways)}."


async def _told(source: AsyncGenerator[Any, None], callback: CheckpointCallback) -> AsyncGenerator[Event, None]:
    """Yield the events of ``source``, and call ``callback`` with its checkpoints."""
    async with aclosing(source):
        async for item in source:
            if not isinstance(item, StreamCheckpoint):
                yield item
            elif inspect.isawaitable(found := callback(item)):
                await found


async def _going_on(
    checkpoint: StreamCheckpoint,
    policy: Way | None,
    replay: bool,
    enable_stream_replay: bool | None,
    pace: Pace | None,
    timeout_s: float | None,
    owner: Any,
) -> AsyncGenerator[Any, None]:
    """Yield what follows; with ``replay`` behind what was before, and a failure is then the last event."""

    async def prepare(policy: Way | None, gone: bool) -> Call:
        found = await find_owner(owner if owner is not None else checkpoint.owner)
        session, credential = await find(found, checkpoint.provider, checkpoint.session)
        dialect = spoken(session.provider, checkpoint.model, credential)
        ways = _open(dialect, checkpoint.request, checkpoint.events, None if gone else checkpoint.cursor)
        way = policy or ways[0]
        if way == "stop" or way not in ways:
            raise CannotContinue(_why(way, ways))
        rounds = Continued(found, checkpoint.request, replay=enable_stream_replay, pace=pace)
        chat = rounds.resume(checkpoint, way, dialect)
        return Call(found, session.provider, session.id, chat, timeout_s=timeout_s, rounds=rounds)

    async def events(call: Call) -> AsyncGenerator[Any, None]:
        async def made() -> Call:
            return call

        async with aclosing(hand_over_stream(dispatcher.stream(made))) as source:
            async for item in source:
                yield item

    call = await hand_over(prepare(policy, False))
    shown = replay and call.rounds is not None and call.rounds.follows
    for event in checkpoint.events if shown else ():
        if not isinstance(event, StreamEnd | StreamFailed):
            yield event
    try:
        try:
            async with aclosing(events(call)) as source:
                async for item in source:
                    yield item
        except GONE:
            # Raised before anything new was shown.
            if policy is not None or call.chat.cursor is None:
                raise
            call = await hand_over(prepare(None, True))
            if call.rounds is None or not call.rounds.follows:
                raise CannotContinue("The provider no longer has this answer.") from None
            async with aclosing(events(call)) as source:
                async for item in source:
                    yield item
    except ProviderError as error:
        if not shown:
            raise
        yield StreamFailed(error=error.info())
