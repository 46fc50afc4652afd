"""Token estimates: right in kind for every script, and quick for the largest chunk."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context_app import tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", 0), ("a", 1), ("abcd", 1), ("abcde", 2), ("x" * 4000, 1000), ("日本語です", 5), ("日本語 ok", 4), ("é", 1)],
)
def test_counts_by_script(text: str, expected: int) -> None:
    assert tokens.estimate(text) == expected


def test_cyrillic_weighs_more_than_latin_of_the_same_length() -> None:
    assert tokens.estimate("Привет мир" * 10) > tokens.estimate("Hello earth"[:10] * 10)


@given(st.text(max_size=300))
def test_never_negative_and_never_zero_for_text(text: str) -> None:
    count = tokens.estimate(text)
    assert (count == 0) == (text == "")
    assert count <= len(text) or not text


def test_the_largest_chunk_is_counted_quickly() -> None:
    started = time.process_time()
    tokens.estimate("слово 日本 word " * 125_000)
    assert time.process_time() - started < 10.0  # not quadratic
