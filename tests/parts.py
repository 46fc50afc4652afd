"""``python -m tests.parts``: every test, in parts that run beside each other, and coverage judged over all of them.

A part is a pytest of its own with its own data folder, database and servers, so parts share nothing but the machine.
Two run at once (``TEST_JOBS=n``: n of them). The log of a part is printed whole when the part ends, so that the logs do
not mix; the last lines say how each part closed. Exit code 0 only when every part passed and the coverage is enough.
"""

import os
import queue
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

from tests.servers import Missing, Postgres

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {
    "web": "tests/web",
    "wire": "tests/wire",
    "providers": "tests/unit/providers",
    "sessions": "tests/unit/sessions",
}
"""What is a part of its own; everything else outside the browser is the part ``rest``."""
BROWSER = "tests/browser"
JUDGED = ("providers_app", "sessions_app")
LEAST_PERCENT = 90
STOPPING_S = 20.0
Say = Callable[[str], None]


@dataclass
class Part:
    """``arguments`` are those of pytest."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def command(self) -> list[str]:
        """With a durations table and coverage, whose report comes at the end."""
        return [sys.executable, "-m", "pytest", "-q", "--durations=10", "--cov", "--cov-report=", *self.arguments]


@dataclass
class Done:
    """How a part closed; ``closing`` is the last line of its log."""

    name: str
    code: int
    seconds: float
    closing: str


def sqlite_parts() -> list[Part]:
    """Every test outside the browser once, the slowest parts first."""
    ignored = [f"--ignore={folder}" for folder in (*FOLDERS.values(), BROWSER)]
    own = [Part(name, (folder,)) for name, folder in FOLDERS.items()]
    return [*own, Part("rest", ("tests", *ignored))]


def postgres_part() -> Part | None:
    """The tests marked ``both``; ``None`` where there is no Postgres. Raises ``Missing`` on CI."""
    try:
        Postgres.binaries()
    except Missing:
        if os.environ.get("CI"):
            raise
        return None
    return Part("postgres", ("tests", f"--ignore={BROWSER}", "-m", "both"), {"TEST_DATABASE": "postgres"})


class Runner:
    """Takes one part after another, ``jobs`` at a time; ``stop`` ends what runs and begins nothing more."""

    def __init__(self, jobs: int, say: Say, coverage_folder: Path) -> None:
        self.done: list[Done] = []
        self._jobs, self._say, self._folder = jobs, say, coverage_folder
        self._waiting: queue.SimpleQueue[Part] = queue.SimpleQueue()
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, parts: Sequence[Part], command: Callable[[Part], list[str]] = Part.command) -> list[Done]:
        """All of them, in the order in which they ended. Ctrl-C and SIGTERM stop them and are raised again."""
        for part in parts:
            self._waiting.put(part)
        workers = [threading.Thread(target=self._work, args=(command,), daemon=True) for _ in range(self._jobs)]
        for worker in workers:
            worker.start()
        try:
            for worker in workers:
                worker.join()
        except BaseException:
            self.stop()
            for worker in workers:
                worker.join(STOPPING_S)
            raise
        return self.done

    def stop(self) -> None:
        """One Ctrl-C for each running part: its fixtures stop their servers; what is left after a while is killed."""
        with self._lock:
            self._stopped = True
            running = list(self._running.values())
        for process in running:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        limit = time.monotonic() + STOPPING_S
        for process in running:
            try:
                process.wait(max(0.1, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def _work(self, command: Callable[[Part], list[str]]) -> None:
        while True:
            try:
                part = self._waiting.get_nowait()
            except queue.Empty:
                return
            begun = time.monotonic()
            process = self._start(part, command(part))
            if process is None:
                return
            log, _ = process.communicate()
            self._ended(part, process.returncode, time.monotonic() - begun, log)

    def _start(self, part: Part, command: list[str]) -> "subprocess.Popen[str] | None":
        with self._lock:
            if self._stopped:
                return None
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

    def _ended(self, part: Part, code: int, seconds: float, log: str) -> None:
        lines = [line for line in log.splitlines() if line.strip()]
        found = Done(part.name, code, seconds, lines[-1] if lines else "no output")
        with self._lock:
            del self._running[part.name]
            self.done.append(found)
            self._say(f"\n===== {part.name}: exit code {code} after {seconds:.0f} s =====\n{log.rstrip()}\n")


def summary(done: Sequence[Done]) -> str:
    """One line per part."""
    width = max(len(part.name) for part in done)
    words = ("ok    ", "FAILED")
    return "\n".join(f"{words[part.code != 0]}  {part.name.ljust(width)}  {part.closing}" for part in done)


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


def main() -> int:
    """Run everything; the exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell lets background jobs ignore the first
        signal.signal(number, signal.default_int_handler)
    parts = sqlite_parts()
    try:
        postgres = postgres_part()
    except Missing as error:
        say(f"error: {error}, and CI does not skip tests for that")
        return 1
    parts.insert(1, postgres) if postgres else say("skipped: postgresql is not installed, so 'both' ran on SQLite only")
    parts.insert(1, Part("browser", (BROWSER,)))
    parts.append(Part("replayed", ("tests/wire/test_cross_provider.py", "--mock-providers")))
    jobs = int(os.environ.get("TEST_JOBS", "2"))
    with tempfile.TemporaryDirectory(prefix="maestro-coverage-") as folder:
        try:
            done = Runner(jobs, say, Path(folder)).run(parts)
        except KeyboardInterrupt:
            say("stopped")
            return 130
        say(summary(done))
        enough = coverage(Path(folder), say)
    return 0 if enough and len(done) == len(parts) and all(part.code == 0 for part in done) else 1


if __name__ == "__main__":
    sys.exit(main())
