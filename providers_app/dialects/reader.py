"""One answer, read from its bytes to its end: the only way from a dialect's bytes to events.

Exactly one event ends an answer and nothing follows, a body that stops too early fails, it takes no more memory than it
may, and a fault of the dialect ends this answer only.
"""

import logging

from providers_app import conf
from providers_app.errors import AnswerTooLarge, BadAnswer, ProviderError, StreamInterrupted
from providers_app.types.dialect import Dialect
from providers_app.types.events import Event, ReasoningDelta, StreamEnd, StreamFailed, TextDelta, ToolCallDelta

logger = logging.getLogger("maestro.dispatcher")

TEXTS = (TextDelta, ReasoningDelta, ToolCallDelta)
ENDS = (StreamEnd, StreamFailed)


class AnswerReader:
    """Reader of one answer; once ``ended`` is true, no more events come."""

    __slots__ = ("_bytes", "_max_bytes", "_max_text", "_reducer", "_text", "ended")

    def __init__(
        self,
        dialect: Dialect,
        *,
        max_bytes: int | None = None,
        max_text: int | None = None,
        after: "AnswerReader | None" = None,
    ) -> None:
        """Limit the answer to ``max_bytes`` on the wire and ``max_text`` bytes of text, reasoning and arguments.

        ``None`` is the limit of the settings in force. What ``after`` has read of the same answer counts as well.
        """
        settings = conf.current()
        self._reducer = dialect.reducer()
        self._max_bytes = settings.max_answer_bytes if max_bytes is None else max_bytes
        self._max_text = settings.max_answer_text_bytes if max_text is None else max_text
        self._bytes: int = 0 if after is None else after._bytes
        self._text: int = 0 if after is None else after._text
        self.ended = False

    @property
    def left(self) -> int:
        """The bytes that may still come on the wire."""
        return self._max_bytes - self._bytes

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete. Raises ``AnswerTooLarge``, ``BadAnswer``."""
        self._bytes += len(data)
        if self._bytes > self._max_bytes:
            raise AnswerTooLarge(f"The answer is larger than {self._max_bytes} bytes.")
        try:
            events = self._reducer.feed(data)
        except ProviderError:
            raise
        except Exception as error:  # noqa: BLE001  a fault of a reducer ends this answer only
            raise unreadable(error) from None
        return self._checked(events)

    def whole(self, body: bytes) -> list[Event]:
        """Return the events of a whole answer; a server that only streams may have sent it as a stream.

        Raises ``AnswerTooLarge``, ``BadAnswer``.
        """
        events = self.feed(body)
        return events if self.ended else [*events, *self.close()]

    def close(self) -> list[Event]:
        """Return the events that the end of the body completes; the last one ends the answer. Raises ``BadAnswer``."""
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
        try:
            events = self._closed()
        except ProviderError:
            events = []
        if not isinstance(error, BadAnswer) and any(isinstance(event, StreamEnd) for event in events):
            return self._checked(events, limited=False)
        return [*(event for event in events if not isinstance(event, ENDS)), self._failed(error)]

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
        """Cut what follows the end, and count the text."""
        for number, event in enumerate(events):
            if isinstance(event, TEXTS):
                text = event.arguments if isinstance(event, ToolCallDelta) else event.text
                self._text += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
            elif isinstance(event, ENDS):
                events = events[: number + 1]
                self.ended = True
                break
        if limited and self._text > self._max_text:
            self.ended = False
            raise AnswerTooLarge(f"The answer has more than {self._max_text} bytes of text.")
        return events


def unreadable(error: Exception) -> BadAnswer:
    """Log a fault of a dialect and return the typed error of the answer it could not read."""
    logger.error("an answer could not be read: %s", type(error).__name__, exc_info=error)
    return BadAnswer("The provider's answer could not be read.")
