"""The page of settings and .env.example: made from the settings, the same everywhere, found out when they are old."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dotenv
import pytest
from django.core.management import CommandError, call_command
from pydantic import Field, create_model

from maestro_site import conf, settings_reference
from maestro_site.environment import ROOT, walk
from maestro_site.settings_reference import SECTIONS, by_section
from providers_app.registry.discovery import Package, registry
from providers_app.registry.settings import ProvidersConfig
from sessions_app.conf import SessionsConfig

HELP = "A help sentence that was changed."


def test_the_committed_files_are_current() -> None:
    assert settings_reference.differences() == [], "run manage.py settings_docs"


def test_a_changed_help_text_is_found() -> None:
    changed = create_model(
        "Changed", __base__=SessionsConfig, per_owner_limit=(int, Field(default=500, ge=1, description=HELP))
    )
    tree = create_model("Tree", __base__=conf.MaestroSettings, sessions=(changed, changed()))
    found = settings_reference.differences(settings=list(walk(tree)))
    assert any(line.startswith("+") and HELP in line for line in found)
    assert [line for line in found if line[0] not in "+-@"] == []
    assert len([line for line in found if line.startswith("+| ")]) == 1, "one row changed, and only that one"


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("sessions_app/conf.py", "How many sessions one person may store.", HELP),
        ("providers_app/providers/openai/config.py", "(1455, 1457)", "(1455,)"),
    ],
)
def test_the_command_fails_for_a_changed_copy(tmp_path: Path, file: str, before: str, after: str) -> None:
    """The very command of ``make lint``, in a copy of the code in which one sentence is another."""
    copied = _copy(tmp_path)
    assert _run(copied, "--check").returncode == 0
    source = copied / file
    text = source.read_text()
    assert before in text
    source.write_text(text.replace(before, after, 1))
    failed = _run(copied, "--check")
    assert failed.returncode == 1
    assert "settings_docs" in failed.stderr and "(generated)" in failed.stdout
    assert (HELP if after == HELP else "OPENAI__OAUTH__PORTS=1455\n") in failed.stdout
    assert _run(copied).returncode == 0, "writing them"
    assert _run(copied, "--check").returncode == 0


def test_the_machine_leaves_no_trace(tmp_path: Path) -> None:
    """Neither its environment nor its folders get into the files."""
    copied = _copy(tmp_path)
    surroundings = {
        "MAESTRO_DATA_DIR": "/somewhere/else",
        "MAESTRO_PROVIDERS__OPENAI__BASE_URL": "https://other.example",
        "OPENAI_API_KEY": "sk-of-this-machine",
        "MAESTRO_LOG_JSON": "neither true nor false",
    }
    assert _run(copied, "--check", **surroundings).returncode == 0
    for text in settings_reference.render().values():
        assert str(ROOT) not in text and str(Path.home()) + "/" not in text


def test_installed_providers_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    packages = dict(registry.packages())
    packages["openai"] = Package(slug="openai", module="acme_openai", source="acme-openai")
    monkeypatch.setattr(registry, "_packages", packages)
    for text in settings_reference.render().values():
        assert "MAESTRO_PROVIDERS__OPENAI__" not in text and "MAESTRO_PROVIDERS__ANTHROPIC__" in text


def test_every_setting_stands_once_in_both_files() -> None:
    page, example = settings_reference.render().values()
    for setting in conf.settings_list():
        assert page.count(f"| `{setting.name}` |") == 1
        assert example.count(f"# {setting.name}=") == 1


def test_every_section_covers_something() -> None:
    titles = {title for title, _ in by_section(conf.settings_list())}
    assert {section.title for section in SECTIONS} <= titles
    assert set(ProvidersConfig.model_fields) <= {each.path[1] for each in conf.settings_list() if each.path[1:]}


def test_the_example_loads_with_every_line_in_force(tmp_path: Path) -> None:
    """As a ``.env`` file and as a shell reads it, and gives the defaults."""
    lines = settings_reference.render()[settings_reference.EXAMPLE].splitlines()
    text = "\n".join(line.removeprefix("# ") if line.startswith("# MAESTRO_") else line for line in lines)
    path = tmp_path / ".env"
    path.write_text(text)
    by_dotenv = {name: value or "" for name, value in dotenv.dotenv_values(path, interpolate=False).items()}
    shell = subprocess.run(
        ["sh", "-c", 'set -a; . "$1"; env -0', "sh", str(path)], env={}, capture_output=True, text=True, check=True
    )
    by_shell = dict(line.split("=", 1) for line in shell.stdout.split("\0") if line.startswith("MAESTRO_"))
    assert by_dotenv == by_shell and set(by_dotenv) == {each.name for each in conf.settings_list()}
    assert conf.unknown_variables(by_dotenv) == []
    loaded, defaults = conf.load(by_dotenv), conf.MaestroSettings()
    assert (ROOT / loaded.data_dir) == defaults.data_dir
    assert loaded.model_copy(update={"data_dir": defaults.data_dir}) == defaults


def test_the_command_here() -> None:
    call_command("settings_docs", check=True)
    with pytest.raises(CommandError, match="unrecognized"):
        call_command("settings_docs", "--unknown")


def test_a_long_difference_is_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for count, lines in ((20, 20), (21, 21), (30, 21)):
        monkeypatch.setattr(settings_reference, "differences", lambda count=count: [f"+{at}" for at in range(count)])
        with pytest.raises(CommandError, match="out of date"):
            call_command("settings_docs", check=True)
        shown = capsys.readouterr().out.splitlines()
        assert len(shown) == lines and shown[19] == "+19"
        assert shown[20:] == ([f"... and {count - 20} more lines"] if count > 20 else [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (ROOT / "var", "var/"),
        (ROOT / "ca.pem", str(ROOT / "ca.pem")),
        (ROOT, str(ROOT)),
        (Path("/somewhere/else"), "/somewhere/else"),
        (30.0, "30"),
        (0.5, "0.5"),
        (1e16, "1e+16"),
        (None, ""),
        (True, "true"),
        ({}, ""),
        ({"a": 1}, '{"a":1}'),
        ({3, 1, 2}, "1,2,3"),
        (["b", "a"], "b,a"),
    ],
)
def test_a_default_is_written_as_a_variable_would_hold_it(value: Any, text: str) -> None:
    assert settings_reference.text_of(value) == text


def _copy(target: Path) -> Path:
    """The code and the two files, as they are committed or stand here."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    kept = ("maestro_site/", "gateway_app/", "pipelines_app/", "context_app/", "sessions_app/", "providers_app/")
    for name in done.stdout.decode().split("\0"):
        if name.startswith(kept) or name in ("manage.py", ".env.example", "docs/configuration.md"):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
    return target


def _run(folder: Path, *arguments: str, **surroundings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "settings_docs", *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), **surroundings},
        capture_output=True,
        text=True,
        check=False,
    )
