"""Takes one request from the caller to the provider and its answer back as events.

The order of a request, outermost first:

    deadline → route → attempt [ breaker → queue → slot → limits → breaker permit → credential → open → first event ]
             → stream → checkpoint

In force: one route with its circuit, lane and retries (``lanes``), the deadline (up to the first event, or over all of
an answer that is not streamed; an answer in several requests, because the provider pauses it, has one for all of them,
and one limit of its size), the credential (refreshed first where it has ended; after a 401 one more try with a new
token, or with the key that replaced the refused one), opening with the check of the status, the first event, the
stream, and afterwards the report to the store.

Before the first output (text, reasoning, a call, a source, a file, a block) a failure is raised as a typed error.
Providers also refuse inside a 200, after the events that open an answer, so these are held until then. After it nothing
is raised any more: an answer that breaks ends with ``StreamFailed``. A caller that stops iterating closes the upstream
request with it.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

import msgspec

from providers_app import conf, errors
from providers_app.chat.counting import estimate
from providers_app.dialects.reader import AnswerReader
from providers_app.dispatch import budget, continued
from providers_app.dispatch.continued import Continued
from providers_app.dispatch.credentials import SessionClient, open_session, report
from providers_app.dispatch.events import Annotator, Continuation
from providers_app.dispatch.faults import faults_of
from providers_app.dispatch.incoming import Incoming
from providers_app.dispatch.lanes import Way, fingerprint
from providers_app.dispatch.prepare import refusal
from providers_app.ports import SYSTEM, Owner, Session
from providers_app.resilience.queue import Band
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.events import Event, StreamEnd, StreamFailed, StreamStart, UsageReport

OUTCOMES = (errors.UpstreamError, errors.AddressRefused)
"""Errors that say how a use of the session went."""
HANDSHAKE = (StreamStart, UsageReport, StreamEnd, StreamFailed)
"""Events that show nothing of an answer."""


class Call(msgspec.Struct, frozen=True):
    """One request for an answer; ``session`` is an id, a name or ``auth_type:name``, ``timeout_s`` the deadline.

    ``replay``: it goes on by itself where that is exact (``None``: as configured). ``rounds`` are the requests of an
    answer that is watched, or goes on with an earlier one.
    """

    owner: Owner
    provider: str
    session: str
    chat: ChatRequest
    auth_type: str | None = None
    timeout_s: float | None = None
    band: Band = Band.INTERACTIVE
    replay: bool | None = None
    rounds: Continued | None = None


async def stream(make: Callable[[], Awaitable[Call]]) -> AsyncGenerator[Event, None]:
    """Yield the events of a streamed answer, and the checkpoints of one that is watched.

    Raises typed errors (``make``'s too) before the first output only.
    """
    first = await make()
    call: Call | None = first
    rounds = first.rounds
    request: _Request | None = None
    share = budget.share_of_runner.get() or budget.Share()
    try:
        while call is not None:
            async with AsyncExitStack() as stack:
                request = _Request(call, stack, request, share)
                try:
                    events = await request.begin()
                    answer = request.answer
                    if rounds is not None:
                        rounds.follow(answer)
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
                    request.report()
            chat = None if rounds is None else await rounds.next_chat()
            call = None if chat is None else msgspec.structs.replace(call, chat=chat, rounds=rounds)
    finally:
        if call is not None and call.chat.resumable:
            continued.abandoned(None if request is None else request.answer, rounds)
        if rounds is not None:
            rounds.over()
        share.wire = 0
        (budget.running.full if share is budget.share_of_runner.get() else budget.running.leave)(share)


async def complete(call: Call) -> list[Event]:
    """Return the events of an answer in one piece. Raises typed errors where none of them shows anything."""
    asked: Call | None = call
    rounds = Continuation(call.chat)
    request: _Request | None = None
    found: list[Event] = []
    share = budget.Share()
    try:
        while asked is not None:
            async with AsyncExitStack() as stack:
                request = _Request(asked, stack, request, share)
                try:
                    found += rounds.shown(await request.begin(whole=True))
                finally:
                    request.report()
            chat = rounds.next_chat()
            asked = None if chat is None else msgspec.structs.replace(call, chat=chat)
    finally:
        budget.running.leave(share)
    return found


class _Request:
    """One request of an answer and what comes of it; after a paused one (``before``) with what that left of the bounds.

    The size of the answer and the seconds that may pass before it begins are bounded for all its requests together.
    ``answer`` is what the last attempt received, ``None`` where no answer began.
    """

    def __init__(self, call: Call, stack: AsyncExitStack, before: "_Request | None", share: budget.Share) -> None:
        self._call = call
        self._stack = stack
        self._before: Incoming | None = None if before is None else before.answer or before._before
        self._share = share
        self._seconds = call.timeout_s or conf.current().request_timeout_s
        self._left_s: float = self._seconds if before is None else before._left_s
        self._session: Session | None = None
        self._error: errors.ProviderError | None = None
        self._way: Way | None = None
        self.answer: Incoming | None = None

    async def begin(self, *, whole: bool = False) -> list[Event]:
        """Return the events up to the first output, or all of an answer that is read as a ``whole``.

        Raises a failure before any output; after a paused request, whose output was shown, it is an event.
        """
        clock, call = asyncio.get_running_loop(), self._call
        ends_at = clock.time() + self._left_s
        try:
            async with asyncio.timeout_at(ends_at) as deadline:
                client = await open_session(call.owner, call.provider, call.session, call.auth_type)
                cost, key, session = partial(estimate, call.chat), partial(fingerprint, call.chat), client.session
                way = Way(call.owner, session, call.chat.model, self._left_s, band=call.band, tokens=cost, key=key)
                self._way = way
                return await way.through(partial(self._attempt, client, deadline, ends_at, whole))
        except TimeoutError:
            if not deadline.expired():
                raise
            late = f"The provider did not begin to answer within {self._seconds:g} s."
            error: errors.ProviderError = errors.UpstreamTimeout(late)
        except errors.ProviderError as caught:
            error = caught
        if isinstance(error, OUTCOMES) and not isinstance(error, errors.NotAdmitted):
            self._error = error
        if self._before is None:
            raise error
        self.answer, self._left_s = None, ends_at - clock.time()
        return [StreamFailed(error=error.info())]

    async def _attempt(
        self, client: SessionClient, deadline: asyncio.Timeout, ends_at: float, whole: bool
    ) -> list[Event]:
        """Send the request, and return the events up to the first output. An attempt that fails leaves nothing open."""
        deadline.reschedule(ends_at)
        self.answer = None  # of an attempt before
        try:
            answer = await self._open(client)
            events = await answer.whole() if whole else []
            while not events:
                events = await answer.read()
            self._left_s = ends_at - asyncio.get_running_loop().time()
            deadline.reschedule(None)
            while silent := all(isinstance(event, HANDSHAKE) for event in events):
                if answer.reader.ended:
                    break
                events += await answer.read()
            if silent and isinstance(events[-1], StreamFailed) and self._before is None:
                raise errors.error_from(events[-1].error)
        except errors.ProviderError:
            if self._call.chat.resumable:
                continued.abandoned(self.answer)
            await self._stack.aclose()
            raise
        return events

    def report(self) -> None:
        """Give the slot back, and report the outcome to the store, unless the call was given up before it was known."""
        last = None if self.answer is None else self.answer.last
        error = self._error or (errors.error_from(last.error) if isinstance(last, StreamFailed) else None)
        if self._way is not None:
            usage = None if self.answer is None else self.answer.reader.usage
            self._way.end(usage, error, whole=isinstance(last, StreamEnd))
        if self._session is not None and (error is not None or last is not None):
            report(self._session, error)

    async def _open(self, client: SessionClient) -> Incoming:
        # Nothing was shown yet. An access token may have ended before its time, a key may have been replaced.
        try:
            self.answer = await client.attempt(partial(self._send, client), refused=self._refused)
        except errors.AuthenticationFailed:
            self._session = client.session
            raise
        return self.answer

    def _refused(self) -> None:
        self._session = None  # what becomes of its renewal is not an outcome of this request

    async def _send(self, client: SessionClient, credential: Credential) -> Incoming:
        call = self._call
        prepared = await client.prepare(credential, call.chat)
        session, dialect, request = prepared.session, prepared.dialect, prepared.request
        self._session = session
        idle_s = getattr(conf.provider(session.provider), "idle_timeout_s", None)
        async with AsyncExitStack() as attempt:
            with faults_of(session.provider):
                stream = await attempt.enter_async_context(client.sender.stream(request, idle_timeout=idle_s))
                if self._way is not None:
                    self._way.learn(stream.headers)
                if not 200 <= stream.status < 300:
                    raise await refusal(stream, dialect, request.url)
                annotate = Annotator(call.chat, session, dialect, prepared.advice, stream.mask)
                # Another attempt to resume an answer begins at the same place, so it gets a copy.
                kept = call.rounds.reading if call.rounds is not None and call.chat.cursor is not None else None
                earlier = None if self._before is None else self._before.reader
                reader = AnswerReader(dialect, after=earlier, reading=None if kept is None else kept.kept())
            parts = stream.chunks()
            attempt.push_async_callback(parts.aclose)
            await self._stack.enter_async_context(attempt.pop_all())
        owner = session.owner if call.owner is SYSTEM else call.owner
        lasts = getattr(dialect, "pauses", False) or getattr(dialect, "continues", False)
        return Incoming(owner, client, dialect, stream, parts, reader, annotate, self._share, lasts)
