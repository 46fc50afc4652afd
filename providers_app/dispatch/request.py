"""One request of an answer: by which route it goes, until an answer begins; then what became of it is reported."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import msgspec

from providers_app import conf, errors, measures
from providers_app.chat.counting import estimate
from providers_app.dialects.reader import AnswerReader
from providers_app.dispatch import abandoned, aliases, budget
from providers_app.dispatch.aliases import Plan
from providers_app.dispatch.continued import Continued
from providers_app.dispatch.credentials import SessionClient, open_session, report
from providers_app.dispatch.events import Annotator
from providers_app.dispatch.faults import faults_of
from providers_app.dispatch.incoming import Incoming
from providers_app.dispatch.lanes import Way
from providers_app.dispatch.prepare import refusal
from providers_app.ports import SYSTEM, Owner, Session
from providers_app.resilience.queue import Band
from providers_app.types.chat import ChatRequest
from providers_app.types.credentials import Credential
from providers_app.types.events import Event, StreamEnd, StreamFailed, StreamStart, UsageReport
from providers_app.types.session_limits import NEVER_S, lowest
from providers_app.wire.answer import HttpStream

logger = logging.getLogger("maestro.dispatcher")

OUTCOMES = (errors.UpstreamError, errors.AddressRefused)
"""Errors that say how a use of the session went."""
HANDSHAKE = frozenset({StreamStart, UsageReport, StreamEnd, StreamFailed})
"""Events that show nothing of an answer."""


class Call(msgspec.Struct, frozen=True):
    """One request for an answer; ``session`` is an id, a name or ``auth_type:name``, ``timeout_s`` the deadline.

    ``None`` for ``timeout_s`` and ``max_retries``: what the session or the settings say; 0 is off. ``plan`` has the
    routes of an alias, which are asked instead of one session. ``replay``: the answer goes on by itself where that is
    exact (``None``: as configured). ``rounds`` are the requests of an answer that is watched, or goes on with an
    earlier one.
    """

    owner: Owner
    provider: str
    session: str
    chat: ChatRequest
    auth_type: str | None = None
    timeout_s: float | None = None
    max_retries: int | None = None
    band: Band = Band.INTERACTIVE
    plan: Plan | None = None
    replay: bool | None = None
    rounds: Continued | None = None


class Request:
    """One request of an answer and what comes of it; after a paused one (``before``) with what that left of the bounds.

    The size of the answer and the seconds that may pass before it begins are bounded for all its requests together.
    ``answer`` is what the last attempt received, ``None`` where no answer began; ``call`` then names who answered.
    """

    def __init__(self, call: Call, before: "Request | None", share: budget.Share) -> None:
        self.call = call
        self._exchange: AbstractAsyncContextManager[HttpStream] | None = None
        self._parts: AsyncGenerator[bytes, None] | None = None
        self._before: Incoming | None = None if before is None else before.answer or before._before
        self._share = share
        seconds: float = conf.current().request_timeout_s if call.timeout_s is None else call.timeout_s or NEVER_S
        self._seconds: float = seconds if before is None else before._seconds
        self._left_s: float = seconds if before is None else before._left_s
        self._ends_at = 0.0
        self._session: Session | None = None
        self._error: errors.ProviderError | None = None
        self._failed: dict[int, tuple[Session, errors.ProviderError]] = {}  # by route of an alias
        self._way: Way | None = None
        self.answer: Incoming | None = None

    async def begin(self, *, whole: bool = False) -> list[Event]:
        """Return the events up to the first output, or all of an answer that is read as a ``whole``.

        Raises a failure before any output; after a paused request, whose output was shown, it is an event.
        """
        call, now = self.call, asyncio.get_running_loop().time()
        self._ends_at = now + self._left_s
        try:
            async with asyncio.timeout_at(self._ends_at) as deadline:
                if call.plan is not None:
                    return await self._by_plan(call.plan, deadline, whole)
                client = await open_session(call.owner, call.provider, call.session, call.auth_type)
                if client.session.limits.timeout_s is not None and self._before is None:
                    self._seconds = self._left_s = lowest(call.timeout_s, client.session.limits.timeout_s)
                    self._ends_at = now + self._left_s
                routes = ((client.session, call.chat.model),)
                cost, key = partial(estimate, call.chat), partial(fingerprint, call.chat)
                self._way = Way(call.owner, routes, self._left_s, call.band, cost, key, call.max_retries)
                return await self._way.through(partial(self._attempt, client, (deadline,), whole))
        except TimeoutError:
            if not deadline.expired():
                raise
            error: errors.ProviderError = _late(self._seconds)
        except errors.ProviderError as caught:
            error = caught
        if isinstance(error, OUTCOMES) and not isinstance(error, errors.NotAdmitted):
            self._error = error
        if self._before is None:
            raise error
        self.answer, self._left_s = None, self._ends_at - asyncio.get_running_loop().time()
        return [StreamFailed(error=error.info())]

    async def _by_plan(self, plan: Plan, deadline: asyncio.Timeout, whole: bool) -> list[Event]:
        """Try the routes of an alias; from then on ``call`` names the one that answered."""
        call = self.call
        cost, key = partial(estimate, call.chat), partial(fingerprint, call.chat)
        way = self._way = Way(call.owner, plan.routes, self._left_s, call.band, cost, key, call.max_retries)
        try:
            events = await way.through(partial(self._by_route, plan, deadline, whole))
        except errors.ProviderError as error:
            raise aliases.unanswered(plan, error, way.course.failed_attempts) from None
        session, model = plan.routes[way.at]
        answering = {"provider": session.provider, "session": session.id, "plan": None}
        self.call = msgspec.structs.replace(call, chat=msgspec.structs.replace(call.chat, model=model), **answering)
        return aliases.marked(events, aliases.answered(plan, way.at, way.course.failed_attempts))

    async def _by_route(self, plan: Plan, deadline: asyncio.Timeout, whole: bool, at: int) -> list[Event]:
        """Make one attempt at a route. While others are left it has its share of the time, so that they have theirs."""
        assert self._way is not None
        session, model = plan.routes[at]
        seconds = (self._ends_at - asyncio.get_running_loop().time()) / len(self._way.course.left)
        if session.limits.timeout_s:
            seconds = min(seconds, session.limits.timeout_s)
        self._session = None  # of a route before
        try:
            async with asyncio.timeout(seconds) as limit:
                client = await open_session(self.call.owner, session.provider, session.id)
                events = await self._attempt(client, (deadline, limit), whole, at, model=model)
        except TimeoutError:
            if not limit.expired():
                raise
            await self.close()
            error: errors.ProviderError = _late(seconds)
        except errors.ProviderError as caught:
            error = caught
        else:
            self._failed.pop(at, None)
            return events
        if self._session is not None and isinstance(error, OUTCOMES):
            self._failed[at] = self._session, error
        self._session = None
        raise error

    async def _attempt(
        self, client: SessionClient, deadlines: tuple[asyncio.Timeout, ...], whole: bool, at: int, model: str = ""
    ) -> list[Event]:
        """Send the request, and return the events up to the first output. An attempt that fails leaves nothing open.

        ``deadlines`` hold until the first event: the first of them is that of all attempts.
        """
        if deadlines[0].when() != self._ends_at:
            deadlines[0].reschedule(self._ends_at)
        self.answer = None  # of an attempt before
        try:
            # Nothing was shown yet. An access token may have ended before its time, a key may have been replaced.
            try:
                answer = await client.attempt(partial(self._send, client, model), refused=self._refused)
            except errors.AuthenticationFailed:
                self._session = client.session
                raise
            self.answer = answer
            events = await answer.whole() if whole else []
            while not events:
                events = await answer.read()
            self._left_s = self._ends_at - asyncio.get_running_loop().time()
            for deadline in deadlines:
                deadline.reschedule(None)
            while (silent := HANDSHAKE.issuperset(map(type, events))) and not answer.reader.ended:
                events += await answer.read()
            if silent and isinstance(events[-1], StreamFailed) and self._before is None:
                raise errors.error_from(events[-1].error)
        except errors.ProviderError:
            self._share.asked = False
            if self.call.chat.resumable:
                abandoned.cancel(self.answer)
            await self.close()
            raise
        return events

    async def close(self) -> None:
        """Close what the last attempt opened: the body, and the upstream request with it."""
        parts, self._parts = self._parts, None
        exchange, self._exchange = self._exchange, None
        try:
            if parts is not None:
                await parts.aclose()
        finally:
            if exchange is not None:
                await exchange.__aexit__(None, None, None)

    def report(self) -> None:
        """Give the slot back, and report the outcome to the store, unless the call was given up before it was known."""
        last = None if self.answer is None else self.answer.last
        error = self._error or (errors.error_from(last.error) if isinstance(last, StreamFailed) else None)
        if self._way is not None:
            usage = None if self.answer is None else self.answer.reader.usage
            self._way.end(usage, error, whole=isinstance(last, StreamEnd))
            if (listener := measures.here.listener) is not None:
                self._tell(listener, self._way)
        for session, failed in self._failed.values():
            report(session, failed)
        if self._session is not None and (error is not None or last is not None):
            report(self._session, error)

    def _tell(self, listener: measures.Listener, way: Way) -> None:
        """Tell the listener of this request, which ended. Never raises: what fails there ends no answer."""
        answer = self.answer
        start = None if answer is None else answer.annotate.start
        try:
            listener(
                measures.Answered(
                    chat=self.call.chat,
                    provider=self.call.provider,
                    usage=None if answer is None else answer.reader.usage,
                    error="" if way.outcome in ("ok", "stopped") else way.outcome,
                    first_s=way.first_s,
                    whole_s=way.lasted_s,
                    end=None if answer is None else answer.last,
                    model=None if start is None else start.model,
                    response_id=None if start is None else start.response_id,
                    heard=(answer.heard or []) if answer is not None else [],
                )
            )
        except Exception:
            logger.exception("a request could not be recorded")

    def _refused(self) -> None:
        self._session = None  # what becomes of its renewal is not an outcome of this request

    async def _send(self, client: SessionClient, model: str, credential: Credential) -> Incoming:
        call = self.call
        chat = msgspec.structs.replace(call.chat, model=model) if model else call.chat
        prepared = await client.prepare(credential, chat)
        session, dialect, request = prepared.session, prepared.dialect, prepared.request
        self._session = session
        own, common = vars(conf.provider(session.provider)), conf.current()
        limits: dict[str, Any] = {
            "idle_timeout": own.get("idle_timeout_s"),
            "first_byte_timeout": own.get("first_byte_timeout_s") or common.first_byte_timeout_s,
        }
        total_s = own.get("total_timeout_s") or common.total_timeout_s
        try:
            with faults_of(session.provider):
                self._share.asked = True
                exchange = client.sender.stream(request, **limits)
                stream = await exchange.__aenter__()
                self._exchange = exchange
                if self._way is not None:
                    self._way.learn(stream.headers)
                if not 200 <= stream.status < 300:
                    raise await refusal(stream, dialect, request.url)
                annotate = Annotator(chat, session, dialect, prepared.advice, stream.mask)
                # Another attempt to resume an answer begins at the same place, so it gets a copy.
                kept = call.rounds.reading if call.rounds is not None and call.chat.cursor is not None else None
                earlier = None if self._before is None else self._before.reader
                reader = AnswerReader(dialect, after=earlier, reading=None if kept is None else kept.kept())
            parts = self._parts = stream.chunks()
        except BaseException:  # a refused key is followed by another attempt
            await self.close()
            raise
        owner = session.owner if call.owner is SYSTEM else call.owner
        lasts = getattr(dialect, "pauses", False) or getattr(dialect, "continues", False)
        begun = asyncio.get_running_loop().time() if self._before is None else self._before.begun
        found = Incoming(owner, chat, client, dialect, stream, parts, reader, annotate, self._share, begun, lasts)
        found.total_s = total_s
        if (listener := measures.here.listener) is not None and listener.content:
            found.heard = []
        return found


def _late(seconds: float) -> errors.UpstreamTimeout:
    return errors.UpstreamTimeout(f"The provider did not begin to answer within {seconds:.3g} s.")


def fingerprint(chat: ChatRequest) -> str:
    """Return what tells a request from others of its person and is the same when it comes again, in this process."""
    return f"{chat.model}/{len(chat.messages)}/{hash(repr(chat.messages[-1:])):x}"
