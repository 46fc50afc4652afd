"""Change a sample of a package's code, one place at a time, and report the changes that no test notices.

    python -m tests.mutants --package context_app.streams --size 20 --seed 1 [--least 85]

Comparisons, conditions, constants, sums, returned values and calls are changed, in a copy of the tree. The package's
tests (``TESTS``) run once unchanged to learn which test runs which line; a change is then judged by the tests of its
line. A test that fails without a change judges nothing; a change with which tests hang is noticed, by their time limit.
The exit code is 1 where fewer than ``--least`` percent of the changes of any package were noticed, 2 where nothing
could be judged, 130 after Ctrl-C, 143 after SIGTERM; the copy and the tests that run in it are gone in every case.
"""

import argparse
import itertools
import random
import signal
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.mutants.changes import Change, changes_of, statement_at
from tests.mutants.tree import Outcome, Tree
from tests.processes import ROOT

_CHAT = ("tests/unit/context", "tests/web/context", "tests/web/test_chat_http.py", "tests/web/test_chat_socket.py")
TESTS: dict[str, tuple[str, ...]] = {
    "providers_app": ("tests/unit/providers", "tests/wire", "tests/unit/demo"),
    "providers_app.advice": ("tests/unit/providers", "tests/wire/request_forms"),
    "providers_app.chat": (
        *("tests/unit/providers", "tests/wire/test_media.py", "tests/wire/test_tool_forms.py"),
        *("tests/wire/test_kept_blocks.py", "tests/unit/context/test_media_store.py"),
    ),
    "providers_app.dialects": ("tests/wire", "tests/unit/providers"),
    "providers_app.dispatch": ("tests/unit/providers", "tests/wire/vendors"),
    "providers_app.refresh": ("tests/unit/providers", "tests/unit/sessions/refresh"),
    "providers_app.types": (
        *("tests/unit/providers", "tests/unit/context", "tests/wire/test_tool_forms.py", "tests/wire/test_fixtures.py"),
        *("tests/wire/test_requests.py", "tests/web/sessions/test_session_pages.py"),
    ),
    "sessions_app": ("tests/architecture/test_migrations.py", "tests/unit/sessions", "tests/web/sessions"),
    "context_app": (*_CHAT, "tests/web/test_chat_socket_refusals.py", "tests/web/test_chat_connection.py"),
    "context_app.services": _CHAT,
    "context_app.streams": _CHAT,
    "maestro_site": (
        "tests/architecture/test_migrations.py",
        *("tests/unit/site", "tests/unit/sessions/test_crypto.py", "tests/unit/sessions/test_lifecycle.py"),
        *("tests/web/test_accounts.py", "tests/web/test_home.py", "tests/web/test_people_admin.py"),
        *("tests/web/test_failures.py", "tests/web/test_templates.py", "tests/wire/test_e2e_failures.py"),
        *("tests/wire/test_e2e_command.py", "tests/architecture/test_start.py"),
    ),
}
"""The tests that judge a package; the longest name that a package begins with counts."""


STARTS: dict[str, tuple[str, ...]] = {
    "maestro_site": ("tests/web/test_up.py", "tests/web/test_up_start.py", "tests/wire/test_e2e_command.py")
}
"""Tests that start processes, in which no line is measured: they judge what the tests above let pass."""
FEW = 100
"""So many tests of a module are asked before all, where a line runs as the module loads."""
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
        for package, seed in itertools.product(options.package, options.seed):
            sample = chosen(package, options.size, seed)
            if not sample:
                parser.error(f"nothing can be changed in {package}")
            _say(f"{package}, seed {seed}:")
            shares.append(judge(tree, package, sample, tuple(options.tests or tests_for(package))))
    return 1 if min(shares) < options.least else 0


def chosen(package: str, size: int, seed: int) -> list[Mutant]:
    """Return a sample of the changes of a package or module, the same one for the same seed and code."""
    base = ROOT / package.replace(".", "/")
    modules = [base.with_suffix(".py")] if base.with_suffix(".py").is_file() else sorted(base.rglob("*.py"))
    names = [path.relative_to(ROOT).as_posix() for path in modules if "migrations" not in path.parts]
    every = [Mutant(name, change) for name in names for change in changes_of((ROOT / name).read_bytes())]
    return sorted(random.Random(seed).sample(every, min(size, len(every))))


def tests_for(package: str) -> tuple[str, ...]:
    """Return the tests that judge a package. Raises ``KeyError`` for one that is not the product's."""
    names = package.split(".")
    known = [".".join(names[:length]) for length in range(len(names), 0, -1)]
    return next((TESTS[name] for name in known if name in TESTS), TESTS[names[0]])


def judge(tree: Tree, package: str, sample: Iterable[Mutant], paths: tuple[str, ...]) -> float:
    """Print what became of each change, and return the percentage that was noticed."""
    unchanged = tree.measure(package, paths)
    if unchanged.what not in ("passed", "failed"):
        _say(f"{package}: its tests do not run: {' / '.join(unchanged.failed)}")
        sys.exit(2)
    limit_s = 600 + 3 * unchanged.seconds  # a test that hangs is ended long before; this ends what hangs between tests
    unfit = set(unchanged.failed) if unchanged.what == "failed" else set()
    _say(f"{package}: {len(paths)} paths of tests, {unchanged.seconds:.0f} s unchanged, {len(unfit)} fail already")
    for name in sorted(unfit):
        _say(f"  judges nothing: {name}")
    noticed, survivors = 0, []
    for module, change in sample:
        outcome = _outcome(tree, Mutant(module, change), paths, unfit, limit_s)
        survived = outcome.what in SURVIVED
        noticed += not survived
        line = f"{module}:{change.line}  {change}"
        by = f", {outcome.failed[0]}" if outcome.what == "failed" else ""
        _say(f"  {'SURVIVED' if survived else 'noticed '} ({outcome.what}, {outcome.seconds:.0f} s{by})  {line}")
        survivors += [f"{line}  ({outcome.what})"] if survived else []
    share = 100 * noticed / (noticed + len(survivors))
    _say(f"{package}: {noticed} of {noticed + len(survivors)} changes noticed ({share:.0f} %)")
    for survivor in survivors:
        _say(f"  survived: {survivor}")
    return share


def _outcome(tree: Tree, mutant: Mutant, paths: tuple[str, ...], unfit: set[str], limit_s: float) -> Outcome:
    """Return how the tests of a change ended: those of its line, or every test where it runs as its module loads."""
    change = mutant.change
    first, last = statement_at((tree.root / mutant.module).read_bytes(), change.line)
    tests = tree.tests_of(mutant.module, first, max(last, change.line + change.old.count("\n")))
    judges = [(tests, paths)]
    if tests is None and len(users := tree.users_of(mutant.module)) <= FEW:
        judges.insert(0, (users, paths))
    judges += [(None, starts)] if (starts := STARTS.get(mutant.module.split("/")[0])) else []
    outcome = Outcome("no test")
    for chosen_tests, from_paths in judges:
        outcome = _of(tree, mutant, chosen_tests, from_paths, unfit, limit_s)
        if outcome.what not in SURVIVED:
            break
    return outcome


def _of(
    tree: Tree, mutant: Mutant, tests: set[str] | None, paths: tuple[str, ...], unfit: set[str], limit_s: float
) -> Outcome:
    """Return how these tests, or all, end with a change. A failure counts only where the test passes without it."""
    outcome = Outcome("no test")
    for _ in range(3):
        if tests is not None and not tests - unfit:
            return Outcome("no test")
        whole = (*paths, *(f"--deselect={name}" for name in sorted(unfit)))
        arguments = whole if tests is None else tuple(sorted(tests - unfit))
        with tree.changed(mutant.module, mutant.change.applied((tree.root / mutant.module).read_bytes())):
            outcome = tree.run(arguments, limit_s, first=True)
        if outcome.what not in ("failed", "broken"):
            return outcome
        if tree.passes(outcome.failed if outcome.what == "failed" else arguments, limit_s):
            return outcome
        unfit |= set(outcome.failed)
        tests = tests if outcome.what == "failed" else None
    return outcome


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # the copy and the tests that run in it end too
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    sys.exit(main())
