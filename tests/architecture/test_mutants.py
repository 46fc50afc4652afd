"""Mutation testing changes what runs, one place at a time, and never the checkout."""

import ast
import os
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.mutants import __main__ as mutants
from tests.mutants import judges, tree
from tests.mutants.changes import Change, changes_of, statements_of
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


def test_a_change_moves_no_other_line() -> None:
    source = b"def f():\n    g(\n        1,\n    )  # why\n    return (\n        a,\n        b,\n    )\n"
    for change in changes_of(source):
        applied = change.applied(source)
        ast.parse(applied)
        assert applied.count(b"\n") == source.count(b"\n")


def test_a_statement_is_all_its_lines_with_the_names_by_which_others_reach_it() -> None:
    source = b"""from m import one as two
class A:
    a = (
        1,
        LIMIT,
    )
    def f(self,
          b=two.three):
        if (b and
            self):
            c = b
TABLE: dict[str, int] = {kind: A(kind) for kind in KINDS}
"""
    assert [(s.first, s.last, set(s.reads), set(s.makes)) for s in statements_of(source)] == [
        (1, 1, {"one"}, {"two"}),
        (2, 2, set(), {"A"}),
        (3, 6, {"LIMIT"}, {"A", "a"}),
        (7, 8, {"two", "three"}, {"A", "f"}),
        (9, 10, {"b", "self"}, {"A", "f"}),
        (11, 11, {"b"}, {"A", "f"}),
        (12, 12, {"kind", "A", "KINDS"}, {"TABLE", "kind"}),
    ]


def test_the_same_seed_chooses_the_same_changes_and_every_table_entry_exists() -> None:
    first, again, other = (mutants.chosen("context_app.streams", 5, seed) for seed in (1, 1, 2))
    assert first == again != other and len(first) == 5
    for package, paths in (*mutants.TESTS.items(), *mutants.STARTS.items()):
        assert (ROOT / package).is_dir() and all((ROOT / path).exists() for path in paths)


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tree.Tree:
    """A copy of a small product with tests of its own."""
    checkout = tmp_path / "checkout"
    for name, text in CHECKOUT.items():
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(text)
    for left_out in (".venv", "site"):
        (checkout / left_out).mkdir()
    monkeypatch.setattr(tree, "ROOT", checkout)
    # The plugin is this repository's; the copy has no Django to migrate.
    monkeypatch.setattr(tree.Tree, "_environment", _environment)
    return tree.Tree(tmp_path / "work")


def _environment(copy: tree.Tree) -> dict[str, str]:
    shared = copy.root.parent / "shared"
    (shared / "migrated").mkdir(parents=True, exist_ok=True)
    (shared / "migrated" / "done").touch()
    paths = {"TMPDIR": shared, "TEST_SHARED": shared, "MAESTRO_DATA_DIR": shared, "PYTHONPATH": f"{copy.root}:{ROOT}"}
    kept = {name: value for name, value in tree.unmeasured(os.environ).items() if name != "DJANGO_SETTINGS_MODULE"}
    return {**kept, **{name: str(path) for name, path in paths.items()}}


CHECKOUT = {
    ".env.example": "",
    "app/site/__init__.py": "",
    "app/__init__.py": "",
    "app/m.py": """STEP = 1
LIMITS = {"low": STEP}
WORD = "word"


def twice(number):
    if number < 0:
        while True:
            pass
    return number * 2


def limit(kind):
    return LIMITS[kind]


def unasked():
    return 1 + 1
""",
    "test_m.py": """import os
import subprocess
import sys

import pytest

from app import m


@pytest.mark.parametrize("number", [1, 2])
def test_twice(number):
    assert m.twice(number) == number + number


def test_limit():
    assert m.limit("low") == 1


def test_word():
    assert m.WORD == "word"


def test_process():
    assert m.twice(3) and subprocess.check_output([sys.executable, "-c", "from app.m import *; print(twice(3))"])


def test_that_fails_unchanged():
    assert m.twice(3) == 7


def test_that_fails_at_its_second_run():
    place = os.path.join(os.path.dirname(__file__), "ran")
    assert m.twice(3) and not os.path.exists(place)
    with open(place, "w"):
        pass
""",
}


def _change(copy: tree.Tree, old: str, new: str) -> mutants.Mutant:
    source = (copy.root / "app/m.py").read_bytes()
    start = source.index(old.encode())
    line = source[:start].count(b"\n") + 1
    return mutants.Mutant("app/m.py", Change(line, start, start + len(old), old, new))


def test_each_change_is_judged_by_the_tests_of_its_statement(copy: tree.Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "OPTIONS", (*judges.OPTIONS, "--timeout=5"))
    before = (copy.root / "app/m.py").read_bytes()
    found = {}
    with mutants.Bench(copy, "app", ("test_m.py",)) as bench:
        assert bench.unfit == {"test_m.py::test_that_fails_unchanged"}
        for old, new in (
            ("number * 2", "number + 2"),
            ("number < 0", "number == 3"),
            ("STEP = 1", "STEP = 2"),
            ("STEP = 1", "STEP = 1.0"),
            ("return LIMITS[kind]", "return None"),
            ('"word"', '"other"'),
            ("1 + 1", "1 - 1"),
            ("return number * 2", "return 2 * number"),
        ):
            what, test, _ = bench.outcome(_change(copy, old, new))
            found[new] = what, test.removeprefix("test_m.py::")
        assert (copy.root / "app/m.py").read_bytes() == before
    assert found == {
        "number + 2": ("failed", "test_twice[1]"),
        "number == 3": ("ended", "test_process"),
        "STEP = 2": ("failed", "test_limit"),
        "STEP = 1.0": ("passed", ""),
        "return None": ("failed", "test_limit"),
        '"other"': ("failed", "test_word"),
        "1 - 1": ("no test", ""),
        "return 2 * number": ("passed", ""),
    }
    assert bench.unfit == {"test_m.py::test_that_fails_unchanged", "test_m.py::test_that_fails_at_its_second_run"}


def test_a_module_is_put_back_whatever_happens_and_only_in_the_copy(copy: tree.Tree) -> None:
    checkout = tree.ROOT
    assert sorted(path.name for path in copy.root.iterdir()) == [".env.example", ".git", "app", "test_m.py"]
    assert (copy.root / "app/site").is_dir()
    with pytest.raises(KeyboardInterrupt), copy.changed("app/m.py", b"a = 2\n"):
        assert (copy.root / "app/m.py").read_bytes() == b"a = 2\n"
        raise KeyboardInterrupt
    assert (copy.root / "app/m.py").read_text() == (checkout / "app/m.py").read_text() == CHECKOUT["app/m.py"]


@pytest.mark.parametrize(("least", "code"), [("85", 0), ("90", 1)])
def test_fewer_than_the_least_share_of_any_package_is_an_error(
    monkeypatch: pytest.MonkeyPatch, least: str, code: int
) -> None:
    shares = iter((88.0, 100.0))
    monkeypatch.setattr(mutants, "Tree", lambda folder: SimpleNamespace(root=ROOT))
    monkeypatch.setattr(mutants, "Bench", lambda *_: nullcontext())
    monkeypatch.setattr(mutants, "judge", lambda *_: next(shares))
    packages = ["context_app.streams", "context_app.services"]
    monkeypatch.setattr(sys, "argv", ["mutants", "--package", *packages, "--size", "2", "--least", least])
    assert mutants.main() == code
