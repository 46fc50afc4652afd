"""The fault matrix at a size for every run; ``make chaos`` plays all of it. And: would it notice?"""

from pathlib import Path

import pytest

from tests.proofs import chaos
from tests.proofs.chaos import matrix, truncation
from tests.proofs.chaos.faults import FAULTS, Fault
from tests.proofs.chaos.surfaces import Seen
from tests.proofs.chaos.truncation import Recorded
from tests.proofs.chaos.upstream import Asked, frames
from tests.proofs.sections import with_section, write_section

RESET = next(fault for fault in FAULTS if fault.name == "reset in the middle")
HALF = b"".join(frames()[:21])


@pytest.mark.parametrize("part", ["provider", "truncated"])
def test_the_matrix_holds(part: str) -> None:
    lines: list[str] = []
    assert chaos.run(False, lines.append, f"{part}: "), "\n".join(lines)


def seen(**changes: object) -> Seen:
    text = "".join(f"word{number} " for number in range(20))
    given = {"surface": "script", "code": "stream_interrupted", "text": text, "stored": text, "ended": 2.0, **changes}
    return Seen(**given)  # type: ignore[arg-type]


def judged(one: Seen, fault: Fault = RESET, times: int = 1) -> list[str]:
    asked = [Asked(at=0.5, prompt="", sent=[(1.0, len(HALF))], body=HALF) for _ in range(times)]
    return matrix.judge(fault, one, asked).problems


def test_a_broken_answer_that_is_kept_and_named_holds() -> None:
    assert judged(seen()) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"code": ""}, "the error was none"),
        ({"complete": True}, "it was shown as complete"),
        ({"state": "complete"}, "it was shown as complete"),
        ({"text": "word0 ", "stored": "word0 "}, "6 of 130 characters that were sent were shown"),
        ({"stored": ""}, "130 characters were shown and 0 stored"),
        ({"ended": 9.0}, "the error came after 8.0 s"),
    ],
)
def test_whatever_is_not_as_declared_is_noticed(changes: dict[str, object], problem: str) -> None:
    assert judged(seen(**changes)) == [problem]


def test_more_attempts_than_declared_are_noticed() -> None:
    assert judged(seen(), times=2) == ["the provider was asked 2 times"]


def test_a_row_that_does_not_hold_says_why_and_fails_the_part() -> None:
    lines: list[str] = []
    cell = matrix.judge(RESET, seen(code=""), [Asked(at=0.5, prompt="", sent=[(1.0, len(HALF))], body=HALF)])
    cell.recovered_s = 1.0
    assert not matrix.tell([RESET], [cell], lines.append)
    assert lines[2].endswith("| 0 of 1 | no |")
    assert lines[-1] == "- reset in the middle: script: the error was none"


def test_a_stream_that_ends_too_early_and_looks_whole_is_noticed() -> None:
    body = b'data: {"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":"stop"}]}\n\n'
    late = b'data: {"choices":[{"index":0,"delta":{"content":" again"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    assert any(
        "is complete" in problem for problem in truncation.wrong_cuts(Recorded("", "openai_chat", body + late), 1)
    )


def test_a_section_is_written_in_its_place_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\nHead.\n\n## One\n\nold\n\n## Two\n\nkept\n")
    write_section(page, "One", "About it.", ["| a |"])
    text = page.read_text()
    assert "old" not in text and text.endswith("| a |\n\n## Two\n\nkept\n") and "About it.\n\n20" in text
    assert with_section("# Page\n", "Three", "new") == "# Page\n\n## Three\n\nnew\n"
