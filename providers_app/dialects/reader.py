"""One answer, read from its bytes to its end: the only way from a dialect's bytes to events.

Exactly one event ends an answer and nothing follows, a body that stops too early fails, it takes no more memory than it
may, and a fault of the dialect ends this answer only.
"""

import logging
from typing import Any

from providers_app import conf
from providers_app.dialects.answer import MAX_PARTS
from providers_app.dialects.reducer import BodyReducer
from providers_app.errors import AnswerTooLarge, BadAnswer, ProviderError, StreamInterrupted
from providers_app.types.dialect import Dialect
from providers_app.types.events import (
    Citation,
    Event,
    GeneratedFile,
    OpaqueBlock,
    ReasoningDelta,
    ServerToolEvent,
    StreamEnd,
    StreamFailed,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from providers_app.wire import payload

logger = logging.getLogger("maestro.dispatcher")

ENDS = (StreamEnd, StreamFailed)
COUNTED = frozenset({ToolCallDelta, ToolCall, GeneratedFile, Citation, ServerToolEvent, OpaqueBlock})
VALUE_BYTES = 32
"""Memory of a value beyond its JSON."""
MAX_NAME = 1000
"""Characters of a tool's name and of a call's id, which every piece of its arguments repeats."""
PAUSED_COPIES = 2
"""Copies of its text that are held of an answer that may pause, for the request that goes on with it."""
WIRE_BYTES = 1024
"""Bytes of an event on the wire beyond its text; what came beyond that may lie in the dialect's reader."""


class AnswerReader:
    """Reader of one answer; once ``ended`` is true, no more events come."""

    __slots__ = (
        "_bytes",
        "_calls",
        "_events",
        "_files",
        "_last",
        "_limits",
        "_parts",
        "_reducer",
        "_text",
        "copies",
        "ended",
        "held",
        "reading",
        "usage",
    )

    def __init__(
        self,
        dialect: Dialect,
        *,
        max_bytes: int | None = None,
        max_text: int | None = None,
        max_events: int | None = None,
        after: "AnswerReader | None" = None,
        reading: Any = None,
    ) -> None:
        """Limit the answer to ``max_bytes`` on the wire, ``max_text`` bytes of text and ``max_events`` events.

        Text is also reasoning, tool calls, sources and blocks. ``None`` is the limit of the settings in force. What
        ``after`` has read of the same answer counts as well. With ``reading`` the body goes on where that one ended.
        """
        settings = conf.current()
        self._reducer = dialect.reducer() if reading is None else BodyReducer(reading)
        self._limits = (
            settings.max_answer_bytes if max_bytes is None else max_bytes,
            settings.max_answer_text_bytes if max_text is None else max_text,
            settings.max_answer_events if max_events is None else max_events,
        )
        self._bytes: int = 0 if after is None else after._bytes
        self._text: int = 0 if after is None else after._text
        self._events: int = 0 if after is None else after._events
        self._files: int = 0 if after is None else after._files
        self._parts: int = 0 if after is None else after._parts
        self.copies = PAUSED_COPIES if getattr(dialect, "pauses", False) else 0
        self._last: object = None  # what a delta has in common with those that it is joined with
        self._calls: dict[int, int] = {}  # bytes of the arguments of calls that are streamed
        self.held = 0  # about the bytes that the dialect's reader holds: calls, and what no event told of yet
        self.ended = False
        self.usage: Usage | None = None
        """The tokens that the provider says the answer took, input included, as far as it has told."""
        self.reading: Any = None  # of an answer that broke off and can be resumed

    @property
    def text_bytes(self) -> int:
        """The bytes of text so far, reasoning and calls included."""
        return self._text

    @property
    def left(self) -> int:
        """The bytes that may still come on the wire."""
        return self._limits[0] - self._bytes

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete. Raises ``AnswerTooLarge``, ``BadAnswer``."""
        self._bytes += len(data)
        if self._bytes > self._limits[0]:
            raise AnswerTooLarge(f"The answer is larger than {self._limits[0]} bytes.")
        try:
            return self._checked(self._reducer.feed(data))
        except ProviderError:
            raise
        except Exception as error:  # noqa: BLE001  a fault of a reducer ends this answer only
            raise unreadable(error) from None

    def whole(self, body: bytes) -> list[Event]:
        """Return the events of a whole answer; a server that only streams may have sent it as a stream.

        Raises ``AnswerTooLarge``, ``BadAnswer``.
        """
        events = self.feed(body)
        return events if self.ended else [*events, *self.close()]

    def close(self) -> list[Event]:
        """Return the events that the end of the body completes; the last one ends the answer. Raises ``BadAnswer``."""
        self.reading = self.kept()
        if self.reading is not None:
            return [self._failed(StreamInterrupted("The answer ended without an end marker."))]
        events = self._checked(self._closed())
        if self.ended:
            return events
        return [*events, self._failed(StreamInterrupted("The answer ended without an end marker."))]

    def fail(self, error: ProviderError) -> list[Event]:
        """Return the last events of an answer that ``error`` broke: what was complete by then, and the error.

        Where the connection broke, an end that had arrived still counts; where the answer itself is at fault, not.
        """
        if self.ended:
            return []
        self.reading = self.kept()
        if self.reading is not None:
            return [self._failed(error)]
        try:
            # What is left over of an answer that is too large is not read: it may be all of it, in one line.
            events = [] if isinstance(error, AnswerTooLarge) else self._closed()
        except ProviderError:
            events = []
        if not isinstance(error, BadAnswer) and any(isinstance(event, StreamEnd) for event in events):
            return self._checked(events, limited=False)
        return [*(event for event in events if not isinstance(event, ENDS)), self._failed(error)]

    def kept(self) -> Any:
        """Return the state of an answer that can be resumed; ``None`` for every other."""
        keep = getattr(self._reducer, "kept", None)
        return None if keep is None or self.ended else keep()

    def _closed(self) -> list[Event]:
        try:
            return self._reducer.close()
        except ProviderError:
            raise
        except Exception as error:  # noqa: BLE001  as above
            raise unreadable(error) from None

    def _failed(self, error: ProviderError) -> StreamFailed:
        self.ended = True
        return StreamFailed(error=error.info(), finish_reason="incomplete")

    def _checked(self, events: list[Event], *, limited: bool = True) -> list[Event]:
        """Cut what follows the end, and count what came. Raises ``AnswerTooLarge`` unless it is not ``limited``."""
        for number, event in enumerate(events):
            kind = type(event)
            if kind is TextDelta or kind is ReasoningDelta:
                text = event.text  # type: ignore[union-attr]
                self._text += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
                joined = (kind, event.part if kind is ReasoningDelta else event.refusal)  # type: ignore[union-attr]
                if joined != self._last:
                    self._last = joined
                    self._parts += 1
                if event.opaque:  # type: ignore[union-attr]
                    self._last = None
                    self._text += _weight(event.opaque)  # type: ignore[union-attr]
            elif kind is UsageReport:
                self.usage = event.usage  # type: ignore[union-attr]
            elif isinstance(event, ENDS):
                events = events[: number + 1]
                self.ended = True
                break
            elif kind in COUNTED:
                self._last = None
                self._count(event)
        self._events += len(events)
        told = 4 * self._text + WIRE_BYTES * self._events + 2 * self._files
        self.held = self.copies * self._text + sum(self._calls.values()) + max(0, self._bytes - told)
        _, max_text, max_events = self._limits
        over = ""
        if self._text > max_text:
            over = f"{max_text} bytes of text"
        elif self._events > max_events:
            over = f"{max_events} events"
        elif self._parts > MAX_PARTS:
            over = f"{MAX_PARTS} parts"
        if over and limited:
            self.ended = False
            raise AnswerTooLarge(f"The answer has more than {over}.")
        return events

    def _count(self, event: Event) -> None:
        match event:
            case ToolCallDelta(index=index):
                size = len(event.arguments.encode("utf-8", "surrogatepass"))
                self._text += size
                self._calls[index] = self._calls.get(index, 0) + size
                if max(len(event.name), len(event.provider_id or "")) > MAX_NAME:
                    raise AnswerTooLarge(f"The answer names a tool with more than {MAX_NAME} characters.")
                return  # the call itself is the part
            case ToolCall(index=index):
                given = event.arguments if event.invalid_arguments is None else event.invalid_arguments
                self._text += max(0, _weight(given) - self._calls.pop(index, 0))
            case GeneratedFile():
                self._files += len(event.data)
            case _:
                self._text += _weight(event.data)  # type: ignore[union-attr]
        self._parts += 1


def _weight(value: Any) -> int:
    """Return the bytes of a value as JSON, and what it takes in memory beyond them."""
    data = payload.encode(value)
    return len(data) + VALUE_BYTES * (data.count(b",") + data.count(b"[") + data.count(b"{"))


def unreadable(error: Exception) -> BadAnswer:
    """Log a fault of a dialect and return the typed error of the answer it could not read."""
    logger.error("an answer could not be read: %s", type(error).__name__, exc_info=error)
    return BadAnswer("The provider's answer could not be read.")
