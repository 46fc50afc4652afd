"""``python -m tests.parts``: every test, in parts that run beside each other; coverage is judged over some of them.

A part is a pytest of its own with its own data folder, database and servers, so parts share nothing but the machine and
a migrated database to copy. A part in which much is waited for has several workers (pytest-xdist). ``TEST_JOBS=n`` test
processes run at once, twice as many as there are processors where it is not said. The log of a part is printed whole
when the part ends, so that the logs do not mix; the last lines say which tests were slowest and how each part closed.
Exit code 0 only when every part passed and the coverage is enough. ``python -m tests.parts fast``: the unit tests,
on SQLite, with nothing measured.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.parts_report import SLOWEST, Done, slowest, summary, total, without_durations
from tests.servers import Missing, Postgres

ROOT = Path(__file__).resolve().parent.parent
BROWSER = "tests/browser"
UNIT = "tests/unit"
JUDGED = ("providers_app", "sessions_app")
LEAST_PERCENT = 90
STOPPING_S = 20.0
Say = Callable[[str], None]


@dataclass
class Part:
    """``arguments`` are those of pytest; ``measured`` is whether it counts for the coverage."""

    name: str
    arguments: tuple[str, ...]
    workers: int = 1
    measured: bool = False
    environment: dict[str, str] = field(default_factory=dict)

    def command(self) -> list[str]:
        """With a durations table; the report of the coverage comes at the end."""
        options = ["-q", f"--durations={SLOWEST}"]
        options += ["-n", str(self.workers), "--dist", "worksteal"] if self.workers > 1 else []
        options += ["--cov", "--cov-report="] if self.measured else []
        return [sys.executable, "-m", "pytest", *options, *self.arguments]


OWN = {
    "web": "tests/web",
    "wire": "tests/wire",
    "pages": "tests/web/sessions",
    "providers": "tests/unit/providers",
    "context": "tests/unit/context",
    "sessions": "tests/unit/sessions",
}
"""Folders that are parts of their own, the slowest first; everything else outside the browser is the part ``rest``."""
MEASURED = {"wire", "pages", "providers", "sessions"}


def sqlite_parts() -> list[Part]:
    """Every test outside the browser once."""
    own = [Part(name, _without_own(folder), measured=name in MEASURED) for name, folder in OWN.items()]
    return [own[0], Part("rest", (*_without_own("tests"), f"--ignore={BROWSER}")), *own[1:]]


def unit_parts() -> list[Part]:
    """Every unit test once, with nothing measured."""
    own = [Part(name, (folder,)) for name, folder in OWN.items() if folder.startswith(UNIT)]
    return [*own, Part("unit", _without_own(UNIT))]


def _without_own(folder: str) -> tuple[str, ...]:
    """The folder without those in it that are parts of their own."""
    return (folder, *(f"--ignore={own}" for own in OWN.values() if own.startswith(f"{folder}/")))


def postgres_part() -> Part | None:
    """The tests marked ``both``; ``None`` where there is no Postgres. Raises ``Missing`` on CI."""
    try:
        Postgres.binaries()
    except Missing:
        if os.environ.get("CI"):
            raise
        return None
    return Part("postgres", ("-m", "both", *marked("both")), environment={"TEST_DATABASE": "postgres"})


def marked(marker: str) -> list[str]:
    """The files with a test so marked: collecting all the others takes longer than many of these tests."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [path.relative_to(ROOT).as_posix() for path in files if f"pytest.mark.{marker}" in path.read_text()]


class Runner:
    """Takes one part after another; parts with ``jobs`` workers in all run at once. ``stop`` ends what runs."""

    def __init__(self, jobs: int, say: Say, folder: Path) -> None:
        self.done: list[Done] = []
        self._jobs = self._free = jobs
        self._say, self._folder = say, folder
        self._waiting: list[Part] = []
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._changed = threading.Condition()
        self._stopped = False

    def run(self, parts: Sequence[Part], command: Callable[[Part], list[str]] = Part.command) -> list[Done]:
        """All of them, in the order in which they ended. Ctrl-C and SIGTERM stop them and are raised again."""
        self._waiting = list(parts)
        threads = [threading.Thread(target=self._work, args=(command,), daemon=True) for _ in range(self._jobs)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:
            self.stop()
            for thread in threads:
                thread.join(STOPPING_S)
            raise
        return self.done

    def stop(self) -> None:
        """Begin nothing more; one Ctrl-C for each process of a running part, and what is left after a while is killed.

        The workers of a part and the servers of its tests are of its process group, and end as its pytest does.
        """
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
            running = list(self._running.values())
        for process in running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGINT)
        limit = time.monotonic() + STOPPING_S
        for process in running:
            try:
                process.wait(max(0.1, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def _work(self, command: Callable[[Part], list[str]]) -> None:
        while (part := self._take()) is not None:
            begun = time.monotonic()
            process = self._start(part, command(part))
            log, _ = process.communicate()
            self._ended(part, Done(part.name, process.returncode, time.monotonic() - begun, log))

    def _take(self) -> Part | None:
        """The first waiting part that there is room for, and its room; one that is too large runs alone."""
        with self._changed:
            while self._waiting and not self._stopped:
                for part in self._waiting:
                    if part.workers <= self._free or self._free == self._jobs:
                        self._waiting.remove(part)
                        self._free -= part.workers
                        return part
                self._changed.wait()
            return None

    def _start(self, part: Part, command: list[str]) -> "subprocess.Popen[str]":
        with self._changed:
            self._say(f"started: {part.name}")
            environment = {**os.environ, "COVERAGE_FILE": str(self._folder / part.name), **part.environment}
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                start_new_session=True,  # the terminal's Ctrl-C reaches us alone, and the part once
            )
            self._running[part.name] = process
            return process

    def _ended(self, part: Part, done: Done) -> None:
        with self._changed:
            del self._running[part.name]
            self._free += part.workers
            self._changed.notify_all()
            self.done.append(done)
            head = f"\n===== {done.name}: exit code {done.code} after {done.seconds:.0f} s ====="
            self._say(f"{head}\n{without_durations(done.log)}\n")


def coverage(folder: Path, say: Say) -> bool:
    """Join what the parts measured, and judge it."""
    tool = [sys.executable, "-m", "coverage"]
    subprocess.run([*tool, "erase"], cwd=ROOT, check=False)
    files = [str(path) for path in sorted(folder.iterdir())]
    if subprocess.run([*tool, "combine", "--quiet", *files], cwd=ROOT, check=False).returncode:
        return False
    enough = True
    for package in JUDGED:
        say(f"branch coverage of {package}:")
        report = ["report", f"--include={package}/*", f"--fail-under={LEAST_PERCENT}", "--format=total"]
        enough &= subprocess.run([*tool, *report], cwd=ROOT, check=False).returncode == 0
    return enough


def say(text: str) -> None:
    """At once, also into a pipe."""
    print(text, flush=True)


def every_part() -> list[Part]:
    """All that ``make test`` runs. Raises ``Missing`` on CI without a Postgres."""
    parts = sqlite_parts()
    postgres = postgres_part()
    parts.insert(1, postgres) if postgres else say("skipped: postgresql is not installed, so 'both' ran on SQLite only")
    browser = Part("browser", (BROWSER,), workers=2)
    return [browser, *parts, Part("replayed", ("tests/wire/test_cross_provider.py", "--mock-providers"))]


def main(arguments: Sequence[str]) -> int:
    """Run everything, or the unit tests alone; the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell lets background jobs ignore the first
        signal.signal(number, signal.default_int_handler)
    try:
        parts = unit_parts() if "fast" in arguments else every_part()
    except Missing as error:
        say(f"error: {error}, and CI does not skip tests for that")
        return 1
    jobs = int(os.environ.get("TEST_JOBS", 2 * (os.cpu_count() or 1)))
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="maestro-parts-") as name:
        folder = Path(name)
        measured, os.environ["TEST_SHARED"] = folder / "coverage", str(folder / "shared")
        for made in (measured, Path(os.environ["TEST_SHARED"])):
            made.mkdir()
        try:
            done = Runner(jobs, say, measured).run(parts)
        except KeyboardInterrupt:
            say("stopped")
            return 130
        passed = len(done) == len(parts) and all(part.code == 0 for part in done)
        if any(part.measured for part in parts):
            passed &= coverage(measured, say)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    say(f"\nthe {SLOWEST} slowest:\n" + "\n".join(slowest(done)))
    say(f"\nprocessor time: {used.ru_utime:.0f} s for programs, {used.ru_stime:.0f} s for the system")
    say(summary(done))
    say(total(done, time.monotonic() - begun))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
