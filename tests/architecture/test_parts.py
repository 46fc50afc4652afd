"""The runner of the tests: nothing left out, nothing run twice, and no failure that does not show."""

import os
import signal
import sys
import threading
from pathlib import Path

from tests.parts import BROWSER, JUDGED, ROOT, UNIT, Part, Runner, marked, sqlite_parts, unit_parts
from tests.parts_report import SLOWEST, Done, slowest, summary, total


def scripts(**codes: str) -> tuple[list[Part], dict[str, str]]:
    return [Part(name, ()) for name in codes], codes


def run(folder: Path, jobs: int, **codes: str) -> tuple[list[Done], str]:
    parts, sources = scripts(**codes)
    said: list[str] = []
    done = Runner(jobs, said.append, folder).run(parts, lambda part: [sys.executable, "-c", sources[part.name]])
    return done, "\n".join(said)


def times_run(parts: list[Part]) -> dict[str, int]:
    """How many of these parts run each test file."""
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    times = dict.fromkeys(files, 0)
    for part in parts:
        paths = [argument for argument in part.arguments if not argument.startswith("-")]
        ignored = [
            argument.removeprefix("--ignore=") for argument in part.arguments if argument.startswith("--ignore=")
        ]
        for path in paths:
            assert (ROOT / path).is_dir(), path
        for file in files:
            inside = any(file.startswith(f"{path}/") for path in paths)
            times[file] += inside and not any(file.startswith(f"{path}/") for path in ignored)
    return times


def test_each_test_file_is_in_exactly_one_part() -> None:
    assert all(count == (not file.startswith(f"{BROWSER}/")) for file, count in times_run(sqlite_parts()).items())


def test_the_fast_parts_are_the_unit_tests_and_nothing_else() -> None:
    assert all(count == file.startswith(f"{UNIT}/") for file, count in times_run(unit_parts()).items())
    assert not any(part.measured or part.environment for part in unit_parts())


def test_postgres_runs_every_file_with_a_test_that_is_marked_for_it() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    ours = Path(__file__).relative_to(ROOT).as_posix()
    assert set(marked("both")) - {ours} == {file for file in found if "mark.both" in (ROOT / file).read_text()} - {ours}
    assert len(marked("both")) > 20


def test_what_is_judged_by_its_coverage_is_measured_by_its_own_unit_tests() -> None:
    measured = {argument for part in sqlite_parts() if part.measured for argument in part.arguments}
    assert {f"{UNIT}/{package.removesuffix('_app')}" for package in JUDGED} <= measured
    for part in sqlite_parts():
        assert ("--cov" in part.command()) == part.measured


def test_a_failing_part_is_shown_whole_and_the_others_run_on(tmp_path: Path) -> None:
    done, said = run(
        tmp_path,
        2,
        first="print('one'); print('1 passed')",
        bad="print('why'); raise SystemExit(3)",
        last="print('ok')",
    )
    assert {part.name: part.code for part in done} == {"first": 0, "bad": 3, "last": 0}
    assert "===== bad: exit code 3 after" in said and "why" in said
    lines = summary(done).splitlines()
    assert sum(line.startswith("FAILED") for line in lines) == 1
    assert any(line.startswith("ok") and line.endswith("1 passed") for line in lines)


def test_a_log_is_not_mixed_with_another_and_each_part_has_its_own_coverage_file(tmp_path: Path) -> None:
    source = "import os; print('A'); print('B'); print(os.environ['COVERAGE_FILE'])"
    done, said = run(tmp_path, 3, one=source, two=source, three=source)
    assert len(done) == 3
    for name in ("one", "two", "three"):
        assert f"A\nB\n{tmp_path / name}\n" in said


def test_a_part_that_is_killed_has_failed(tmp_path: Path) -> None:
    ((killed),) = run(tmp_path, 1, dead="import os; os.kill(os.getpid(), 9)")[0]
    assert killed.code == -signal.SIGKILL
    assert summary([killed]).startswith("FAILED")


def test_room_is_kept_for_the_workers_of_a_part_and_a_large_one_runs_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    source = f"open({str(log)!r}, 'a').write(NAME + ' begins\\n'); open({str(log)!r}, 'a').write(NAME + ' ends\\n')"
    parts = [Part("large", (), workers=5), Part("two", (), workers=2), Part("again", (), workers=2)]
    runner = Runner(2, lambda text: None, tmp_path)
    done = runner.run(parts, lambda part: [sys.executable, "-c", f"NAME = {part.name!r}; {source}"])
    assert [part.name for part in done] == ["large", "two", "again"]
    assert log.read_text().split("\n")[:-1] == [f"{part.name} {what}" for part in parts for what in ("begins", "ends")]


def test_the_closing_lines_are_of_all_parts_together() -> None:
    def closed(name: str, code: int, *lines: str) -> Done:
        return Done(name, code, 1.0, "\n".join(lines))

    done = [
        closed("a", 0, "0.50s call     tests/a.py::test_x", "2 passed, 1 skipped, 3 deselected in 1.00s (0:00:01)"),
        closed("b", 1, "12.00s setup    tests/b.py::test_y", "1 failed, 4 passed, 2 errors in 9.00s"),
        closed("c", -9, "it was killed"),
    ]
    assert total(done, 61.5) == "===== 1 failed, 6 passed, 1 skipped, 3 errors in 61.50s ====="
    assert total(done[:1], 2) == "===== 2 passed, 1 skipped in 2.00s ====="
    assert slowest(done) == ["12.00s setup    tests/b.py::test_y", "0.50s call     tests/a.py::test_x"]
    assert len(slowest([closed("d", 0, *["0.10s call  tests/d.py::test_z"] * 100)])) == SLOWEST


def test_stopping_ends_what_runs_and_begins_nothing_more(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    os.mkfifo(begun)
    waiting = f"import signal; open({str(begun)!r}, 'w').close(); signal.pause()"
    parts, sources = scripts(first=waiting, never="raise SystemExit('it began')")
    runner = Runner(1, lambda text: None, tmp_path)
    thread = threading.Thread(
        target=runner.run, args=(parts, lambda part: [sys.executable, "-c", sources[part.name]]), daemon=True
    )
    thread.start()
    begun.read_text()  # the other end is opened when the part runs
    runner.stop()
    thread.join(20)
    assert not thread.is_alive()
    assert [part.name for part in runner.done] == ["first"]
    assert runner.done[0].code != 0
