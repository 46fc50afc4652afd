"""One body of an answer: finds out what it is (an event stream, one JSON value, a web page) and feeds it on.

An event stream goes to ``reading.value`` and ``.done``, JSON values to ``reading.whole``, the end of the body to
``reading.end``; all else is ``BadAnswer``. Servers do not keep to what was asked: some ignore ``stream``, some answer
200 with an error object or a login page, and content types lie, so only the bytes themselves decide.
"""

import json
from typing import Any

from providers_app.dialects.answer import Reading
from providers_app.errors import AnswerTooLarge, BadAnswer
from providers_app.types.events import Event, StreamEnd, TextDelta
from providers_app.wire import payload
from providers_app.wire.error_body import plain_text
from providers_app.wire.sse import MAX_LINE, LineTooLong, ServerSentEvent, SseParser

_DONE = b"[DONE]"
_FIELD_NAMES = (b"data:", b"event:", b"id:", b"retry:", b"error:")


class BodyReducer:
    """The ``Reducer`` of every dialect, around that dialect's ``Reading``."""

    __slots__ = ("_answer", "_halves", "_head", "_mode", "_reading", "_saw_event", "_size", "_sse")

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._answer = reading.answer
        self._sse = SseParser()
        self._mode = ""
        self._head: list[bytes] = []
        self._size = 0
        self._saw_event = False
        self._halves: payload.Halves = {}

    def feed(self, data: bytes) -> list[Event]:
        """Return the events that these bytes complete."""
        answer = self._answer
        if answer.ended:
            return []
        if not self._mode:
            data = self._sniff(data)
        if self._mode == "sse":
            self._stream(data)
        elif self._mode == "whole":
            self._gather(data)
        return self._completed() if self._halves and answer.ended else answer.take()

    def close(self) -> list[Event]:
        """Return the events that the end of the body completes; always end the answer."""
        if self._answer.ended:
            return self._answer.take()
        if self._mode == "whole":
            self._whole(b"".join(self._head))
        elif self._mode == "sse":
            self._last_events()
        if not self._answer.ended:
            self._reading.end()
        if not self._answer.ended:
            self._answer.interrupt()
        return self._completed() if self._halves else self._answer.take()

    def kept(self) -> Reading | None:
        """Return a copy of what was read, from which a resumed answer is read on; ``None`` where none can be."""
        keep = getattr(self._reading, "kept", None)
        found: Reading | None = None if keep is None or self._answer.ended or self._mode == "whole" else keep()
        return found

    def _completed(self) -> list[Event]:
        """Take the last events; half a character at the end of the text, whose other half never came, is U+FFFD."""
        events = self._answer.take()
        own = any(place[-1:] in (("content",), ("text",)) for place in self._halves)
        if own and isinstance(events[-1], StreamEnd):  # in an answer that broke off, the other half may have been lost
            events.insert(-1, TextDelta("\ufffd"))
        return events

    def _sniff(self, data: bytes) -> bytes:
        self._head.append(data)
        seen = b"".join(self._head)
        start = seen.removeprefix(b"\xef\xbb\xbf").lstrip()
        if len(seen) < 3 and b"\xef\xbb\xbf".startswith(seen):
            return b""
        if not start:
            self._head = [seen[:3]] if seen.startswith(b"\xef\xbb\xbf") else []  # leading blank lines mean nothing
            return b""
        self._mode = "whole" if start[:1] in (b"{", b"[", b"<") else "sse"
        self._head.clear()
        return seen

    def _gather(self, data: bytes) -> None:
        self._head.append(data)
        self._size += len(data)
        if self._size > MAX_LINE:
            self._head.clear()
            self._answer.fail(AnswerTooLarge(f"The answer is longer than {MAX_LINE} bytes."))

    def _stream(self, data: bytes) -> None:
        try:
            events = self._sse.feed(data)
        except LineTooLong as error:
            self._answer.fail(AnswerTooLarge(f"{str(error)[0].upper()}{str(error)[1:]}."))
            return
        reading, answer, halves = self._reading, self._answer, self._halves
        for event in events:
            if event.data.startswith(_DONE):
                reading.done()
            else:
                try:
                    value = payload.decode(event.data, halves)
                except ValueError:
                    self._no_value(event)
                else:
                    self._saw_event = True
                    reading.value(event.event, value)
            if answer.ended:
                return

    def _no_value(self, event: ServerSentEvent, *, last: bool = False) -> None:
        """Read data that is not one JSON value: an end marker, an error in plain text, a heartbeat, or several values.

        Some servers end their events with one newline instead of two, so that each line is a value. The ``last``
        data of a body may be cut short.
        """
        if event.event == "error" and b"{" not in event.data:
            self._reading.refuse(plain_text(event.data))
            return
        values = []
        for line in map(bytes.strip, event.data.split(b"\n")):
            if line.startswith(_DONE):
                values.append(_DONE)
            elif line.lstrip(b"[ ").startswith(b"{"):
                try:
                    values.append(payload.decode(line, self._halves))
                except ValueError:
                    if last:
                        break
                    fault = "A piece of the answer is not JSON, so the rest of it cannot be trusted."
                    self._reading.fail(BadAnswer(fault))
                    return
            elif line and not self._saw_event:
                self._sse.stray.append(line)  # a heartbeat, unless nothing else comes
        for number, value in enumerate(values, 1):
            if self._answer.ended:
                return
            self._saw_event = True
            if value is _DONE:
                self._reading.done()
            else:  # of several names only the last is known
                self._reading.value(event.event if number == len(values) else "message", value)

    def _last_events(self) -> None:
        for event in self._sse.close():
            # An unfinished block counts only when it is whole: a payload that was cut is a cut stream.
            try:
                value = payload.decode(event.data, self._halves)
            except ValueError:
                self._no_value(event, last=True)
            else:
                self._saw_event = True
                self._reading.value(event.event, value)
        if self._answer.ended or not self._sse.stray:
            return
        bare = b"\n".join(self._sse.stray)
        field = bare.startswith(b"error:") or any(name.startswith(bare) for name in _FIELD_NAMES)  # one that was cut
        value = _decoded(bare)
        if isinstance(value, dict | list):
            self._reading.value("error", value)
        elif not (self._saw_event or self._answer.started or field):
            self._not_an_answer(bare)

    def _whole(self, body: bytes) -> None:
        body = body.removeprefix(b"\xef\xbb\xbf").strip()
        if body.startswith(b"<"):
            self._not_an_answer(body)
            return
        value = _decoded(body)
        values = value if isinstance(value, list) else [value]
        if value is None:
            values = _elements(body)
            if not values and _starts_with_an_object(body):
                self._not_an_answer(body)
        for item in values:
            if isinstance(item, dict) and not self._answer.ended:
                self._reading.whole(item)

    def _not_an_answer(self, body: bytes) -> None:
        text = plain_text(body)
        self._answer.fail(BadAnswer(f"The address did not answer like a model: {text}" if text else "An empty page."))


def _decoded(data: bytes) -> Any:
    try:
        return payload.decode(data)
    except ValueError:
        return None


def _starts_with_an_object(body: bytes) -> bool:
    """True for JSON lines and other text after a whole object, false for an object that was cut."""
    try:
        json.JSONDecoder(strict=False).raw_decode(body.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return False
    return True


def _elements(body: bytes) -> list[Any]:
    """Return the whole elements of a JSON array that was cut."""
    text = body.decode("utf-8", "replace")
    if not text.startswith("["):
        return []
    decoder = json.JSONDecoder(strict=False)
    found: list[Any] = []
    at = 1
    while True:
        while at < len(text) and text[at] in " \r\n\t,":
            at += 1
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            return found
        found.append(value)
