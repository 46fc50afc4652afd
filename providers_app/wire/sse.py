"""Server-sent events: bytes in, whole events out. Pure and incremental; any cut of the bytes gives the same events.

Follows the WHATWG rules (UTF-8 always, one leading BOM, CR, LF and CRLF, comments, multi-line data) and works on bytes,
so that U+2028 and its kin inside JSON never end a line. It departs from them in what answers of models need: lines that
are no known field are kept in ``stray`` (errors arrive as bare JSON), an ``error: {...}`` line is an event of its own,
a finished block without its blank line is given by ``close()``, and a line may not grow beyond ``MAX_LINE`` bytes.
"""

import msgspec

MAX_LINE = 64 * 1024 * 1024
MAX_STRAY = 256 * 1024
MAX_DATA_LINES = 100_000
_BOM = b"\xef\xbb\xbf"


class LineTooLong(ValueError):
    """One line, or the data of one event, grew beyond ``MAX_LINE`` bytes."""


class ServerSentEvent(msgspec.Struct, frozen=True, gc=False):
    """One dispatched event. ``data`` is undecoded; ``event`` is ``"message"`` where the stream named none."""

    data: bytes
    event: str = "message"
    id: str = ""


class SseParser:
    """One parser per body. ``retry`` is the last reconnection time in ms, ``stray`` the unknown lines so far."""

    def __init__(self, max_line: int = MAX_LINE) -> None:
        self.retry: int | None = None
        self.stray: list[bytes] = []
        self._max_line = max_line
        self._partial: list[bytes] = []
        self._size = 0
        self._stray_size = 0
        self._data: list[bytes] = []
        self._counted = 0
        self._data_size = 0
        self._events: list[ServerSentEvent] = []
        self._event = ""
        self._id = ""
        self._skip_lf = False
        self._at_start = True

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Return the events that these bytes complete. Raise ``LineTooLong``."""
        if data.startswith(b"data: ") and not (self._at_start or self._partial or self._data or self._event):
            # One whole event in one read, which most servers send: the rules below come to the same. A line feed still
            # to be skipped is none of these bytes, and means nothing at the start of a later line.
            line = data[6:-2] if data.endswith(b"\n\n") else data[6:-4] if data.endswith(b"\r\n\r\n") else b""
            if line and b"\n" not in line and b"\r" not in line:
                return [ServerSentEvent(line, "message", self._id)]
        if self._at_start:
            data = self._without_bom(data)
        if not data:
            return []
        if self._skip_lf:
            self._skip_lf = False
            if data[0] == 10:
                data = data[1:]
        if b"\r" in data:
            # A CR at the very end ends its line now; the LF that may follow is swallowed by the next call.
            self._skip_lf = data[-1] == 13
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = data.split(b"\n")
        if self._partial:
            if len(lines) == 1:
                self._hold(data)
                return []
            self._partial.append(lines[0])
            lines[0] = b"".join(self._partial)
            self._partial.clear()
            self._size = 0
        rest = lines.pop()
        events = self._events = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(self._dispatch())
                else:
                    self._event = ""
            elif line.startswith(b"data:"):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line.startswith(b"event: "):
                self._event = line[7:].decode("utf-8", "replace")
            else:
                self._field(line)
        if rest:
            self._hold(rest)
        if len(self._data) > 1:
            self._bound_data()
        return events

    def close(self) -> list[ServerSentEvent]:
        """Return what an end of the body without a blank line leaves; its last event may be cut short."""
        events = self._events = []
        last = b"".join(self._partial)
        self._partial.clear()
        if last:
            self._field(last)
        if self._data:
            events.append(self._dispatch())
        return events

    def _without_bom(self, data: bytes) -> bytes:
        data = b"".join((*self._partial, data))
        self._partial.clear()
        self._size = 0
        if len(data) < 3 and _BOM.startswith(data):
            if data:
                self._partial.append(data)
            return b""
        self._at_start = False
        return data.removeprefix(_BOM)

    def _hold(self, piece: bytes) -> None:
        self._partial.append(piece)
        self._size += len(piece)
        if self._size > self._max_line:
            raise LineTooLong(f"one line of the answer is longer than {self._max_line} bytes")

    def _bound_data(self) -> None:
        # Each line is counted once: one event may come in very many reads.
        self._data_size += sum(map(len, self._data[self._counted :]))
        self._counted = len(self._data)
        if self._counted > MAX_DATA_LINES or self._data_size > self._max_line:
            raise LineTooLong(f"one event of the answer is longer than {self._max_line} bytes")

    def _dispatch(self) -> ServerSentEvent:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        event = ServerSentEvent(data, self._event or "message", self._id)
        self._data = []
        self._counted = self._data_size = 0
        self._event = ""
        return event

    def _field(self, line: bytes) -> None:
        name, colon, value = line.partition(b":")
        if value[:1] == b" ":
            value = value[1:]
        if name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif not name and colon:
            pass  # a comment, sent to keep the connection open
        elif name == b"data":
            self._data.append(value)
        elif name == b"id":
            if b"\0" not in value:
                self._id = value.decode("utf-8", "replace")
        elif name == b"retry":
            if value.isdigit():
                self.retry = int(value[:12])
        else:
            if name == b"error" and value[:1] == b"{":
                self._events.append(ServerSentEvent(value, "error", self._id))
            if self._stray_size < MAX_STRAY:
                self.stray.append(line)
                self._stray_size += len(line)
