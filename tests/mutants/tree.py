"""A copy of the repository in which modules are changed and tests run; the checkout itself is never touched."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from coverage import CoverageData

from tests.mutants.changes import Statement, imports_of, statements_of
from tests.mutants.judges import OPTIONS, Judges
from tests.processes import ROOT

LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", ".*_cache", ".hypothesis", "__pycache__", "*.egg-info")
MADE = ("var", "site")
"""Folders at the top of the checkout that runs and builds make; elsewhere these names are sources."""
TEST_S = 600
"""Seconds for an unchanged test, whose end by the time limit would be that of the whole measurement."""
LOADING = ""
"""Coverage's context of a line that runs outside a test: while modules are loaded or tests are collected."""


def unmeasured(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what a measured run passes on: its data file would win over the copy's own."""
    return {name: value for name, value in environment.items() if not name.startswith(("COV_", "COVERAGE_"))}


class Tree:
    """A copy under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "tree"
        shutil.copytree(ROOT, self.root, ignore=LEFT_OUT)
        for name in MADE:
            shutil.rmtree(self.root / name, ignore_errors=True)
        subprocess.run(["git", "init", "-q", str(self.root)], check=True)  # some tests ask which files are committed
        self._folder = folder
        self._changes = 0
        self._statements: dict[str, list[tuple[Statement, set[str]]]] = {}
        self._imports: dict[str, set[str]] = {}
        self._took = defaultdict[str, float](float)

    def measure(self, app: str, paths: Sequence[str]) -> tuple[int, set[str], float]:
        """Run tests unchanged, and note which statement of an app is run by which test.

        Return pytest's exit code, the tests that failed, and the seconds it took.
        """
        data, settings = self._folder / "coverage.data", self._folder / "coverage.ini"
        settings.write_text(f"[run]\nsource = {app}\ndata_file = {data}\nomit = */migrations/*\n")
        begun = time.monotonic()
        measured = ("--cov", f"--cov-config={settings}", "--cov-context=test", "--cov-report=")
        told = ("-rfE", "--tb=no", "--durations=0", "--durations-min=0", f"--timeout={TEST_S}")
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *OPTIONS, *measured, *told, *paths],
            cwd=self.root,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            out, _ = process.communicate()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)
        self._took.clear()
        for seconds, test in re.findall(r"^(\d+\.\d+)s (?:setup|call|teardown) +(\S.*)$", out, re.MULTILINE):
            self._took[test] += float(seconds)
        failed = set(re.findall(r"^(?:FAILED|ERROR) (\S+::.*?)(?: - .*)?$", out, re.MULTILINE))
        self._read(app, data, paths)
        return process.returncode, failed, time.monotonic() - begun

    def _read(self, app: str, data: Path, paths: Sequence[str]) -> None:
        run = CoverageData(str(data))
        run.read()
        for path in sorted((self.root / app).rglob("*.py")):
            contexts = run.contexts_by_lineno(str(path))
            tests = {line: {name.rsplit("|", 1)[0] for name in names} for line, names in contexts.items()}
            self._statements[path.relative_to(self.root).as_posix()] = [
                (statement, set().union(*(tests.get(line, ()) for line in range(statement.first, statement.last + 1))))
                for statement in statements_of(path.read_bytes())
            ]
        files = [file for path in paths for file in (self.root / path.split("::")[0]).rglob("test_*.py")]
        files += [self.root / path for path in paths if path.endswith(".py")]
        self._imports = {file.relative_to(self.root).as_posix(): imports_of(file.read_bytes()) for file in files}

    def ordered(self, module: str, tests: Iterable[str]) -> list[str]:
        """Return tests in the order in which they probably tell soonest: those that import the module, then the quick.

        Of each parametrised test, one comes before all others.
        """
        near = self._importing(module)
        found = sorted(tests, key=lambda test: (test.split("::")[0] not in near, self._took[test], test))
        first = {test.split("[")[0]: test for test in reversed(found)}
        return sorted(found, key=lambda test: first[test.split("[")[0]] != test)

    def tests_of(self, module: str, line: int) -> set[str]:
        """Return the tests that run the statement at a line, and ``LOADING`` where it also runs outside tests."""
        return self._at(module, line)[1]

    def tests_behind(self, module: str, line: int) -> set[str]:
        """Return the tests that run a statement which reads a name that the one at this line makes.

        Where such a statement runs as modules load, those count which read the names that it makes, and so on. Besides,
        the files of tests which import the module or a package that it is in: what they read of it is not measured.
        """
        found, names, seen = set[str](), set(self._at(module, line)[0].makes), set[str]()
        while names - seen:
            seen |= names
            for statement, tests in [pair for pairs in self._statements.values() for pair in pairs]:
                if statement.reads & seen:
                    found |= tests
                    names |= statement.makes if LOADING in tests else set()
        near = self._importing(module)
        return (found - {LOADING}) | {test for test in self._took if test.split("::")[0] in near}

    def _importing(self, module: str) -> set[str]:
        """Return the files of tests that import a module or a package that it is in, other than its app."""
        names = module.removesuffix(".py").removesuffix("/__init__").split("/")
        parts = {".".join(names[:length]) for length in range(2, len(names) + 1)}
        return {file for file, imported in self._imports.items() if parts & imported}

    def _at(self, module: str, line: int) -> tuple[Statement, set[str]]:
        inner = (pair for pair in reversed(self._statements[module]) if pair[0].first <= line <= pair[0].last)
        return next(inner, (Statement(line, line, frozenset(), frozenset()), set()))

    def judges(self, paths: Iterable[str]) -> Judges:
        """Load the tests under these paths, with the modules as they are now."""
        return Judges(self.root, list(dict.fromkeys(path.split("::")[0] for path in paths)), self._environment())

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

    def _environment(self) -> dict[str, str]:
        """Temporary files of tests stay in the copy, and the database is migrated once: no change is in a migration."""
        shared = self._folder / "temporary" / "shared"
        shared.mkdir(parents=True, exist_ok=True)
        fixed = {"PYTHONPATH": str(self.root), "PYTHONHASHSEED": "0"}
        return {**unmeasured(os.environ), **fixed, "TMPDIR": str(shared.parent), "TEST_SHARED": str(shared)}
