"""Mutation testing changes what runs, one place at a time, and never the checkout."""

import ast
from pathlib import Path

import pytest

from tests.mutants import __main__ as mutants
from tests.mutants import tree
from tests.mutants.changes import changes_of
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


def test_the_same_seed_chooses_the_same_changes_and_every_table_entry_exists() -> None:
    first, again, other = (mutants.chosen("context_app.streams", 5, seed) for seed in (1, 1, 2))
    assert first == again != other and len(first) == 5
    for package, paths in mutants.TESTS.items():
        assert (ROOT / package.replace(".", "/")).is_dir() and all((ROOT / path).exists() for path in paths)
    assert mutants.tests_for("context_app.streams.live") == mutants.TESTS["context_app.streams"]
    assert mutants.tests_for("context_app.models") == mutants.TESTS["context_app"]


def test_a_module_is_put_back_whatever_happens_and_only_in_the_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout, work = tmp_path / "checkout", tmp_path / "work"
    (checkout / "app").mkdir(parents=True)
    (checkout / "app" / "m.py").write_bytes(b"a = 1\n")
    monkeypatch.setattr(tree, "ROOT", checkout)
    copy = tree.Tree(work)
    with pytest.raises(KeyboardInterrupt), copy.changed("app/m.py", b"a = 2\n"):
        assert (copy.root / "app/m.py").read_bytes() == b"a = 2\n"
        assert (checkout / "app/m.py").read_bytes() == b"a = 1\n"
        raise KeyboardInterrupt
    assert (copy.root / "app/m.py").read_bytes() == b"a = 1\n"
