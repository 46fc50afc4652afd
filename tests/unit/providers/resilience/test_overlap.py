"""The seam of a continued answer: no gap and no repetition, whatever the text is and however it is cut."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from providers_app.resilience.overlap import ANCHOR_CHARS, LEAST_OVERLAP, Seam, anchor_of

REPEATING = st.text(alphabet="ab \n", min_size=2, max_size=120)
"""Texts that repeat themselves nearly everywhere."""
PROSE = st.lists(st.text(alphabet="abcdefgäß界\U0001f600.,`", min_size=1, max_size=9), min_size=3, max_size=40).map(
    " ".join
)
BLANKS = st.sampled_from([" ", "\n", "\n\n", "\t", "  "])


def joined(seam: Seam, text: str, cuts: list[int]) -> str:
    """Feed the text in pieces that end at ``cuts``."""
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    pieces = [text[start:end] for start, end in pairwise(places)]
    return "".join([*(seam.feed(piece) for piece in pieces), seam.close()])


def bare(text: str) -> str:
    return "".join(text.split())


def cut_of(data: st.DataObject, text: str) -> int:
    """A place with some text before it."""
    place = data.draw(st.integers(1, len(text)))
    assume(text[:place].strip())
    return place


@pytest.mark.parametrize("kind", ["plain", "echo"])
@given(data=st.data(), text=REPEATING | PROSE, cuts=st.lists(st.integers(0, 1000), max_size=12))
def test_a_model_that_goes_on_behind_a_prefix_leaves_no_seam(
    kind: str, data: st.DataObject, text: str, cuts: list[int]
) -> None:
    place = cut_of(data, text)
    sent = text[:place].rstrip()
    answer = text[len(sent) :]
    seam = Seam(text[:place], kind)  # type: ignore[arg-type]
    assert text[:place] + joined(seam, sent + answer if kind == "echo" else answer, cuts) == text


@given(data=st.data(), text=REPEATING | PROSE, cuts=st.lists(st.integers(0, 1000), max_size=12))
def test_a_model_that_begins_with_the_anchor_leaves_no_seam_whatever_the_text(
    data: st.DataObject, text: str, cuts: list[int]
) -> None:
    place = cut_of(data, text)
    shown = text[:place]
    sent = shown.rstrip()
    anchor = anchor_of(sent)
    assert anchor and sent.endswith(anchor) and len(anchor) <= ANCHOR_CHARS
    assert shown + joined(Seam(shown, "anchored"), anchor + text[len(sent) :], cuts) == text


@given(data=st.data(), text=REPEATING | PROSE, cuts=st.lists(st.integers(0, 1000), max_size=12), blank=BLANKS)
def test_white_space_that_changes_at_the_seam_changes_white_space_only(
    data: st.DataObject, text: str, cuts: list[int], blank: str
) -> None:
    place = cut_of(data, text)
    shown = text[:place]
    sent = shown.rstrip()
    respaced = blank + blank.join(anchor_of(sent).split())
    found = joined(Seam(shown, "anchored"), respaced + text[len(sent) :], cuts)
    assert bare(shown + found) == bare(text)
    changed = text[len(sent) :].lstrip()
    found = joined(Seam(shown, "anchored"), respaced + blank + changed, cuts)
    assert bare(shown + found) == bare(text)


@given(data=st.data(), count=st.integers(8, 60), cuts=st.lists(st.integers(0, 1000), max_size=12))
def test_without_the_anchor_what_is_repeated_is_found_by_itself(
    data: st.DataObject, count: int, cuts: list[int]
) -> None:
    text = " ".join(f"w{number}-{number * 7919 % 997}" for number in range(count))
    place = cut_of(data, text)
    shown = text[:place]
    back = data.draw(st.integers(0, place))
    again = bare(shown[back:])
    assume(not again or len(again) >= LEAST_OVERLAP or len(again) == len(bare(shown)))
    assume(not again.startswith(bare(anchor_of(shown))) or again == bare(anchor_of(shown)))
    answer = text[back:] if again else text[len(shown.rstrip()) :]
    assert bare(shown + joined(Seam(shown, "anchored"), answer, cuts)) == bare(text)


def test_a_short_coincidence_is_no_repetition() -> None:
    shown = "He said never, never,"
    assert joined(Seam(shown, "anchored"), " never again.", [3, 7]) == " never again."
    assert joined(Seam(shown, "anchored"), "said never, never, never again.", [3]) == " never again."


def test_text_that_can_repeat_nothing_is_not_held_back() -> None:
    assert Seam("one two").feed(" three") == " three"
    seam = Seam("one two", "anchored")
    assert seam.feed("Sure") == "Sure" and seam.feed(", three") == ", three" and seam.close() == ""
    seam = Seam("one two three four", "anchored")
    assert (seam.feed("two thr"), seam.close()) == ("", "two thr"), "it ended before it said anything new"


def test_the_anchor_is_whole_words_of_the_end() -> None:
    assert anchor_of("a b c d e f g h i j  ") == "c d e f g h i j"
    assert anchor_of("") == "" and anchor_of(" \n") == ""
    assert anchor_of("x" * 200) == "x" * ANCHOR_CHARS, "a word that is longer is cut"
    assert anchor_of("y" * 50 + " " + "z" * 70) == "z" * 70
