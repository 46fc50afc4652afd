"""Answers that go on at a size for every run; ``make proofs`` cuts 100 for each row. And: would it notice?"""

import pytest

from providers_app.dispatch.continued import Continued
from providers_app.resilience.overlap import Seam
from tests.proofs import continuation


def test_answers_that_are_cut_go_on_whole() -> None:
    lines: list[str] = []
    assert continuation.run(2, lines.append), lines
    assert len(lines) == 2 + len(continuation.ROWS)
    assert {row.way for row in continuation.ROWS} == {"cursor", "prefix", "instruct", "restart"}


@pytest.mark.parametrize(
    ("way", "server", "spoil"),
    [
        ("instruct", "groq", (Seam, "feed", lambda seam, piece: piece)),
        ("prefix", "mistral", (Seam, "feed", lambda seam, piece: piece)),
        ("prefix", "vllm", (Seam, "feed", lambda seam, piece: "")),
        ("cursor", "openai", (Continued, "_goes_on", lambda rounds, failed: False)),
    ],
)
def test_a_seam_that_loses_or_repeats_text_is_noticed(
    way: str, server: str, spoil: tuple[type, str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(*spoil)
    (row, *_) = [row for row in continuation.ROWS if (row.way, row.server) == (way, server)]
    lines: list[str] = []
    assert not continuation.run(4, lines.append, (row,))
    assert any("not whole" in line for line in lines)
