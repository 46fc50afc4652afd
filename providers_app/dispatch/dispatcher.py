"""Takes one request from the caller to the provider and its answer back as events.

The order of a request, outermost first:

    deadline → route → attempt [ breaker → queue → slot → limits → breaker permit → credential → open → first event ]
             → stream → checkpoint

In force: the routes (several where an alias is asked), each with its circuit, lane and retries, the deadline (up to the
first event, or over all of an answer that is not streamed; an answer in several requests, because the provider pauses
it, has one for all of them, and one limit of its size), the credential (refreshed first where it has ended; after a 401
one more try with a new token, or with the key that replaced the refused one), opening with the check of the status, the
first event, the stream, and afterwards the report to the store.

Before the first output (text, reasoning, a call, a source, a file, a block) a failure is raised as a typed error.
Providers also refuse inside a 200, after the events that open an answer, so these are held until then. After it nothing
is raised any more: an answer that breaks ends with ``StreamFailed``. A caller that stops iterating closes the upstream
request with it.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable

import msgspec

from providers_app.dispatch import abandoned, budget, continued
from providers_app.dispatch.events import Continuation
from providers_app.dispatch.request import Call, Request
from providers_app.types.events import Event


async def stream(make: Callable[[], Awaitable[Call]]) -> AsyncGenerator[Event, None]:
    """Yield the events of a streamed answer, and the checkpoints of one that is watched.

    Raises typed errors (``make``'s too) before the first output only.
    """
    first = await make()
    call: Call | None = first
    rounds = first.rounds
    request: Request | None = None
    share = budget.share_of_runner.get() or budget.Share()
    try:
        while call is not None:
            request = Request(call, request, share)
            try:
                events = await request.begin()
                call, answer = request.call, request.answer
                if rounds is not None:
                    rounds.follow(answer, call.chat.model)
                elif answer is not None and answer.lasts:
                    rounds = continued.of(call.owner, call.chat, answer, replay=call.replay)
                for event in events if rounds is None else rounds.shown(events):
                    yield event
                while answer is not None and not answer.reader.ended:
                    events = await answer.more()
                    for event in events if rounds is None else rounds.shown(events):
                        yield event
                if answer is not None:
                    await answer.drain()
            finally:
                try:
                    request.report()
                finally:
                    await request.close()
            chat = None if rounds is None else await rounds.next_chat()
            call = None if chat is None else msgspec.structs.replace(call, chat=chat, rounds=rounds)
    finally:
        if call is not None and call.chat.resumable:
            abandoned.cancel(None if request is None else request.answer, rounds)
        if rounds is not None:
            rounds.over()
        share.wire = 0
        (budget.running.full if share is budget.share_of_runner.get() else budget.running.leave)(share)


async def complete(call: Call) -> list[Event]:
    """Return the events of an answer in one piece. Raises typed errors where none of them shows anything."""
    asked: Call | None = call
    rounds: Continuation | None = None
    request: Request | None = None
    found: list[Event] = []
    share = budget.Share()
    try:
        while asked is not None:
            request = Request(asked, request, share)
            try:
                events = await request.begin(whole=True)
                call = request.call
                rounds = rounds or Continuation(call.chat)
                found += rounds.shown(events)
            finally:
                try:
                    request.report()
                finally:
                    await request.close()
            chat = rounds.next_chat()
            asked = None if chat is None else msgspec.structs.replace(call, chat=chat)
    finally:
        budget.running.leave(share)
    return found
