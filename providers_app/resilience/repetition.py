"""The beginning of a stored answer that a provider sends once more, left out of what is shown. Pure.

The provider sends the very same answer, but not in the same pieces: text is compared, not the number of events.
"""

from collections import deque
from collections.abc import Iterable

from msgspec.structs import replace

from providers_app.errors import CannotContinue
from providers_app.resilience.checkpoint import RUNS
from providers_app.types.events import (
    Event,
    ReasoningDelta,
    StreamContinued,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    UsageReport,
)

PASSED = (StreamStart, UsageReport, StreamContinued, StreamEnd, StreamFailed)
"""Events of the earlier reading that are no part of the answer itself."""
_Kind = tuple[object, ...]


class Repetition:
    """The events of an answer that were shown before: feed it those of the second reading, it returns what is new."""

    def __init__(self, shown: Iterable[Event]) -> None:
        self._left: deque[tuple[_Kind, str]] = deque()
        self._at = 0  # characters of the first one that have come again
        for event in shown:
            for kind, text in () if isinstance(event, PASSED) else _parts(event):
                if text and self._left and self._left[-1][0] == kind:
                    text = self._left.pop()[1] + text
                self._left.append((kind, text))

    @property
    def over(self) -> bool:
        """``True`` once all of the earlier events have come again."""
        return not self._left

    def rest(self, event: Event) -> Event | None:
        """Return what is new of the next event, ``None`` for nothing.

        Raises ``CannotContinue`` where the answer is not the one that was shown.
        """
        if isinstance(event, StreamFailed) or self.over:
            return event
        if isinstance(event, StreamEnd):
            raise _another()
        for kind, text in () if isinstance(event, PASSED) else _parts(event):
            new = self._new(kind, text)
            if new is not None:
                return replace(event, **{RUNS[type(event)]: new})
        return None

    def _new(self, kind: _Kind, text: str) -> str | None:
        """Return what is new of a part of an event; ``None`` where all of it was shown."""
        if self.over:
            return text
        expected, shown = self._left[0]
        if kind != expected:
            raise _another()
        same = min(len(text), len(shown) - self._at)
        if not shown.startswith(text[:same], self._at):
            raise _another()
        self._at += same
        if self._at == len(shown):
            self._left.popleft()
            self._at = 0
        if same == len(text):
            return None
        if self._left:
            raise _another()
        return text[same:]


def _parts(event: Event) -> list[tuple[_Kind, str]]:
    """Return what an event is compared by: its kind and text; what is attached to a text is a part of its own."""
    match event:
        case TextDelta():
            kind: _Kind = (TextDelta, event.refusal, event.aside)
        case ReasoningDelta():
            kind = (ReasoningDelta, event.part)
        case ToolCallDelta():
            return [((ToolCallDelta, event.index, event.name), event.arguments)] if event.arguments else []
        case ToolCall():
            return [((ToolCall, event.index, event.name), "")]
        case _:
            return [((type(event),), "")]
    return [*([(kind, event.text)] if event.text else []), *([((*kind, "opaque"), "")] if event.opaque else [])]


def _another() -> CannotContinue:
    return CannotContinue("The provider's stored answer is not the one that was shown.")
