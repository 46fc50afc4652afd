"""What a spool file consists of: framed records, each with its own checksum, so that a torn tail is seen as one. Pure.

    magic "MSP1" | stream id (16) | number of the first event (u64) | length (u32) | CRC-32 (u32) | payload

The payload is a JSON array of events, the same bytes that a segment holds.
"""

import struct
import zlib
from collections.abc import Iterator
from uuid import UUID

import msgspec

MAGIC = b"MSP1"
_HEADER = struct.Struct(">4s16sQII")
HEADER_SIZE = _HEADER.size
_array = msgspec.json.Decoder(list[msgspec.Raw])


class Record(msgspec.Struct, frozen=True):
    """The events of one upstream read of one stream; ``payload`` is a JSON array."""

    stream: UUID
    first_seq: int
    payload: bytes


def join(events: list[bytes]) -> bytes:
    """A JSON array out of encoded events."""
    return b"[" + b",".join(events) + b"]"


def split(payload: bytes | memoryview) -> list[bytes]:
    """The encoded events of a JSON array, without decoding them. Raises ``msgspec.DecodeError``."""
    return [bytes(item) for item in _array.decode(payload)]


def frame(stream: UUID, first_seq: int, payload: bytes) -> bytes:
    """One record, ready to be appended to a spool file."""
    crc = _checksum(stream.bytes, first_seq, payload)
    return _HEADER.pack(MAGIC, stream.bytes, first_seq, len(payload), crc) + payload


def parse(data: bytes) -> Iterator[Record]:
    """The whole records at the front of ``data``; stops at the first that is torn or damaged."""
    position = 0
    while position + _HEADER.size <= len(data):
        magic, stream, first_seq, length, crc = _HEADER.unpack_from(data, position)
        start = position + _HEADER.size
        payload = data[start : start + length]
        if magic != MAGIC or len(payload) < length or _checksum(stream, first_seq, payload) != crc:
            return
        yield Record(UUID(bytes=stream), first_seq, payload)
        position = start + length


def _checksum(stream: bytes, first_seq: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(stream + first_seq.to_bytes(8, "big")))
