"""The fault matrix at a size for every run; ``make chaos`` plays all of it. And: would it notice?"""

from pathlib import Path

import pytest

from tests.proofs.chaos import cuts, matrix, play, soak, truncation
from tests.proofs.chaos.faults import FAULTS, Fault
from tests.proofs.chaos.surfaces import Seen
from tests.proofs.chaos.truncation import Recorded
from tests.proofs.chaos.upstream import Asked, frames
from tests.proofs.sections import with_section, write_section

RESET = next(fault for fault in FAULTS if fault.name == "reset in the middle")
HALF = b"".join(frames()[:21])


@pytest.mark.parametrize("part", ["provider", "truncated", "recovery", "random cuts"])
def test_the_matrix_holds(part: str) -> None:
    lines: list[str] = []
    assert play.run(False, lines.append, f"{part}: "), "\n".join(lines)


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


def test_what_the_machine_takes_without_a_fault_is_allowed_on_top() -> None:
    control = matrix.Control({}, {})
    control.add("script", Seen(surface="script", began=0.0, ended=6.0), Asked(at=0.5, prompt="", sent=[(1.0, 1)]))
    assert (control.late_s, control.whole_s) == ({"script": 5.0}, {"script": 6.0})
    asked = [Asked(at=0.5, prompt="", sent=[(1.0, len(HALF))], body=HALF)]

    def problems(control: matrix.Control, recovered_s: float | None) -> list[str]:
        (cell,) = matrix.Played(RESET, "script", [seen(ended=9.0)], asked, recovered_s).cells(control)
        return cell.problems

    assert problems(control, 10.0) == []
    assert problems(control, 11.5) == ["it recovered after 11.5 s"] and problems(control, None)
    assert problems(matrix.Control(), 10.0) == ["the error came after 8.0 s", "it recovered after 10.0 s"]


def test_more_attempts_than_declared_are_noticed() -> None:
    assert judged(seen(), times=2) == ["the provider was asked 2 times"]


def test_a_row_that_does_not_hold_says_why_and_fails_the_part() -> None:
    lines: list[str] = []
    cell = matrix.judge(RESET, seen(code=""), [Asked(at=0.5, prompt="", sent=[(1.0, len(HALF))], body=HALF)])
    cell.recovered_s = 1.0
    assert not matrix.tell([RESET], matrix.Control(), [cell], lines.append)
    assert lines[3].endswith("| 0 of 1 | no |")
    assert lines[-1] == "- reset in the middle: script: the error was none"


def test_a_stream_that_ends_too_early_and_looks_whole_is_noticed() -> None:
    body = b'data: {"choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":"stop"}]}\n\n'
    late = b'data: {"choices":[{"index":0,"delta":{"content":" again"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    assert any(
        "is complete" in problem for problem in truncation.wrong_cuts(Recorded("", "openai_chat", body + late), 1)
    )


def cut(stored: str, shown: str = "", state: str = "interrupted", seen: str = "", **given: object) -> cuts.Totals:
    totals = cuts.Totals(problems=[])
    first, second = b"".join(frames()[:11]), b"".join(frames()[11:21])
    sent = [(1.0, len(first)), (1.94, len(second))]
    asked = [Asked(at=0.5, prompt="", sent=sent, body=first + second)]
    cuts.judge(totals, cuts.Stored(state, stored), [(seen, shown)], asked, **given)  # type: ignore[arg-type]
    return totals


TEN, TWENTY = ("".join(f"word{number} " for number in range(count)) for count in (10, 20))


def test_what_is_lost_before_a_kill_is_measured() -> None:
    lost = cut(TEN, TEN, died=2.0, late_s=0.02)
    assert (
        lost.problems == [] and round(lost.largest_tail_s, 2) == 0.06 and lost.largest_bytes == len(TWENTY) - len(TEN)
    )
    assert cut(TWENTY, TEN, died=2.0).problems == []
    assert cut(TEN, died=1.93).problems == [], "what was sent after the kill is not lost"


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (cut("other words"), "'other words'... is no beginning of what was sent"),
        (cut(TEN, TWENTY), "130 characters were shown that are no beginning of the 60 stored"),
        (cut(TWENTY, state="complete"), "it is stored as complete and is not"),
        (cut(TWENTY, seen="complete"), "a reader was shown it as complete"),
        (cut("", died=2.0), "1000 ms before SIGKILL are lost, and the machine was 0 ms late"),
    ],
)
def test_whatever_a_cut_may_not_do_is_noticed(found: cuts.Totals, problem: str) -> None:
    assert found.problems == [problem]


@pytest.mark.parametrize(("per_minute", "holds"), [(0.0, True), (0.05, True), (3.0, False)])
def test_what_grows_over_a_long_run_is_told_from_noise(per_minute: float, holds: bool) -> None:
    points = [(at, 30 + at / 60 * per_minute + (at * 7 % 5)) for at in range(0, 600, 5)]
    found = soak.slope("tasks", points)
    assert found.holds is holds and found.per_hour == pytest.approx(60 * per_minute, abs=3)


def test_a_section_is_written_in_its_place_and_leaves_the_others(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Page\n\nHead.\n\n## One\n\nold\n\n## Two\n\nkept\n")
    write_section(page, "One", "About it.", ["| a |"])
    text = page.read_text()
    assert "old" not in text and text.endswith("| a |\n\n## Two\n\nkept\n") and "About it.\n\n20" in text
    write_section(page, "Two", "", ["| h |", "|---|", "| b | 1 |"], keep=("a", "b"))
    write_section(page, "Two", "", ["| h |", "|---|", "| a | 2 |", "", "- a: no"], keep=("a", "b"))
    text = page.read_text()
    assert text.endswith("1 of the rows are of earlier runs.\n\n| h |\n|---|\n| a | 2 |\n| b | 1 |\n\n- a: no\n")
    assert with_section("# Page\n", "Three", "new") == "# Page\n\n## Three\n\nnew\n"
