"""The runner of the tests: nothing left out, nothing run twice, and no failure that does not show."""

import os
import signal
import sys
import threading
from pathlib import Path

from tests.parts import BROWSER, ROOT, Done, Part, Runner, sqlite_parts, summary


def scripts(**codes: str) -> tuple[list[Part], dict[str, str]]:
    return [Part(name, ()) for name in codes], codes


def run(folder: Path, jobs: int, **codes: str) -> tuple[list[Done], str]:
    parts, sources = scripts(**codes)
    said: list[str] = []
    done = Runner(jobs, said.append, folder).run(parts, lambda part: [sys.executable, "-c", sources[part.name]])
    return done, "\n".join(said)


def test_each_test_file_is_in_exactly_one_part() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    times = dict.fromkeys(files, 0)
    for part in sqlite_parts():
        paths = [argument for argument in part.arguments if not argument.startswith("-")]
        ignored = [
            argument.removeprefix("--ignore=") for argument in part.arguments if argument.startswith("--ignore=")
        ]
        for path in paths:
            assert (ROOT / path).is_dir(), path
        for file in files:
            inside = any(file.startswith(f"{path}/") for path in paths)
            times[file] += inside and not any(file.startswith(f"{path}/") for path in ignored)
    assert {file for file, count in times.items() if count != 1} == {
        file for file in files if file.startswith(f"{BROWSER}/")
    }
    assert all(count <= 1 for count in times.values())


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
