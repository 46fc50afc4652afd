"""The events of one answer while it is being read: what has begun, what has ended, and that it ends exactly once."""

import hashlib
from typing import Any

from providers_app.errors import StreamInterrupted, UpstreamError
from providers_app.types.events import (
    Event,
    FinishReason,
    ReasoningDelta,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageReport,
)


class Answer:
    """Collects events until they are taken. After ``end`` or ``fail`` nothing more is accepted."""

    __slots__ = ("_events", "append", "calls", "ended", "response_id", "started")

    def __init__(self) -> None:
        self._events: list[Event] = []
        self.append = self._events.append
        self.calls = 0
        self.ended = False
        self.started = False
        self.response_id: str | None = None

    def take(self) -> list[Event]:
        """Take the events since the last call."""
        events = self._events
        if not events:
            return []
        self._events = []
        self.append = self._events.append
        return events

    def start(self, model: Any = None, response_id: Any = None) -> None:
        """Begin the answer, unless it has begun; names that are empty or no strings become ``None``."""
        if not self.started:
            self.started = True
            self.response_id = response_id if isinstance(response_id, str) and response_id else None
            self.append(StreamStart(model if isinstance(model, str) and model else None, self.response_id))

    def text(self, piece: str) -> None:
        if not self.started:
            self.start()
        self.append(TextDelta(piece))

    def reasoning(self, piece: str, part: int = 0) -> None:
        if not self.started:
            self.start()
        self.append(ReasoningDelta(piece, part))

    def next_call(self) -> int:
        """Count one more tool call and return its index, from 0."""
        if not self.started:
            self.start()
        self.calls += 1
        return self.calls - 1

    def call_delta(self, index: int, name: str, piece: str, provider_id: str | None) -> None:
        self.append(ToolCallDelta(index, name, piece, provider_id))

    def call(
        self,
        index: int,
        name: str,
        arguments: dict[str, Any],
        *,
        provider_id: str | None = None,
        invalid: str | None = None,
        opaque: dict[str, Any] | None = None,
    ) -> None:
        """Add a whole tool call.

        Its id is derived from the answer's id, so that reading the same bytes again gives it again.
        """
        seed = f"{self.response_id}\0{index}\0{provider_id}\0{name}".encode("utf-8", "replace")
        stable = "call_" + hashlib.sha256(seed).hexdigest()[:24]
        self.append(ToolCall(index, stable, name, arguments, provider_id, invalid, opaque))

    def end(
        self, finish: FinishReason, raw: str | None, *, usage: Usage | None = None, message: str | None = None
    ) -> None:
        if self.ended:
            return
        self.start()
        if usage is not None:
            self.append(UsageReport(usage))
        self.append(StreamEnd(finish, raw, message))
        self.ended = True

    def fail(
        self,
        error: UpstreamError,
        finish: FinishReason = "error",
        raw: str | None = None,
        *,
        usage: Usage | None = None,
    ) -> None:
        """End the answer with an error; ``usage`` holds the counts known so far."""
        if self.ended:
            return
        if usage is not None:
            self.append(UsageReport(usage))
        self.append(StreamFailed(error.info(), finish, raw))
        self.ended = True

    def interrupt(self, *, usage: Usage | None = None) -> None:
        """End an answer whose body ended before the provider ended it."""
        message = (
            "The answer broke off before its end." if self.started else "The connection ended before an answer began."
        )
        self.fail(StreamInterrupted(message), "incomplete", usage=usage)
