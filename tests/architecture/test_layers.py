"""The shape of the code: imports run downwards, files stay small, the network has one door."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
APPS = ("maestro_site", "gateway_app", "pipelines_app", "context_app", "sessions_app", "providers_app")
MAX_LINES = 300
NETWORK = {"httpx", "httpcore", "requests", "aiohttp", "urllib3"}


def python_files(*apps: str) -> list[Path]:
    return [path for app in apps for path in sorted((ROOT / app).rglob("*.py")) if "migrations" not in path.parts]


def imported(path: Path) -> set[str]:
    """The modules that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imported(path)}


def test_the_apps_are_there() -> None:
    assert all(len(python_files(app)) > 0 for app in APPS)
    assert len(python_files(*APPS)) > 50


def test_imports_run_downwards() -> None:
    binary = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([binary, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:]


def test_a_room_on_several_layers_has_each_module_on_one() -> None:
    """import-linter sees to the rest of ``providers_app``: its contract is exhaustive but for these rooms."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    rooms = next(contract for contract in contracts if contract.get("exhaustive"))
    placed = {name.strip() for layer in rooms["layers"] for name in re.split("[|:]", layer)}
    for room in rooms["exhaustive_ignores"]:
        modules = {path.stem for path in (ROOT / "providers_app" / room).glob("*.py")} - {"__init__"}
        assert {f"{room}.{module}" for module in modules} <= placed


@pytest.mark.parametrize("app", APPS)
def test_no_file_is_longer_than_300_lines(app: str) -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in python_files(app)
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}


def test_only_the_wire_reaches_the_network() -> None:
    wire = ROOT / "providers_app" / "wire"
    found = {
        str(path.relative_to(ROOT))
        for path in python_files(*APPS)
        if roots(path) & NETWORK and not path.is_relative_to(wire)
    }
    assert found == set()


def test_the_provider_core_knows_django_in_one_file_only() -> None:
    found = {path.name for path in python_files("providers_app") if roots(path) & {"django", "channels", "celery"}}
    assert found == {"apps.py"}


def test_dialects_know_no_provider_and_no_network() -> None:
    for path in (ROOT / "providers_app" / "dialects").rglob("*.py"):
        wrong = {
            name
            for name in imported(path)
            if name.startswith(("providers_app.providers", "providers_app.wire.client", "providers_app.wire.engine"))
        }
        assert wrong == set(), path


def test_providers_do_not_know_each_other() -> None:
    base = ROOT / "providers_app" / "providers"
    for path in base.rglob("*.py"):
        own = f"providers_app.providers.{path.relative_to(base).parts[0]}"
        for name in imported(path):
            if name.startswith("providers_app.providers."):
                assert name == own or name.startswith(own + "."), path


def test_nobody_outside_names_a_provider_package() -> None:
    outside = [path for path in python_files(*APPS) if "providers" not in path.relative_to(ROOT).parts[1:-1]]
    found = {
        str(path.relative_to(ROOT))
        for path in outside
        if any(name.startswith("providers_app.providers.") for name in imported(path))
    }
    assert found == set()


@pytest.mark.parametrize(
    "module", ["providers_app.registry.settings", "providers_app.providers.openai.config", "providers_app.wire.client"]
)
def test_settings_and_the_door_import_neither_django_nor_an_http_engine(module: str) -> None:
    code = f"import sys, {module}; print(sorted({{'django', 'httpx', 'httpcore', 'aiohttp'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
