"""A pytest that has loaded its tests waits here, and judges each change in a process forked from it.

``Judges`` starts it and asks; the rest is a plugin of pytest (``-p tests.mutants.judges``) and runs inside it.
"""

import gc
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from types import CodeType, FunctionType
from typing import NamedTuple

import hypothesis
import pytest

from tests.processes import migrated

TEST_TIMEOUT_S = 30
LOADING_S = 1800.0
PIPE = "MUTANTS_PIPE"
OPTIONS = ("-q", "-p", "no:cacheprovider", "--no-header", "--timeout-method=thread", f"--timeout={TEST_TIMEOUT_S}")
"""A change may make the end of a test hang too, which only the end of its process stops."""


class Outcome(NamedTuple):
    """How tests ended, the test that failed or ran last, and the seconds it took.

    ``passed``, ``failed``, ``ended`` (their process did, as it does when a test hangs), ``timed out``, ``no test``, or
    ``broken``: with the change the tests do not load, or it cannot be put into what is loaded.
    """

    what: str
    test: str = ""
    seconds: float = 0.0


class Patch(NamedTuple):
    """A module, by its name with dots, and its text before and after a change."""

    module: str
    before: bytes
    after: bytes


class Judges:
    """The tests under ``paths``, loaded once, in the folder ``root``; a context manager."""

    def __init__(self, root: Path, paths: Sequence[str], environment: dict[str, str]) -> None:
        self._pipe, theirs = Pipe()
        command = [sys.executable, "-m", "pytest", "-p", "tests.mutants.judges", *OPTIONS, *paths]
        self._process = subprocess.Popen(
            command,
            cwd=root,
            env={**environment, PIPE: str(theirs.fileno())},
            pass_fds=[theirs.fileno()],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        self.loaded = self._answer(LOADING_S)

    def run(self, tests: Iterable[str], limit_s: float, patch: Patch | None = None) -> Outcome:
        """Return how these tests (or files of tests) end, in a new process with this change of what is loaded."""
        begun = time.monotonic()
        if self.loaded.what != "passed":
            return self.loaded
        self._pipe.send((list(tests), limit_s, patch))
        return self._answer(limit_s + LOADING_S)._replace(seconds=time.monotonic() - begun)

    def _answer(self, limit_s: float) -> Outcome:
        try:
            if not self._pipe.poll(limit_s):
                return Outcome("timed out")
            answer: Outcome = self._pipe.recv()
            return answer
        except (EOFError, OSError):
            return Outcome("broken")

    def __enter__(self) -> "Judges":
        return self

    def __exit__(self, *error: object) -> None:
        self._pipe.close()
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def pytest_configure() -> None:
    """The same examples for every change, and in every run."""
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None)
    hypothesis.settings.load_profile("mutants")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Wait for requests instead of running the tests that were loaded."""
    if PIPE not in os.environ:
        return None
    pipe = Connection(int(os.environ.pop(PIPE)))
    migrated()  # by no change: it is in the shared folder already where one is loaded
    pipe.send(Outcome("broken" if session.testsfailed else "passed"))
    with suppress(EOFError):
        while True:
            tests, limit_s, patch = pipe.recv()
            places = {test: place for place, test in enumerate(tests)}
            named = [(places.get(test.nodeid, places.get(test.nodeid.split("::")[0])), test) for test in session.items]
            chosen = [item for place, item in sorted(named, key=lambda pair: pair[0] or 0) if place is not None]
            pipe.send(_forked(session, chosen, limit_s, patch))
    return True


def _forked(session: pytest.Session, items: list[pytest.Item], limit_s: float, patch: Patch | None) -> Outcome:
    """Return how these tests end in a child, which leaves no process and no data behind."""
    folders = [Path(os.environ[name]) for name in ("MAESTRO_DATA_DIR", "TEST_SHARED", "TMPDIR")]
    before = {path for folder in folders for path in folder.iterdir()}
    said, saying = Pipe(duplex=False)
    if not (child := os.fork()):
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number in (0, 1, 2):
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
        try:
            saying.send(Outcome("broken"))
            if patch is None or put_in(patch):
                _run(session, items, saying)
        finally:
            os._exit(0)
    saying.close()

    def end(*_: object) -> None:
        os.killpg(child, signal.SIGKILL)
        os._exit(1)

    signal.signal(signal.SIGTERM, end)
    outcome, deadline = Outcome("broken"), time.monotonic() + limit_s
    with suppress(EOFError):
        while outcome.what in ("broken", "ended"):
            if not said.poll(max(0.0, deadline - time.monotonic())):
                outcome = Outcome("timed out", outcome.test)
            else:
                outcome = said.recv()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    said.close()
    for path in {path for folder in folders for path in folder.iterdir()} - before:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return outcome


class _Failed:
    """A plugin that keeps the first test that failed."""

    test = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.test = self.test or (report.nodeid if report.failed else "")


def _run(session: pytest.Session, items: list[pytest.Item], saying: Connection) -> None:
    """Say which test runs, then how all ended."""
    failed = _Failed()
    session.config.pluginmanager.register(failed)
    for item, following in zip(items, [*items[1:], None], strict=True):
        saying.send(Outcome("ended", item.nodeid))
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if failed.test:
            break
    saying.send(Outcome("failed" if failed.test else "passed", failed.test))


def put_in(patch: Patch) -> bool:
    """Give the functions of a module the code of its changed text; ``False`` where that cannot be done."""
    if not (module := sys.modules.get(patch.module)):
        return True  # it will be loaded from the changed file
    path, found = str(module.__file__), False
    before, after = (dict(_codes(compile(text, path, "exec"))) for text in (patch.before, patch.after))
    for function in [thing for thing in gc.get_objects() if isinstance(thing, FunctionType)]:
        code = function.__code__
        place = code.co_qualname, code.co_firstlineno
        if code.co_filename == path and before.get(place) != (new := after.get(place)):
            if new is None or new.co_freevars != code.co_freevars:
                return False
            function.__code__, found = new, True
    return found


def _codes(code: CodeType) -> Iterator[tuple[tuple[str, int], CodeType]]:
    yield (code.co_qualname, code.co_firstlineno), code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)
