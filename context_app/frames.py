"""The frames of the chat, as ``docs/websocket-frames.md`` says: text to values on the way in, values to text on the
way out. Pure.
"""

from typing import Any
from uuid import UUID

import msgspec

from context_app.errors import BadFrame
from context_app.streams.reader import Batch, Ended
from providers_app.errors import ProviderError


class _Frame(msgspec.Struct, frozen=True, tag_field="type", kw_only=True):
    pass


class Send(_Frame, frozen=True, kw_only=True, tag="send"):
    """Start a turn."""

    text: str
    session: str | None = None
    model: str | None = None
    params: dict[str, Any] | None = None
    client_id: str = ""


class Attach(_Frame, frozen=True, kw_only=True, tag="attach"):
    """Read a stream from the event after ``after`` on."""

    stream: UUID
    after: int = 0


class Stop(_Frame, frozen=True, kw_only=True, tag="stop"):
    """Stop an answer."""

    stream: UUID


class Retry(_Frame, frozen=True, kw_only=True, tag="retry"):
    """Ask again."""

    turn: UUID


class Ping(_Frame, frozen=True, kw_only=True, tag="ping"):
    """Are you there?"""


ClientFrame = Send | Attach | Stop | Retry | Ping

_decoder: msgspec.json.Decoder[ClientFrame] = msgspec.json.Decoder(ClientFrame)


def _plain(value: object) -> str:
    """Rendered HTML is a ``SafeString``, a kind of text that the encoder does not take for text."""
    if isinstance(value, str):
        return value[:]
    raise TypeError(f"{type(value).__name__} cannot be in a frame")


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def decode(text: str | bytes) -> ClientFrame:
    """A client frame. Raises ``BadFrame`` that says what is wrong with it."""
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise BadFrame(f"The frame is not one that is known: {error}.") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadFrame("The frame is not JSON.") from None


def client_id_of(text: str | bytes) -> str:
    """The ``client_id`` of a frame that may be broken otherwise, so that its error can be told apart."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    name = found.get("client_id") if isinstance(found, dict) else None
    return name[:64] if isinstance(name, str) else ""


def encode(frame: dict[str, Any]) -> str:
    """A server frame as text."""
    return _encoder.encode(frame).decode()


def events(stream: UUID, batch: Batch) -> str:
    """An ``events`` frame. The events are encoded already; they are joined, not encoded again."""
    head = f'{{"type":"events","stream":"{stream}","first_seq":{batch.first_seq},"last_seq":{batch.last_seq},"events":['
    return head + b",".join(batch.events).decode() + "]}"


def end(stream: UUID, turn: UUID | None, ended: Ended, html: str) -> str:
    """An ``end`` frame."""
    return encode(
        {
            "type": "end",
            "stream": stream,
            "turn": turn,
            "state": ended.state,
            "last_seq": ended.last_seq,
            "html": html,
            "result": ended.result,
        }
    )


def error(problem: ProviderError, client_id: str = "") -> str:
    """An ``error`` frame."""
    frame = {"type": "error", "code": problem.code, "message": problem.message, "hint": problem.hint}
    if client_id:
        frame["client_id"] = client_id
    return encode(frame)
