"""A copy of the repository in which modules are changed and tests run; the checkout itself is never touched."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from coverage import CoverageData

from tests.processes import ROOT

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info")
MADE = ("var", "site")
"""What the product and the documentation leave in the checkout; folders of these names elsewhere are sources."""
TEST_TIMEOUT_S = 60
MEASURING_S = 3600.0
FIRST = ("-x", "--timeout-method=thread")
"""A change may make the end of a test hang too, which only the end of the process stops."""


class Outcome(NamedTuple):
    """How a run of pytest ended: ``passed``, ``failed``, ``timed out``, or ``broken`` when it could not run."""

    what: str
    failed: tuple[str, ...] = ()
    seconds: float = 0.0


class Tree:
    """A copy under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        shutil.copytree(ROOT, self.root, ignore=LEFT_OUT)
        for name in MADE:
            shutil.rmtree(self.root / name, ignore_errors=True)
        subprocess.run(["git", "init", "-q", str(self.root)], check=True)  # some tests ask which files are committed
        self._temporary = folder / "temporary"
        self._migrated = folder / "migrated"
        self._settings = folder / "coverage.ini"
        self._data = folder / "coverage.data"
        self._tests = folder / "tests.txt"
        self._changes = 0
        self._passing: set[str] = set()
        self._measured: tuple[str, Sequence[str], Outcome] = ("", (), Outcome("no test"))

    def measure(self, package: str, paths: Sequence[str]) -> Outcome:
        """Run the tests of a package unchanged, unless they just did, and note which line is run by which test."""
        if self._measured[:2] == (package.split(".")[0], paths):
            return self._measured[2]
        text = f"[run]\nsource = {package.split('.')[0]}\ndata_file = {self._data}\nomit = */migrations/*\n"
        self._settings.write_text(text)
        options = ("--cov", f"--cov-config={self._settings}", "--cov-context=test", "--cov-report=")
        self._measured = package.split(".")[0], paths, self.run((*options, *paths), MEASURING_S)
        if (made := self._temporary / "shared" / "migrated").exists() and not self._migrated.exists():
            made.rename(self._migrated)
        return self._measured[2]

    def tests_of(self, module: str, line: int, last: int) -> set[str] | None:
        """Return the tests that run one of these lines; ``None`` where the line runs when the module is loaded."""
        data = CoverageData(str(self._data))
        data.read()
        contexts = data.contexts_by_lineno(str(self.root / module))
        found = {name for number in range(line, last + 1) for name in contexts.get(number, ())}
        return None if "" in found else {name.rsplit("|", 1)[0] for name in found}

    def users_of(self, module: str) -> set[str]:
        """Return the tests that run any line of the module after it was loaded."""
        data = CoverageData(str(self._data))
        data.read()
        contexts = data.contexts_by_lineno(str(self.root / module))
        return {name.rsplit("|", 1)[0] for names in contexts.values() for name in names if name}

    def passes(self, tests: Sequence[str], limit_s: float) -> bool:
        """Return whether these tests pass now; one that passed before is not run again."""
        unknown = tuple(name for name in tests if name not in self._passing)
        if unknown and self.run(unknown, limit_s).what != "passed":
            return False
        self._passing.update(unknown)
        return True

    def run(self, arguments: Sequence[str], limit_s: float, *, first: bool = False) -> Outcome:
        """Run pytest in the copy; ``first`` ends the run at the first test that fails."""
        self._tests.write_text("\n".join(arguments))
        shared = self._temporary / "shared"
        shutil.rmtree(self._temporary, ignore_errors=True)
        shared.mkdir(parents=True)
        if self._migrated.exists():  # migrating takes longer than most tests, and no change touches a migration
            shutil.copytree(self._migrated, shared / "migrated")
        options = ["-q", "-p", "no:cacheprovider", f"--timeout={TEST_TIMEOUT_S}", *(FIRST if first else ())]
        command = [sys.executable, "-m", "pytest", *options, "-rfE", "--tb=no", "--no-header", f"@{self._tests}"]
        begun = time.monotonic()
        try:
            with subprocess.Popen(
                command,
                cwd=self.root,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={
                    **os.environ,
                    "PYTHONPATH": str(self.root),
                    "TMPDIR": str(shared.parent),
                    "TEST_SHARED": str(shared),
                },
                start_new_session=True,
            ) as process:
                try:
                    out, _ = process.communicate(timeout=limit_s)
                finally:
                    if process.poll() is None:
                        os.killpg(process.pid, 9)
        except subprocess.TimeoutExpired:
            return Outcome("timed out", (), time.monotonic() - begun)
        lines = [line for line in out.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        failed = tuple(line.split(" ", 1)[1].split(" - ")[0] for line in lines if "::" in line or ".py" in line)
        what = {0: "passed", 1: "failed" if failed else "timed out"}.get(process.returncode, "broken")
        return Outcome(what, failed or tuple(out.splitlines()[-3:]), time.monotonic() - begun)

    @contextmanager
    def changed(self, module: str, text: bytes) -> Iterator[None]:
        """Write ``text`` to the module inside the block, and what it was after it."""
        path = self.root / module
        before = path.read_bytes()
        self._write(path, text)
        try:
            yield
        finally:
            self._write(path, before)

    def _write(self, path: Path, text: bytes) -> None:
        path.write_bytes(text)
        # A compiled module is told from another by size and second alone: two changes within one second look the same.
        self._changes += 1
        second = 1_000_000_000 + self._changes
        os.utime(path, (second, second))
