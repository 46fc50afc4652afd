"""Docstrings say in the imperative what a thing does; riddles and questions are kept out by pattern."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("providers_app", "sessions_app", "context_app", "gateway_app", "pipelines_app", "maestro_site")
BANNED = {
    "opens with a question word": re.compile(r"^(What|Where|Whose|Who|Why|How|Which|Whether)\b"),
    "opens with a pronoun or article for what is returned": re.compile(
        r"^(Everything|Anything|Something|Nothing|All of)\b"
    ),
    "speaks of nobody, somebody or whoever": re.compile(r"\b(nobody|somebody|whoever)\b", re.I),
    "is a question": re.compile(r"^[^.]*\?$", re.M),
    "points at the port instead of saying it": re.compile(r"\bAs the (port|protocol) says\b", re.I),
}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NOT_IMPERATIVE = re.compile(r"^(The|A|An|One|Its|Their|This|These|Every|Each)\b")


def is_property(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether a function is read as a value, so that a noun describes it."""
    return any("property" in ast.unparse(decorator) for decorator in node.decorator_list)


def docstrings(app: str) -> Iterator[tuple[str, ast.AST, str]]:
    for path in sorted((ROOT / app).rglob("*.py")):
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)):
                text = ast.get_docstring(node)
                if text:
                    yield f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}", node, text


@pytest.mark.parametrize("app", APPS)
def test_docstrings_are_plain(app: str) -> None:
    found = []
    for place, node, text in docstrings(app):
        for why, pattern in BANNED.items():
            if isinstance(node, ast.Module) and why.startswith("opens"):
                continue
            if pattern.search(text):
                found.append(f"{place} {why}: {text.splitlines()[0][:80]}")
        if isinstance(node, FUNCTIONS) and not is_property(node) and NOT_IMPERATIVE.search(text):
            found.append(f"{place} is not in the imperative: {text.splitlines()[0][:80]}")
    assert not found, "\n".join(found)
