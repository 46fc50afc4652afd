"""Takes one request from the caller to the provider and its answer back as events.

The order of a request, outermost first:

    deadline → route → attempt [ breaker → queue → slot → limits → breaker permit → credential → open → first event ]
             → stream → checkpoint

In force: the deadline (it covers everything up to the first event, and for an answer that is not streamed all of it),
the credential (session looked up through the store, refreshed first where its access token has ended, request built,
then signed; after a 401 of an OAuth session one forced refresh and one more try), opening with the check of the
status, the first event, the stream, and afterwards the report to the store. Route, breaker, queue, slot, limits and
checkpoint have no part in it: but for that one retry each call is one attempt.

Before the first event a failure is raised as a typed error. After it nothing is raised any more: an answer that
breaks ends with ``StreamFailed``. Whoever stops iterating closes the upstream request with it.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import msgspec

from providers_app import conf
from providers_app.dispatch import report as outcome
from providers_app.dispatch.annotate import Stamp
from providers_app.dispatch.credentials import SessionClient, open_session
from providers_app.dispatch.faults import faults_of
from providers_app.dispatch.prepare import check_status
from providers_app.errors import (
    AddressRefused,
    AuthenticationFailed,
    BadAnswer,
    ProviderError,
    StreamInterrupted,
    UpstreamError,
    UpstreamTimeout,
)
from providers_app.ports import Owner, Session
from providers_app.registry.resolver import spoken
from providers_app.types.advice import Advice
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.dialect import Dialect, Reducer
from providers_app.types.events import Event, StreamEnd, StreamFailed, StreamStart
from providers_app.wire.answer import HttpStream
from providers_app.wire.mask import Mask

logger = logging.getLogger("maestro.dispatcher")

DRAIN_S = 0.1
OUTPUT_ENDS = (StreamEnd, StreamFailed)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request for an answer; ``session`` is an id, a name or ``auth_type:name``, ``timeout_s`` the deadline."""

    owner: Owner
    provider: str
    session: str
    chat: ChatRequest
    auth_type: str | None = None
    timeout_s: float | None = None


async def stream(call: Call) -> AsyncGenerator[Event, None]:
    """The events of a streamed answer; the last one is ``StreamEnd`` or ``StreamFailed``.

    Raises typed errors before the first event only.
    """
    async with AsyncExitStack() as stack:
        answer = _Answer(call, stack)
        try:
            events = await answer.begin()
            while events:
                for event in events:
                    yield event
                events = await answer.more()
            await answer.drain()
        finally:
            answer.report()


async def complete(call: Call) -> AsyncGenerator[Event, None]:
    """The events of an answer that is asked for in one piece. Raises typed errors for everything but a broken body."""
    async with AsyncExitStack() as stack:
        answer = _Answer(call, stack)
        try:
            for event in await answer.whole():
                yield event
        finally:
            answer.report()


class _Answer:
    """The state of one attempt."""

    def __init__(self, call: Call, stack: AsyncExitStack) -> None:
        self._call = call
        self._stack = stack
        self._session: Session | None = None
        self._stream: HttpStream | None = None
        self._parts: AsyncGenerator[bytes, None] | None = None
        self._reducer: Reducer | None = None
        self._last: Event | None = None
        self._error: ProviderError | None = None
        self._mask: Mask | None = None
        self._advice: tuple[Advice, ...] = ()
        self._stamp: Stamp | None = None

    async def begin(self) -> list[Event]:
        """The first events."""
        return await self._within_deadline(self._first())

    async def whole(self) -> list[Event]:
        """All events of an answer in one piece."""
        return await self._within_deadline(self._all())

    async def more(self) -> list[Event]:
        """The next events, none after the end of the answer. Never raises for what the provider or network does."""
        if isinstance(self._last, OUTPUT_ENDS):
            return []
        try:
            while not (events := await self._read()):
                pass
        except ProviderError as error:
            return self._broken(error)
        return events

    async def drain(self) -> None:
        """Read what may follow the end of the answer, so that the connection can carry the next request."""
        if self._stream is not None and isinstance(self._last, StreamEnd):
            await self._stream.drain(DRAIN_S)

    def report(self) -> None:
        """Tell the store how it went, unless the call was given up before anything was known."""
        if self._session is None:
            return
        if self._error is not None:
            outcome.report(self._session, self._error)
        elif isinstance(self._last, StreamFailed):
            outcome.report(self._session, outcome.error_of(self._last.error))
        elif self._last is not None:
            outcome.report(self._session, None)

    async def _within_deadline(self, work: Coroutine[Any, Any, list[Event]]) -> list[Event]:
        seconds = self._call.timeout_s or conf.current().request_timeout_s
        try:
            async with asyncio.timeout(seconds) as deadline:
                return await work
        except TimeoutError:
            if not deadline.expired():
                raise
            self._error = UpstreamTimeout(f"The provider did not begin to answer within {seconds:g} s.")
            raise self._error from None
        except (UpstreamError, AddressRefused) as error:
            self._error = error
            raise

    async def _first(self) -> list[Event]:
        await self._open()
        while not (events := await self._read()):
            pass
        return events

    async def _all(self) -> list[Event]:
        stream, dialect = await self._open()
        limit = conf.current().max_answer_bytes
        body = await stream.read(limit + 1)
        if len(body) > limit:
            raise BadAnswer(f"The answer is larger than {limit} bytes.", status=stream.status)
        try:
            if "text/event-stream" in stream.headers.get("content-type", "").lower():
                reducer = dialect.reducer()  # a server that only streams
                return self._keep([*reducer.feed(body), *reducer.close()])
            return self._keep(dialect.parse(body))
        except Exception as error:  # noqa: BLE001  a fault of a dialect ends this answer only
            raise self._unreadable(error) from None

    async def _open(self) -> tuple[HttpStream, Dialect]:
        call = self._call
        client = await open_session(call.owner, call.provider, call.session, call.auth_type)
        # Nothing was shown yet. A key is refused for good; an access token may have ended before its time.
        try:
            return await client.attempt(partial(self._send, client), refused=self._refused)
        except AuthenticationFailed:
            self._session = client.session
            raise

    def _refused(self) -> None:
        self._session = None  # what becomes of its renewal is not an outcome of this request

    async def _send(self, client: SessionClient, credential: Credential) -> tuple[HttpStream, Dialect]:
        session = client.session
        request, self._advice = await client.prepare(credential, self._call.chat)
        self._session = session
        self._mask = Mask(request)
        idle_s = getattr(conf.provider(session.provider), "idle_timeout_s", None)
        async with AsyncExitStack() as attempt:
            with faults_of(session.provider):
                self._stream = await attempt.enter_async_context(client.sender.stream(request, idle_timeout=idle_s))
                dialect = spoken(session.provider, self._call.chat.model, credential)
                await check_status(self._stream, dialect, request.url)
                self._reducer = dialect.reducer()
                self._stamp = Stamp(self._call.chat, session, dialect)
            self._parts = self._stream.chunks()
            attempt.push_async_callback(self._parts.aclose)
            await self._stack.enter_async_context(attempt.pop_all())
        return self._stream, dialect

    async def _read(self) -> list[Event]:
        """The events of one read of the network, or of the end of the body."""
        assert self._parts is not None and self._reducer is not None
        try:
            data = await anext(self._parts, None)
            return self._ended() if data is None else self._keep(self._reducer.feed(data))
        except ProviderError:
            raise
        except Exception as error:  # noqa: BLE001  a fault of a reducer or responder ends this answer only
            raise self._unreadable(error) from None

    def _ended(self) -> list[Event]:
        assert self._reducer is not None
        try:
            events = self._reducer.close()
        except Exception as error:  # noqa: BLE001  a fault of a reducer ends this answer only
            raise self._unreadable(error) from None
        if not any(isinstance(event, OUTPUT_ENDS) for event in events):
            cut = StreamInterrupted("The answer ended without an end marker.")
            events = [*events, StreamFailed(error=cut.info(), finish_reason="incomplete")]
        return self._keep(events)

    def _broken(self, error: ProviderError) -> list[Event]:
        """The last events of an answer whose connection broke: what was complete by then, and why it broke."""
        assert self._reducer is not None
        try:
            closing = self._reducer.close()
        except Exception as unreadable:  # noqa: BLE001  as above
            self._unreadable(unreadable)
            closing = []
        if not any(isinstance(event, StreamEnd) for event in closing):
            closing = [event for event in closing if not isinstance(event, StreamFailed)]
            closing.append(StreamFailed(error=error.info(), finish_reason="incomplete"))
        return self._keep(closing)

    def _keep(self, events: list[Event]) -> list[Event]:
        """Nothing follows the end of an answer, whatever a reducer gives; and no error repeats the key."""
        if self._stamp is not None:
            events = [self._stamp.event(event) for event in events]
        for number, event in enumerate(events):
            if isinstance(event, StreamStart) and self._advice:
                events = [*events[:number], msgspec.structs.replace(event, advice=self._advice), *events[number + 1 :]]
            if isinstance(event, StreamFailed) and self._mask is not None:
                event = msgspec.structs.replace(event, error=self._mask.error(event.error))
            if isinstance(event, OUTPUT_ENDS):
                events = [*events[:number], event]
                break
        if events:
            self._last = events[-1]
        return events

    @staticmethod
    def _unreadable(error: Exception) -> BadAnswer:
        logger.error("an answer could not be read: %s", type(error).__name__, exc_info=error)
        return BadAnswer("The provider's answer could not be read.")
