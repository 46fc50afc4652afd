"""Base64 of a file is judged as the decoder would, without decoding it."""

import base64
import itertools
import tracemalloc

import pytest

from providers_app.chat.media import checked_media
from providers_app.errors import InvalidRequest
from providers_app.types.chat import FilePart

PIECE = 64 * 1024


def accepted(data: str) -> bool:
    try:
        checked_media("Message 1", FilePart("application/pdf", data))
    except InvalidRequest as error:
        assert "is empty or not base64" in error.message
        return False
    return True


def decoded(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except ValueError:
        return b""


def test_what_cannot_be_decoded_is_refused_and_what_was_encoded_is_accepted() -> None:
    for length in range(9):
        letters = "Q=" if length > 5 else "Q/=-\n\u00e9"
        for given in map("".join, itertools.product(letters, repeat=length)):
            # Some decoders take padding behind whole groups, which no encoder writes.
            content = decoded(given)
            fine = content != b"" and len(base64.b64encode(content)) == len(given)
            assert accepted(given) == fine, repr(given)
    for length in range(1, 400):
        assert accepted(base64.b64encode(bytes(length)).decode())


@pytest.mark.parametrize("size", [PIECE - 4, PIECE, PIECE + 4, 2 * PIECE, 2 * PIECE + 4])
@pytest.mark.parametrize("letter", ["=", "-", " ", "\x00", "\u00e9", "\U0001f600"])
def test_one_wrong_letter_is_found_wherever_it_is(size: int, letter: str) -> None:
    whole = "Q" * (size - 2) + "=="
    assert accepted(whole)
    for at in {0, PIECE - 1, PIECE, size - 5, size - 3} - set(range(size - 2, 3 * PIECE)):
        assert not accepted(whole[:at] + letter + whole[at + 1 :]), at


def test_a_large_file_is_judged_in_little_memory() -> None:
    data = "QUJD" * 6_000_000
    tracemalloc.start()
    try:
        assert accepted(data)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
