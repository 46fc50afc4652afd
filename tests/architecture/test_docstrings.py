"""Docstrings say in the imperative what a thing does; riddles and questions are kept out by pattern."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("providers_app", "sessions_app", "context_app", "gateway_app", "pipelines_app", "maestro_site")
BANNED = {
    "opens with a question word": re.compile(r"^(What|Where|Whose|Who|Why|How|Which)\b"),
    "opens with a pronoun or article for what is returned": re.compile(
        r"^(Everything|Anything|Something|Nothing|All of)\b"
    ),
    "speaks of nobody, somebody or whoever": re.compile(r"\b(nobody|somebody|whoever)\b", re.I),
    "is a question": re.compile(r"\A[^.]*\?(\s|\Z)"),
    "points at the port instead of saying it": re.compile(r"\bAs the (port|protocol) says\b", re.I),
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NOT_IMPERATIVE = re.compile(r"^(The|A|An|One|Its|Their|This|These|Every|Each|Is|Are|Does|Has|May|Was|Were)\b")


def is_property(node: ast.AST) -> bool:
    """Say whether a function is read as a value, so that a noun describes it."""
    return any("property" in ast.unparse(decorator) for decorator in getattr(node, "decorator_list", ()))


def docstrings(app: str) -> Iterator[tuple[str, bool, str]]:
    """Yield the place of every docstring, those of attributes included, whether it is a function's, and its text."""
    for path in sorted((ROOT / app).rglob("*.py")):
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)):
                continue
            for child in node.body:
                value = child.value if isinstance(child, ast.Expr) else None
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    acts = isinstance(node, FUNCTIONS) and child is node.body[0] and not is_property(node)
                    yield f"{path.relative_to(ROOT)}:{child.lineno}", acts, value.value.strip()


@pytest.mark.parametrize("app", APPS)
def test_docstrings_are_plain(app: str) -> None:
    found = []
    for place, acts, text in docstrings(app):
        found += [f"{place} {why}: {text[:80]}" for why, pattern in BANNED.items() if pattern.search(text)]
        if acts and NOT_IMPERATIVE.search(text):
            found.append(f"{place} is not in the imperative: {text[:80]}")
    assert not found, "\n".join(found)
