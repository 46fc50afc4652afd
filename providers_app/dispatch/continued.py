"""The requests of one answer that goes on after it broke off, shown as one answer with one end.

An answer that breaks after its first output goes on by itself where that is exact: behind a cursor of the provider, or
behind its own text where the model takes a prefix. Each such request goes the way of every request (lane, breaker,
deadline), takes its place in the provider's retry budget, and there are at most ``max_continuations`` of them. Where
that is not possible, the answer ends as broken, and a checkpoint of it can be continued in another way.
"""

import asyncio
from typing import Any

import msgspec

from providers_app import conf, errors
from providers_app.chat import going_on
from providers_app.chat.counting import estimated
from providers_app.dispatch import lanes
from providers_app.dispatch.events import Continuation
from providers_app.dispatch.incoming import Incoming
from providers_app.ports import Owner, Session
from providers_app.resilience.checkpoint import Buffer, Pace, StreamCheckpoint, started
from providers_app.resilience.overlap import Seam
from providers_app.resilience.repetition import Repetition
from providers_app.resilience.retry import RetryBudget, wait_before_going_on
from providers_app.types.chat import ChatRequest
from providers_app.types.continuing import EXACT, UNDECLARED, Continuing, Cursor, Way, open_ways
from providers_app.types.dialect import Dialect
from providers_app.types.events import (
    Event,
    StreamContinued,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
    ToolCall,
    Usage,
    UsageReport,
)

COPIES = 2
"""Copies of its text that are held of an answer that may go on: one is kept, one is in the request that goes on."""
SILENT = (StreamStart, UsageReport, StreamFailed)
"""Events before which no seam is shown."""


def declared(dialect: Dialect, chat: ChatRequest) -> Continuing:
    """Return how an answer to ``chat`` can go on in this dialect."""
    continuing = getattr(dialect, "continuing", None)
    found: Continuing = UNDECLARED if continuing is None else continuing(chat)
    return found


class Continued:
    """The requests of one answer to ``chat``. Neither the break nor the start of the next request is shown."""

    def __init__(
        self, owner: Owner, chat: ChatRequest, *, replay: bool | None = None, pace: Pace | None = None
    ) -> None:
        """``replay``: the answer goes on by itself (``None``: as configured). ``pace``: checkpoints are given out."""
        settings = conf.current()
        self.reading: Any = None  # of the answer that the next request resumes
        self.resuming = False  # until that request has begun
        self._owner, self._chat, self._pace = owner, chat, pace
        self.replay = settings.enable_stream_replay if replay is None else replay
        self._tries = 0
        self._pauses = Continuation(chat)
        self._buffer = Buffer(settings.max_buffer_events if self.replay or pace is not None else 0)
        self._asked = chat  # by the request that is being read
        self.answer: Incoming | None = None
        self._chars = self._chars_before = 0
        self._way: Way = "stop"  # in which the request goes on; at first it goes on with nothing
        self._seam: Seam | None = None
        self._repeated: Repetition | None = None  # of an answer that is read again from its beginning
        self._starting = self._marked = False
        self._broke: StreamFailed | None = None
        self._next: ChatRequest | None = None
        self._wait_s = 0.0
        self._allowed: RetryBudget | None = None

    @property
    def follows(self) -> bool:
        """``True`` where the answer goes on with what was shown before, ``False`` where it begins anew."""
        return self._way not in ("stop", "restart")

    def follow(self, answer: Incoming | None, model: str = "") -> "Continued":
        """Read the events of this request from now on; ``model`` is the one that an alias chose."""
        self.over()
        if model and model != self._chat.model:
            self._chat = self._asked = msgspec.structs.replace(self._chat, model=model)
            self._pauses = Continuation(self._chat)
        if answer is not None:  # else it did not begin, and the one before says where the answer stands
            self.answer, self.resuming = answer, False
            if not self._buffer.full:
                answer.reader.copies = max(COPIES, answer.reader.copies)
        return self

    def resume(self, checkpoint: StreamCheckpoint, way: Way, dialect: Dialect) -> ChatRequest:
        """Go on with an earlier answer; return the first request. ``restart`` asks anew and shows nothing of it."""
        if way == "restart":
            self._way, self._marked = way, True
            return self._chat
        kept = tuple(event for event in checkpoint.events if not isinstance(event, StreamEnd | StreamFailed))
        self._pauses.shown(list(kept))
        self._buffer = Buffer(conf.current().max_buffer_events, kept, checkpoint.last_index)
        self._chars = len(checkpoint.text)
        self._broke = checkpoint.ended if isinstance(checkpoint.ended, StreamFailed) else None
        self.reading = checkpoint.reading
        cursor = checkpoint.cursor
        if way == "cursor" and cursor is not None and cursor.after is None:
            self._chat = msgspec.structs.replace(self._chat, resumable=True)  # it was, or there would be no cursor
            self._repeated = Repetition(kept)
        self._asked = self._request(way, declared(dialect, self._chat), cursor)
        self._starting = self._starting or self._repeated is not None
        self._chars_before = self._chars
        return self._asked

    def shown(self, events: list[Event]) -> list[Any]:
        """Return what the caller sees of these events of a request, and the checkpoints that are due.

        Raises ``CannotContinue`` where the provider no longer has the answer that was shown.
        """
        failed = events[-1] if events and isinstance(events[-1], StreamFailed) else None
        if failed is not None and self._repeated is not None and failed.finish_reason_raw is not None:
            raise errors.CannotContinue(f"The provider has no more of this answer: it is {failed.finish_reason_raw}.")
        out: list[Any] = []
        unfinished: list[Event] = []
        for event in events:
            if failed is not None and isinstance(event, ToolCall) and event.invalid_arguments is not None:
                unfinished.append(event)  # of a call that was cut
            elif event is not failed:
                out += self._passed(event)
        if failed is not None and not self._goes_on(failed):
            for event in (*unfinished, self._cause(failed)):
                out += self._passed(event)
        if self._pace is not None and (checkpoint := self._checkpoint()) is not None:
            out.append(checkpoint)
        return out

    async def next_chat(self) -> ChatRequest | None:
        """Return the next request of the answer, once it may be sent. ``None``: the answer has ended."""
        chat = self._pauses.next_chat()
        if chat is None:
            chat, self._next = self._next, None
            if chat is not None and self._wait_s:
                await asyncio.sleep(self._wait_s)
        if chat is not None:
            self._asked, self._chars_before = chat, self._chars
        return chat

    def over(self) -> None:
        """Give back the place in the retry budget."""
        if self._allowed is not None:
            self._allowed.done()
            self._allowed = None

    def _passed(self, event: Event) -> list[Event]:
        if isinstance(event, StreamStart) and self._starting:
            self._starting = False
            return []
        if self._repeated is not None:
            new = self._repeated.rest(event)
            if self._repeated.over:
                self._repeated = None
            if new is None:
                return []
            event = new
        before: list[Event] = []
        if self._seam is not None and not isinstance(event, UsageReport):
            if isinstance(event, TextDelta) and not event.aside and not event.refusal:
                event = msgspec.structs.replace(event, text=self._seam.feed(event.text))
                if not event.text and event.opaque is None:
                    return []
            else:
                # Text that is held when an answer breaks repeats what was shown, as far as it has come.
                rest, self._seam = "" if isinstance(event, StreamFailed) else self._seam.close(), None
                before = [TextDelta(rest)] if rest else []
        if not self._marked and self._way != "stop" and (before or not isinstance(event, SILENT)):
            self._marked = True
            reason = self._broke.error.message if self._broke is not None else ""
            before.insert(0, StreamContinued(self._way, self._chars, reason))
            self._broke = None
        if isinstance(event, StreamEnd) and self._way in ("prefix", "instruct") and not self._pauses.counted:
            before.append(UsageReport(self._estimated()))
        shown = self._pauses.shown([*before, event])
        for one in shown:
            if isinstance(one, TextDelta) and not one.aside and not one.refusal:
                self._chars += len(one.text)
            self._buffer.add(one)
        return shown

    def _cause(self, failed: StreamFailed) -> StreamFailed:
        """Return the end of a broken answer: a request that brought nothing more does not replace its reason."""
        return self._broke if self._broke is not None and not self._marked else failed

    def _goes_on(self, failed: StreamFailed) -> bool:
        """Prepare the request that goes on with the answer, if one may be made."""
        error, answer, settings = errors.error_from(failed.error), self.answer, conf.current()
        if not self.replay or self._tries >= settings.max_continuations or answer is None or self._buffer.full:
            return False
        form = declared(answer.dialect, self._chat)
        cursor = self._cursor(answer)
        way = next((one for one in open_ways(form, self._buffer.events(), cursor) if one in EXACT), None)
        wait = wait_before_going_on(error, self._tries, settings.longest_retry_wait_s)
        if way is None or wait is None or not self._allow(answer.client.session):
            return False
        self._wait_s = wait
        self._tries += 1
        self.resuming = way == "cursor"
        if self._broke is None or self._marked:
            self._broke = failed
        self._next = self._request(way, form, cursor)
        return True

    def _request(self, way: Way, form: Continuing, cursor: Cursor | None) -> ChatRequest:
        """Return the request that goes on with the answer in this way."""
        if way == "cursor" and self._seam is not None and not self._seam.past:
            self._starting = False  # what goes on with the answer is read on, with its seam
            return msgspec.structs.replace(self._chat, cursor=cursor)
        self._way, self._starting, self._marked, self._seam = way, way != "cursor", False, None
        if way == "cursor":
            return msgspec.structs.replace(self._chat, cursor=cursor)
        self._pauses.broken(self._estimated())
        parts = self._pauses.parts
        if way == "prefix":
            self._seam = Seam(going_on.text_of(parts), "echo" if form.echo else "plain")
            return going_on.prefilled(self._chat, parts)
        self._seam = Seam(going_on.text_of(parts), "anchored")
        return going_on.instructed(self._chat, parts)

    def _estimated(self) -> Usage:
        """Return the tokens of a request that the provider did not count."""
        return estimated(self._asked, self._chars - self._chars_before)

    def _allow(self, session: Session) -> bool:
        self._allowed = lanes.current().route(session, self._chat.model).budget
        if self._allowed.allow(asyncio.get_running_loop().time()):
            return True
        self._allowed = None
        return False

    def _cursor(self, answer: Incoming) -> Cursor | None:
        """Keep the state of a response that can be resumed, and return where it goes on."""
        reading = self.reading = answer.reader.reading or answer.reader.kept()
        if reading is None:
            return None
        return Cursor(response_id=reading.answer.response_id or "", after=reading.sequence or 0)

    def _checkpoint(self) -> StreamCheckpoint | None:
        """Return a checkpoint if one is due, and at the end."""
        answer, pace = self.answer, self._pace
        if answer is None or pace is None or self._buffer.full or answer.annotate.holding or self._repeated is not None:
            return None
        now, index = asyncio.get_running_loop().time(), self._buffer.index
        events = self._buffer.events() if pace.due(index, now) or answer.reader.ended else ()
        if not events or self._next is not None:
            return None
        session, first = answer.client.session, started(events)
        kept = answer.reader.reading or answer.reader.kept()
        return StreamCheckpoint(
            owner=self._owner,
            provider=session.provider,
            session=session.id,
            model=self._chat.model,
            request=self._chat,
            events=events,
            last_index=index,
            usage=self._pauses.usage,
            response_id=(kept.answer if kept is not None else first or StreamStart()).response_id,
            sequence=None if kept is None else kept.sequence,
            reading=kept,
        )


def of(owner: Owner, chat: ChatRequest, answer: Incoming, *, replay: bool | None) -> Continued | None:
    """Return the requests of an answer that the provider may pause, or that can go on exactly; ``None`` for others."""
    found = Continued(owner, chat, replay=replay)
    exact = found.replay and not EXACT.isdisjoint(declared(answer.dialect, chat).ways)
    if not exact:
        found.replay = False
    return found.follow(answer) if exact or getattr(answer.dialect, "pauses", False) else None
