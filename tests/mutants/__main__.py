"""Change a sample of a package's code, one place at a time, and report the changes that no test notices.

    python -m tests.mutants --package context_app.streams --size 20 --seed 1 [--least 85]

Comparisons, conditions, constants, sums, returned values and calls are changed, in a copy of the tree. The app's tests
(``TESTS``) run once unchanged to learn which test runs which statement. Then one pytest loads them all, and forks a
process for each change, in which the functions of the changed module have their new code; the tests that run the
changed statement judge it there. A statement that runs as its module loads is judged by a pytest that is started anew,
with the tests that use what the statement makes, and those that import its module (``Tree.tests_behind``).

A test that fails without a change judges nothing; a change with which tests hang is noticed, by their time limit.
The exit code is 1 where fewer than ``--least`` percent of the changes of any package were noticed, 2 where nothing
could be judged, 130 after Ctrl-C, 143 after SIGTERM; the copy and the tests that run in it are gone in every case.
"""

import argparse
import itertools
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from tests.mutants.changes import Change, changes_of
from tests.mutants.judges import Outcome, Patch
from tests.mutants.tree import LOADING, Tree
from tests.processes import ROOT

TESTS: dict[str, tuple[str, ...]] = {
    "providers_app": (
        *("tests/unit/providers", "tests/wire", "tests/unit/demo", "tests/unit/sessions/refresh"),
        *("tests/unit/context/test_answer_chunks.py", "tests/unit/context/test_left_behind.py"),
        *("tests/unit/context/test_media_store.py", "tests/unit/context/test_rendering.py"),
        *("tests/unit/context/test_server_tools.py", "tests/unit/context/test_turn_tools.py"),
        *("tests/unit/context/test_sending.py", "tests/web/sessions/test_session_pages.py"),
    ),
    "sessions_app": (
        *("tests/architecture/test_migrations.py", "tests/architecture/test_setting_bounds.py"),
        *("tests/unit/sessions", "tests/web/sessions"),
    ),
    "context_app": (
        *("tests/architecture/test_migrations.py", "tests/architecture/test_setting_bounds.py"),
        *("tests/unit/context", "tests/web/context", "tests/web/test_chat_http.py", "tests/web/test_chat_socket.py"),
        *("tests/web/test_chat_socket_refusals.py", "tests/web/test_chat_connection.py"),
        "tests/web/test_context_commands.py",
    ),
    "maestro_site": (
        *("tests/architecture/test_migrations.py", "tests/architecture/test_setting_bounds.py"),
        *("tests/unit/site", "tests/unit/sessions/test_crypto.py", "tests/unit/sessions/test_lifecycle.py"),
        *("tests/web/test_accounts.py", "tests/web/test_home.py", "tests/web/test_people_admin.py"),
        *("tests/web/test_failures.py", "tests/web/test_templates.py", "tests/wire/test_e2e_failures.py"),
        *("tests/web/test_debug_page.py", "tests/web/test_origins.py", "tests/web/test_settings_page.py"),
        "tests/web/test_local_servers.py",
        *("tests/wire/test_e2e_command.py", "tests/architecture/test_start.py"),
    ),
}
"""The tests that judge the packages of an app."""
STARTS: dict[str, tuple[str, ...]] = {
    "maestro_site": ("tests/web/test_up.py", "tests/web/test_up_start.py", "tests/wire/test_e2e_command.py")
}
"""Tests that start processes, in which no line is measured: they judge what the tests above let pass."""
SURVIVED = ("passed", "no test")


class Mutant(NamedTuple):
    """A change of one module, whose path is relative to the repository."""

    module: str
    change: Change


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Mutation testing by sample.")
    apps = sorted(name for name in TESTS if "." not in name)
    parser.add_argument("--package", nargs="+", default=apps, help="packages or modules, with dots")
    parser.add_argument("--size", type=int, default=20, help="how many changes of each package")
    parser.add_argument("--seed", type=int, nargs="+", default=[1], help="one sample for each")
    parser.add_argument("--least", type=float, default=0.0, help="percent that has to be noticed; less is exit code 1")
    parser.add_argument("--tests", nargs="+", help="judge by these tests instead")
    options = parser.parse_args()
    shares = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        tree = Tree(Path(folder))
        for app, packages in itertools.groupby(options.package, key=lambda name: name.split(".")[0]):
            with Bench(tree, app, tuple(options.tests or TESTS[app])) as bench:
                for package, seed in itertools.product(packages, options.seed):
                    _say(f"{package}, seed {seed}:")
                    shares.append(judge(bench, package, chosen(package, options.size, seed, tree.root)))
    return 1 if min(shares) < options.least else 0


def chosen(package: str, size: int, seed: int, root: Path = ROOT) -> list[Mutant]:
    """Return a sample of the changes of a package or module, the same one for the same seed and code."""
    base = root / package.replace(".", "/")
    modules = [base.with_suffix(".py")] if base.with_suffix(".py").is_file() else sorted(base.rglob("*.py"))
    names = [path.relative_to(root).as_posix() for path in modules if "migrations" not in path.parts]
    every = [Mutant(name, change) for name in names for change in changes_of((root / name).read_bytes())]
    return sorted(random.Random(seed).sample(every, min(size, len(every))))


class Bench:
    """The tests of an app, ready to judge changes of it; a context manager. Exits with 2 where they do not run."""

    def __init__(self, tree: Tree, app: str, paths: tuple[str, ...]) -> None:
        self._tree, self._starts = tree, set(STARTS.get(app, ()))
        code, self.unfit, seconds = tree.measure(app, paths)
        _say(f"{app}: {len(paths)} paths of tests, {seconds:.0f} s unchanged, {len(self.unfit)} fail already")
        for name in sorted(self.unfit):
            _say(f"  judges nothing: {name}")
        self._limit_s = 300 + 3 * seconds  # a test that hangs is ended long before; this ends what hangs between tests
        self._passing = set[str]()
        self._files = set[str]()  # that noticed a change which runs as its module loads
        self._judges = tree.judges((*paths, *sorted(self._starts)))
        if code not in (0, 1) or (code == 1 and not self.unfit) or self._judges.loaded.what != "passed":
            _say(f"{app}: its tests do not load (pytest's exit code {code}, then {self._judges.loaded.what})")
            sys.exit(2)

    def outcome(self, mutant: Mutant) -> Outcome:
        """Return how the tests of a change end. A failure counts only where the same test passes without the change."""
        module, change = mutant
        before = (self._tree.root / module).read_bytes()
        name = module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        patch = Patch(name, before, change.applied(before))

        def loaded(tests: set[str]) -> Outcome:
            with self._tree.changed(module, patch.after):  # for the processes that a test starts
                return self._judges.run(self._tree.ordered(module, tests), self._limit_s, patch)

        def loading(tests: set[str]) -> Outcome:
            with self._tree.changed(module, patch.after), self._tree.judges(sorted(tests)) as judges:
                return judges.run(self._tree.ordered(module, tests), self._limit_s)

        tests = self._tree.tests_of(module, change.line)
        outcome = self._first(tests - {LOADING}, loaded)
        if outcome.what == "broken" or (outcome.what in SURVIVED and LOADING in tests):
            tests = (tests | self._tree.tests_behind(module, change.line)) - {LOADING}
            likely = {test for test in tests if test.split("::")[0] in self._files}  # a few files load sooner than all
            outcome = Outcome("no test")
            for part in filter(None, (likely, tests - likely)):
                outcome = self._first(part, loading) if outcome.what in SURVIVED else outcome
            self._files |= {outcome.test.split("::")[0]} if outcome.test else set()
        return self._first(self._starts, loaded) if outcome.what in SURVIVED and self._starts else outcome

    def _first(self, tests: set[str], run: Callable[[set[str]], Outcome]) -> Outcome:
        while tests := tests - self.unfit:
            outcome = run(tests)
            if not outcome.test or outcome.test in self._passing:
                return outcome
            if self._judges.run({outcome.test}, self._limit_s).what == "passed":
                self._passing.add(outcome.test)
                return outcome
            self.unfit.add(outcome.test)
        return Outcome("no test")

    def __enter__(self) -> "Bench":
        self._judges.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._judges.__exit__(*error)


def judge(bench: Bench, package: str, sample: Iterable[Mutant]) -> float:
    """Print what became of each change, and return the percentage that was noticed."""
    noticed, survivors = 0, []
    for mutant in sample:
        outcome = bench.outcome(mutant)
        line = f"{mutant.module}:{mutant.change.line}  {mutant.change}"
        by = f", {outcome.test}" if outcome.test else ""
        survived = outcome.what in SURVIVED
        noticed += not survived
        _say(f"  {'SURVIVED' if survived else 'noticed '} ({outcome.what}, {outcome.seconds:.0f} s{by})  {line}")
        survivors += [f"{line}  ({outcome.what})"] if survived else []
    share = 100 * noticed / (noticed + len(survivors))
    _say(f"{package}: {noticed} of {noticed + len(survivors)} changes noticed ({share:.0f} %)")
    for survivor in survivors:
        _say(f"  survived: {survivor}")
    return share


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # the copy and the tests that run in it end too
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    sys.exit(main())
