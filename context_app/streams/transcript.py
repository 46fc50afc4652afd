"""Turn the events of one answer into its ChatResult and its stored state. Pure."""

import datetime
from typing import Any

import msgspec

from context_app.streams.answer_chunks import answer_chunks
from context_app.streams.live import Ending
from providers_app.streaming import fold
from providers_app.types.advice import Advice
from providers_app.types.events import (
    ErrorInfo,
    Event,
    ReasoningDelta,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    UsageReport,
)

MAX_ADVICE = 100
MAX_ADVICE_CHARS = 500
FOLD_CHARS = 16 * 1024
"""Characters of text that are kept in pieces; a piece takes some sixty bytes beyond its own."""
INTERRUPTED = "interrupted"
"""The error code of an answer that ended because Maestro did."""

_encoder = msgspec.json.Encoder()
_event: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode(event: Event) -> tuple[Event, bytes]:
    """Return the event and its JSON, with U+FFFD for text that no database or JSON holds (NUL, lone surrogates)."""
    if isinstance(event, StreamStart) and event.advice:
        event = msgspec.structs.replace(event, advice=_capped(event.advice))
    try:
        data = _encoder.encode(event)
        if b"\\u0000" not in data:
            return event, data
    except UnicodeEncodeError:
        pass
    clean = msgspec.convert(_clean(msgspec.to_builtins(event)), Event)
    return clean, _encoder.encode(clean)


def decode(data: bytes) -> Event:
    """Return the event in ``data``. Raises ``msgspec.DecodeError``."""
    return _event.decode(data)


class _Text(msgspec.Struct):
    """A run of deltas: the first one, and the text of all; ``pieces`` is what is not folded yet."""

    first: TextDelta | ReasoningDelta
    folded: list[bytes] = []
    pieces: list[str] = []
    size: int = 0

    def add(self, text: str) -> None:
        self.pieces.append(text)
        self.size += len(text)
        if self.size > FOLD_CHARS:
            self.fold()

    def fold(self) -> None:
        """Put the pieces together: as UTF-8, because one rare character makes a text four times as large."""
        self.folded.append("".join(self.pieces).encode())
        self.pieces, self.size = [], 0

    def event(self) -> Event:
        self.fold()
        return msgspec.structs.replace(self.first, text=b"".join(self.folded).decode())


class Transcript:
    """The events of one answer, with runs of deltas joined into one; ``size`` is about how many bytes it holds."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._events: list[Event | _Text] = []
        self._usage: UsageReport | None = None
        self._run: _Text | None = None
        self.size = 0
        self.terminal: StreamEnd | StreamFailed | None = None

    def uncounted(self, *, spent: bool = False) -> bool:
        """Return whether an answer began, or was paid for (``spent``), whose tokens the provider did not count."""
        return self._usage is None and (spent or bool(self._events))

    def add(self, event: Event, size: int = 0) -> None:
        """Add the next event, of ``size`` bytes as it is stored. Events after the terminal one are ignored."""
        if self.terminal is not None or isinstance(event, ToolCallDelta):
            return
        if isinstance(event, TextDelta | ReasoningDelta):
            # Deltas that differ in nothing but their text become one.
            bare = msgspec.structs.replace(event, text="")
            if self._run is None or bare != self._run.first:
                if self._run is not None:
                    self._run.fold()
                self._run = _Text(bare)
                self._events.append(self._run)
                self.size += max(0, size - len(event.text))
            self._run.add(event.text)
            self.size += len(event.text)
            return
        if isinstance(event, UsageReport):
            self._usage = event  # the last one counts
            return
        self._run = None
        self.size += size
        self._events.append(event)
        if isinstance(event, StreamEnd | StreamFailed):
            self.terminal = event

    def ending(self, at: datetime.datetime, *, cut: ErrorInfo | None = None) -> Ending:
        """Return how the stream is stored. ``cut`` is the reason if there is no terminal event."""
        if self.terminal is None:
            error = cut or ErrorInfo(code=INTERRUPTED, message="The answer ended without an end.")
            self.add(StreamFailed(error=error, finish_reason="incomplete"))
        events = [event.event() if isinstance(event, _Text) else event for event in self._events]
        if self._usage is not None:
            events.insert(-1, self._usage)
        # Through JSON, so that the result is the same whether it comes from memory or from the database.
        result = msgspec.json.decode(_encoder.encode(fold(events).to_dict()))
        return Ending(state=_state(self.terminal), result=result, chunks=answer_chunks(events, self._provider), at=at)


def _state(terminal: StreamEnd | StreamFailed | None) -> str:
    if isinstance(terminal, StreamEnd):
        return "complete"
    if terminal is None or terminal.error.code == INTERRUPTED:
        return "interrupted"
    return "cancelled" if terminal.finish_reason == "cancelled" else "failed"


def _capped(advice: tuple[Advice, ...]) -> tuple[Advice, ...]:
    """Return advice as it is stored: a long history has a note for each of its parts. The rest is counted."""
    kept = []
    for item in advice[:MAX_ADVICE]:
        nearest = item.nearest if len(str(item.nearest)) <= MAX_ADVICE_CHARS else None
        kept.append(msgspec.structs.replace(item, what=_cut(item.what), why=_cut(item.why), nearest=nearest))
    if more := len(advice) - len(kept):
        kept.append(Advice(level="hint", field="messages", what=f"{more:,} more notes are not stored.", code="more"))
    return tuple(kept)


def _cut(text: str) -> str:
    more = len(text) - MAX_ADVICE_CHARS
    return f"{text[:MAX_ADVICE_CHARS]}… ({more:,} more characters)" if more > 0 else text


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
