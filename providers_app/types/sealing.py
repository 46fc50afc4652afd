"""Secret-bearing values to bytes and back; the bytes are for the key ring and for nothing else."""

import threading
from typing import Any, TypeVar

import msgspec

from providers_app.types.credentials import Secret

T = TypeVar("T")

_decoders: dict[type, msgspec.json.Decoder[Any]] = {}
_making = threading.Lock()


def to_plain(value: msgspec.Struct) -> bytes:
    """JSON with every secret in the clear: seal it at once, never write or log it."""
    return msgspec.json.encode(value, enc_hook=_reveal)


def from_plain(plain: bytes, kind: type[T]) -> T:
    """What ``to_plain`` was given. Raises ``ValueError``, which quotes nothing of the content."""
    try:
        found: T = _decoder(kind).decode(plain)
        return found
    except msgspec.MsgspecError:
        # Not chained: the decoder's message may quote what it could not read.
        raise ValueError(f"this is no stored {kind.__name__}") from None


def _decoder(kind: type) -> msgspec.json.Decoder[Any]:
    """Made once and by one thread: msgspec (0.22) reads the fields of a type at its first use, and two threads that do
    so at once end the process with a segmentation fault."""
    with _making:
        if kind not in _decoders:
            _decoders[kind] = msgspec.json.Decoder(kind, dec_hook=_wrap)
        return _decoders[kind]


def _reveal(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value).__name__)


def _wrap(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(kind.__name__)
