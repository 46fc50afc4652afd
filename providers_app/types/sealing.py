"""Secret-bearing values to bytes and back; the bytes are for the key ring and for nothing else."""

from typing import Any, TypeVar

import msgspec

from providers_app.types.credentials import Secret

T = TypeVar("T")


def to_plain(value: msgspec.Struct) -> bytes:
    """JSON with every secret in the clear: seal it at once, never write or log it."""
    return msgspec.json.encode(value, enc_hook=_reveal)


def from_plain(plain: bytes, kind: type[T]) -> T:
    """What ``to_plain`` was given. Raises ``ValueError``, which quotes nothing of the content."""
    try:
        return msgspec.json.decode(plain, type=kind, dec_hook=_wrap)
    except msgspec.MsgspecError:
        # Not chained: the decoder's message may quote what it could not read.
        raise ValueError(f"this is no stored {kind.__name__}") from None


def _reveal(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError(type(value).__name__)


def _wrap(kind: type, value: Any) -> Any:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(kind.__name__)
