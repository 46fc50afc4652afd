"""What stands in one place only: ids of providers, the statuses after which a request may be repeated, defaults."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers_app import errors
from providers_app.registry.discovery import registry
from providers_app.wire.status import class_of_status

ROOT = Path(__file__).resolve().parents[2]
RETRYABLE_STATUSES = frozenset(
    status for status in range(400, 600) if class_of_status(status).retry is not errors.Retry.NEVER
)
APPS = ("providers_app", "sessions_app", "context_app", "gateway_app", "pipelines_app", "maestro_site")
# A dialect names the family whose metadata it writes; the start page names the provider that needs no key.
FAMILIES = {"openai", "gemini", "anthropic"}
IDS_ALLOWED = {"maestro_site/home.py": {"demo"}}
# Other questions than "may it be repeated": what only a gateway in front answers with, what the demo's bodies say.
STATUSES_ALLOWED = {
    "providers_app/wire/status.py",
    "providers_app/behaviours/oauth/endpoint.py",
    "providers_app/providers/demo/local.py",
}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "migrations" not in path.parts:
                yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def test_provider_ids_stand_in_the_providers_folders_only() -> None:
    slugs = {slug for slug, package in registry.packages().items() if package.source == "folder"}
    assert slugs > FAMILIES
    found = []
    for name, tree in trees():
        if name.startswith("providers_app/providers/"):
            own = name.split("/")[2]
            others = slugs - {own} - FAMILIES
        else:
            others = slugs - IDS_ALLOWED.get(name, set()) - (FAMILIES if "/dialects/" in name else set())
        found += [f"{name}:{node.lineno} {node.value!r}" for node in ast.walk(tree) if _is_id(node, others)]
    assert found == [], "declare it in the provider's own folder"


def _is_id(node: ast.AST, slugs: set[str]) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in slugs


def test_there_is_one_table_of_statuses_that_may_be_repeated() -> None:
    found = []
    for name, tree in trees():
        if any(name.startswith(allowed) for allowed in STATUSES_ALLOWED):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Set | ast.Tuple | ast.List | ast.Dict):
                items = node.keys if isinstance(node, ast.Dict) else node.elts
                values = {item.value for item in items if isinstance(item, ast.Constant)}
                numbers = {value for value in values if isinstance(value, int)}
                if len(numbers & RETRYABLE_STATUSES) > 1 and all(400 <= number < 600 for number in numbers):
                    found.append(f"{name}:{node.lineno} {sorted(numbers)}")
    assert found == [], "ask providers_app.wire.status, or the error's own retry"


def test_the_statuses_are_those_that_the_error_classes_say() -> None:
    assert {408, 409, 429, 500, 502, 503, 504, 529} <= RETRYABLE_STATUSES
    assert RETRYABLE_STATUSES.isdisjoint({400, 401, 402, 403, 404, 413, 422, 499})


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("A = {429, 503}", True),
        ("if status in (500, 502): pass", True),
        ("B = {408: 1, 529: 2}", True),
        ("C = (403, 404)", False),
        ("D = (500, 9)", False),
    ],
)
def test_what_counts_as_a_second_table(text: str, caught: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "trees", lambda: [("some/file.py", ast.parse(text))])
    if caught:
        with pytest.raises(AssertionError):
            test_there_is_one_table_of_statuses_that_may_be_repeated()
    else:
        test_there_is_one_table_of_statuses_that_may_be_repeated()


def test_fields_that_every_provider_has_are_declared_once() -> None:
    """Their help and limits come from ``setting_types``; a provider may say more precisely what its own is."""
    helps: dict[str, set[str]] = {}
    for slug, package in registry.packages().items():
        if package.source == "folder":
            for name, field in registry.load(slug, "config").Config.model_fields.items():
                if name in ("idle_timeout_s", "refresh_margin_s", "api_key"):
                    helps.setdefault(name, set()).add(f"{field.description} {field.annotation} {field.metadata[:1]}")
    assert {name: len(each) for name, each in helps.items() if name != "api_key"} == {
        "idle_timeout_s": 1,
        "refresh_margin_s": 1,
    }
