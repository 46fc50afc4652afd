"""The rooms: every module says what it is for, and the pages that lead to a module name one that exists."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("maestro_site", "gateway_app", "pipelines_app", "context_app", "sessions_app", "providers_app")
MODULES = [
    path
    for app in APPS
    for path in sorted((ROOT / app).rglob("*.py"))
    if "migrations" not in path.parts and path.read_text().strip()
]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
QUESTIONS = (
    "is a 401 retried",
    "does a chunk become a message",
    "is an address judged",
    "is advice about a parameter made",
    "is it decided when a token is due",
    "is it decided who may see a session",
    "is a segment written",
    "does a model's window come from",
    "does an error's hint come from",
    "is a provider found",
    "is an upstream stream closed",
    "is a secret opened",
)


def answers() -> dict[str, str]:
    """Return the table "Where is" of CONTRIBUTING: the file by the question."""
    section = CONTRIBUTING.partition("## Where is")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| ([^|]+?) \| `([^`|]+)` \|", section, re.M))


def test_every_module_says_what_it_is_for() -> None:
    unsaid = [
        str(path.relative_to(ROOT))
        for path in MODULES
        if not (ast.get_docstring(ast.parse(path.read_text())) or "").strip()
    ]
    assert unsaid == []


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_answer_to_a_question_is_one_file(question: str) -> None:
    assert (ROOT / answers()[question]).is_file()


def test_no_other_question_is_asked() -> None:
    assert set(answers()) == set(QUESTIONS)


@pytest.mark.parametrize("app", APPS)
def test_the_architecture_page_shows_every_room(app: str) -> None:
    section = ARCHITECTURE.partition(f"\n## Inside {app}\n")[2].partition("\n## ")[0]
    parts = [path.relative_to(ROOT).parts for path in MODULES]
    rooms = {names[1] for names in parts if names[0] == app and len(names) > 2}
    assert {room for room in rooms if f"`{room}/" not in section} == set()
    named = re.findall(r"`([\w/]+(?:\.py|/))`", section)
    assert named and [name for name in named if not (ROOT / app / name).exists()] == []
