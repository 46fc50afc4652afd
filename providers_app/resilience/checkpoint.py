"""The events kept of a running answer, so that it can go on after it broke, or be shown to a later reader. Pure.

It is kept in memory: a checkpoint ends with its process.
"""

from typing import Any

import msgspec

from providers_app.types.chat import ChatRequest
from providers_app.types.continuing import Cursor
from providers_app.types.events import (
    Event,
    ReasoningDelta,
    StreamContinued,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)

RUNS: dict[type, str] = {TextDelta: "text", ReasoningDelta: "text", ToolCallDelta: "arguments"}
"""Events that are joined with their like, and the field that is."""


class StreamCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as far as it has come.

    ``events`` are those so far, with runs of deltas joined into one; ``last_index`` counts them as they were given out.
    ``usage`` is that of all requests of the answer so far. ``response_id`` and ``sequence`` are the provider's name of
    the answer and its number of the last event, where it has such. ``request`` is what was asked, ``reading`` the
    dialect's reader at this place.
    """

    owner: Any
    provider: str
    session: str
    model: str
    request: ChatRequest
    events: tuple[Event, ...]
    last_index: int
    usage: Usage | None = None
    response_id: str | None = None
    sequence: int | None = None
    reading: Any = None

    @property
    def ended(self) -> StreamEnd | StreamFailed | None:
        """The end of the answer, once it has one."""
        last = self.events[-1] if self.events else None
        return last if isinstance(last, StreamEnd | StreamFailed) else None

    @property
    def cursor(self) -> Cursor | None:
        """The place where the provider goes on with the very same answer, if it can."""
        if self.reading is None or self.response_id is None or self.sequence is None:
            return stored_cursor(self.events)
        return Cursor(response_id=self.response_id, after=self.sequence)

    @property
    def text(self) -> str:
        """The text so far."""
        return text_of(self.events)


def text_of(events: tuple[Event, ...]) -> str:
    """Return the text of an answer, without what is shown beside it."""
    return "".join(event.text for event in events if isinstance(event, TextDelta) and not event.aside)


class _Run:
    """A run of deltas: the first one, and the pieces of all."""

    __slots__ = ("first", "key", "pieces")

    def __init__(self, first: Any, key: tuple[Any, ...], piece: str) -> None:
        self.first, self.key, self.pieces = first, key, [piece]


class Buffer:
    """The events of a running answer, at most ``most`` of them with runs of deltas joined; beyond that none are kept.

    ``index`` counts the events that were added, ``full`` says that there were too many.
    """

    def __init__(self, most: int, events: tuple[Event, ...] = (), index: int = 0) -> None:
        self._most = most
        self._kept: list[Event | _Run] = list(events)
        self._usage: UsageReport | None = None
        self.index = index
        self.full = False

    def add(self, event: Event) -> None:
        """Add the next event."""
        self.index += 1
        if self.full:
            return
        field = RUNS.get(type(event))
        if field is None:
            if type(event) is UsageReport:
                self._usage = event  # the last one counts
                return
            self._kept.append(event)
        else:
            key = _likeness(event)
            last = self._kept[-1] if self._kept else None
            if type(last) is _Run and last.key == key and key:
                last.pieces.append(getattr(event, field))
                return
            self._kept.append(_Run(event, key, getattr(event, field)))
        if len(self._kept) > self._most:
            self.full = True
            self._kept.clear()

    def events(self) -> tuple[Event, ...]:
        """Return the events so far; the last report of tokens stands at the end, or in front of it."""
        found = [event if type(event) is not _Run else _joined(event) for event in self._kept]
        if self._usage is not None and not self.full:
            at_end = bool(found) and isinstance(found[-1], StreamEnd | StreamFailed)
            found.insert(len(found) - at_end, self._usage)
        return tuple(found)  # type: ignore[arg-type]


class Pace:
    """When a checkpoint is due: after ``events`` events, or ``seconds`` after the last one, whichever is first."""

    def __init__(self, events: int, seconds: float) -> None:
        self._events, self._seconds = events, seconds
        self._index, self._at = 0, float("-inf")

    def due(self, index: int, now: float) -> bool:
        """Return whether one is due after ``index`` events, and begin to count anew if so."""
        if index == self._index or (index - self._index < self._events and now - self._at < self._seconds):
            return False
        self._index, self._at = index, now
        return True


def _likeness(event: Event) -> tuple[Any, ...]:
    """Return what two deltas of one run have in common; empty for one that stands alone."""
    match event:
        case TextDelta(opaque=None):
            return (TextDelta, event.refusal, event.aside)
        case ReasoningDelta(opaque=None):
            return (ReasoningDelta, event.part)
        case ToolCallDelta():
            return (ToolCallDelta, event.index, event.name, event.provider_id)
        case _:
            return ()


def _joined(run: _Run) -> Event:
    if len(run.pieces) > 1:
        run.first = msgspec.structs.replace(run.first, **{RUNS[type(run.first)]: "".join(run.pieces)})
        run.pieces = ["".join(run.pieces)]
    found: Event = run.first
    return found


def stored_cursor(events: tuple[Event, ...]) -> Cursor | None:
    """Return the cursor of an answer of which nothing is left but its events: the provider may still have all of it.

    It has not where the answer ended, was stopped (that cancels it there), failed at the provider itself, or went on
    in another response.
    """
    first, last = started(events), events[-1] if events else None
    if first is None or not first.resumable or first.response_id is None:
        return None
    if isinstance(last, StreamEnd):
        return None
    if isinstance(last, StreamFailed) and (last.finish_reason == "cancelled" or last.finish_reason_raw is not None):
        return None
    if any(isinstance(event, StreamContinued) and event.way != "cursor" for event in events):
        return None
    return Cursor(response_id=first.response_id)


def started(events: tuple[Event, ...]) -> StreamStart | None:
    """Return the start of the answer, if it has begun."""
    return next((event for event in events if isinstance(event, StreamStart)), None)
