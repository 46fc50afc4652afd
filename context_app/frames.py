"""Decode and encode the frames of the chat, as described in ``docs/websocket-frames.md``. Pure."""

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
    """Retry a turn."""

    turn: UUID


class Continue(_Frame, frozen=True, kw_only=True, tag="continue"):
    """Go on with the answer of a turn."""

    turn: UUID


class Ping(_Frame, frozen=True, kw_only=True, tag="ping"):
    """Ask for a ``pong``."""


ClientFrame = Send | Attach | Stop | Retry | Continue | Ping

_decoder: msgspec.json.Decoder[ClientFrame] = msgspec.json.Decoder(ClientFrame)


def _plain(value: object) -> str:
    """Encode rendered HTML: a ``SafeString`` is a subclass of str, which the encoder does not take."""
    if isinstance(value, str):
        return value[:]
    raise TypeError(f"{type(value).__name__} cannot be in a frame")


_encoder = msgspec.json.Encoder(enc_hook=_plain)


def decode(text: str | bytes) -> ClientFrame:
    """Return a client frame. Raises ``BadFrame`` that names the fault."""
    try:
        return _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise BadFrame(f"The frame is not one that is known: {error}.") from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise BadFrame("The frame is not JSON.") from None


def client_id_of(text: str | bytes) -> str:
    """Return the ``client_id`` of a possibly broken frame, so that its error can be assigned to it."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""
    name = found.get("client_id") if isinstance(found, dict) else None
    return name[:64] if isinstance(name, str) else ""


def encode(frame: dict[str, Any]) -> str:
    """Return a server frame as text."""
    return _encoder.encode(frame).decode()


def events(stream: UUID, batch: Batch) -> str:
    """Return an ``events`` frame. The events are joined, for they are encoded already."""
    head = f'{{"type":"events","stream":"{stream}","first_seq":{batch.first_seq},"last_seq":{batch.last_seq},"events":['
    return head + b",".join(batch.events).decode() + "]}"


def end(stream: UUID, turn: UUID | None, ended: Ended, html: str) -> str:
    """Return an ``end`` frame."""
    frame = {"type": "end", "stream": stream, "turn": turn, "state": ended.state, "last_seq": ended.last_seq}
    return encode(frame | {"html": html, "result": ended.result})


def error(problem: ProviderError, client_id: str = "") -> str:
    """Return an ``error`` frame."""
    frame = {"type": "error", "code": problem.code, "message": problem.message, "hint": problem.hint}
    frame["step"] = problem.step.value
    if client_id:
        frame["client_id"] = client_id
    return encode(frame)
