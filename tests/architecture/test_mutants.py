"""Mutation testing changes what runs, one place at a time, and never the checkout."""

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.mutants import __main__ as mutants
from tests.mutants import tree
from tests.mutants.changes import changes_of, statement_at
from tests.mutants.tree import Outcome
from tests.processes import ROOT

MODULE = '''"""A docstring."""
from typing import Literal
class Kind(Base, frozen=True):
    kind: Literal["plain"]
LIMIT: int = 3

def f(a: "str", b=None) -> "int":
    """Another."""
    if not a and b >= LIMIT:
        logger.info("plain")
        g(f"{a == b} é", "word", "A sentence.")
    return a + b if a in b else True
'''.encode()
EXPECTED = [
    (5, "3", "4"),
    (9, "b >= LIMIT", "(b < LIMIT)"),
    (9, "b >= LIMIT", "(b > LIMIT)"),
    (9, "not a", "(a)"),
    (9, "not a and b >= LIMIT", "(not a or b >= LIMIT)"),
    (11, '"word"', "'word_x'"),
    (11, 'g(f"{a == b} é", "word", "A sentence.")', "pass"),
    (12, "True", "False"),
    (12, "a + b", "(a - b)"),
    (12, "a + b if a in b else True", "(True if a in b else a + b)"),
    (12, "a in b", "(a not in b)"),
    (12, "return a + b if a in b else True", "return None"),
]


def test_what_is_changed_and_what_is_not() -> None:
    found = changes_of(MODULE)
    assert sorted((change.line, change.old, change.new) for change in found) == EXPECTED
    for change in found:
        assert ast.dump(ast.parse(change.applied(MODULE))) != ast.dump(ast.parse(MODULE))


def test_a_statement_is_all_its_lines_and_a_head_ends_where_its_body_begins() -> None:
    source = b"""class A:
    a = (
        1,
        2,
    )
    def f(self,
          b=1):
        if (b and
            self):
            return b
        with x:
            pass
"""
    spans = [statement_at(source, line) for line in range(1, 13)]
    assert spans == [(1, 1), *[(2, 5)] * 4, *[(6, 7)] * 2, *[(8, 9)] * 2, (10, 10), (11, 11), (12, 12)]


def test_the_same_seed_chooses_the_same_changes_and_every_table_entry_exists() -> None:
    first, again, other = (mutants.chosen("context_app.streams", 5, seed) for seed in (1, 1, 2))
    assert first == again != other and len(first) == 5
    for package, paths in (*mutants.TESTS.items(), *mutants.STARTS.items()):
        assert (ROOT / package.replace(".", "/")).is_dir() and all((ROOT / path).exists() for path in paths)
    assert mutants.tests_for("context_app.streams.live") == mutants.TESTS["context_app.streams"]
    assert mutants.tests_for("context_app.models") == mutants.TESTS["context_app"]


def test_a_module_is_put_back_whatever_happens_and_only_in_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout, work = tmp_path / "checkout", tmp_path / "work"
    (checkout / "app/site").mkdir(parents=True)
    (checkout / "app" / "m.py").write_bytes(b"a = 1\n")
    for left_out in (".venv", "site"):
        (checkout / left_out).mkdir()
    (checkout / ".env.example").touch()
    monkeypatch.setattr(tree, "ROOT", checkout)
    copy = tree.Tree(work)
    assert sorted(path.name for path in copy.root.iterdir()) == [".env.example", ".git", "app"]
    assert (copy.root / "app/site").is_dir()
    with pytest.raises(KeyboardInterrupt), copy.changed("app/m.py", b"a = 2\n"):
        assert (copy.root / "app/m.py").read_bytes() == b"a = 2\n"
        assert (checkout / "app/m.py").read_bytes() == b"a = 1\n"
        raise KeyboardInterrupt
    assert (copy.root / "app/m.py").read_bytes() == b"a = 1\n"


@pytest.mark.parametrize("hung", ["import time\ntime.sleep(999)", "def test_it():\n    while True:\n        pass"])
def test_tests_that_hang_are_ended_and_count_as_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hung: str
) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "test_m.py").write_text(hung)
    monkeypatch.setattr(tree, "ROOT", checkout)
    outcome = tree.Tree(tmp_path / "work").run(["test_m.py"], 1.0)
    assert outcome.what == "timed out" and outcome.what not in mutants.SURVIVED


@pytest.mark.parametrize(("least", "code"), [("85", 0), ("90", 1)])
def test_fewer_than_the_least_share_of_any_package_is_an_error(
    monkeypatch: pytest.MonkeyPatch, least: str, code: int
) -> None:
    shares = iter((88.0, 100.0))
    monkeypatch.setattr(mutants, "Tree", lambda folder: None)
    monkeypatch.setattr(mutants, "judge", lambda *_: next(shares))
    packages = ["context_app.streams", "context_app.services"]
    monkeypatch.setattr(sys, "argv", ["mutants", "--package", *packages, "--size", "2", "--least", least])
    assert mutants.main() == code


def test_a_failure_counts_only_where_the_same_test_passes_without_the_change() -> None:
    class Runs:
        """A copy in which ``t::weak`` fails always, and ``t::good`` where the module is changed."""

        root = ROOT
        now = False

        def tests_of(self, *_: object) -> set[str]:
            return {"t::weak", "t::good"} if self.good else {"t::weak"}

        def __init__(self, good: bool) -> None:
            self.good = good

        @contextmanager
        def changed(self, *_: object) -> Iterator[None]:
            self.now = True
            yield
            self.now = False

        def passes(self, tests: tuple[str, ...], limit_s: float) -> bool:
            return self.run(tests, limit_s).what == "passed"

        def run(self, arguments: tuple[str, ...], limit_s: float, *, first: bool = False) -> Outcome:
            failed = [name for name in arguments if name == "t::weak" or (name == "t::good" and self.now)]
            return Outcome("failed", tuple(failed[-1:])) if failed else Outcome("passed")

    mutant = mutants.chosen("context_app.tool_intents", 1, 1)[0]
    for good, what in ((True, "failed"), (False, "no test")):
        unfit: set[str] = set()
        found = mutants._outcome(Runs(good), mutant, ("t",), unfit, 1)  # type: ignore[arg-type]
        assert (found.what, unfit) == (what, {"t::weak"})
