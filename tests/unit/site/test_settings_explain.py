"""``settings_explain``: what a setting is and where its value comes from, also where the settings cannot be used."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from maestro_site import conf
from maestro_site.effective_settings import effective_settings, masked_url
from tests.unit.providers.packages import write_distribution

SECRET = "hunter2-hunter2"


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take away what the tests of this repository set for themselves."""
    monkeypatch.delenv("MAESTRO_PROVIDERS__MAX_RETRIES")


def explain(*arguments: str) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    call_command("settings_explain", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        "MAESTRO_PROVIDERS__OPENAI__BASE_URL",
        "maestro_providers__openai__base_url",
        "PROVIDERS__OPENAI__BASE_URL",
        "providers.openai.base_url",
        "Providers.OpenAI.Base_URL",
        "OPENAI_BASE_URL",
        "openai_base_url",
    ],
)
def test_every_way_to_name_a_setting(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://theirs.example/v1")
    monkeypatch.setenv("MAESTRO_PROVIDERS__OPENAI__BASE_URL", "https://ours.example/v1")
    words, _ = explain(name)
    assert "value           https://ours.example/v1" in words
    assert "from            MAESTRO_PROVIDERS__OPENAI__BASE_URL\n" in words
    assert "hides           OPENAI_BASE_URL (an alias)" in words
    assert "default         https://api.openai.com/v1" in words
    assert "declared in     providers_app/providers/openai/config.py: Config.base_url" in words
    assert "Address of the API, with /v1." in words


def test_one_that_lies_in_a_file(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text(SECRET)
    monkeypatch.setenv("MAESTRO_EMAIL__PASSWORD_FILE", str(file))
    words, _ = explain("MAESTRO_EMAIL__PASSWORD_FILE")
    assert "value           ***" in words
    assert f"from            MAESTRO_EMAIL__PASSWORD_FILE, the file {file}" in words
    assert SECRET not in words


def test_a_group_and_all_settings() -> None:
    words, _ = explain("email")
    assert "MAESTRO_EMAIL__HOST" in words and "MAESTRO_EMAIL__TLS" in words and "OPENAI" not in words
    found = json.loads(explain("--all", "--json")[0])["settings"]
    assert len(found) == len(conf.settings_list())
    assert {"name", "path", "type", "default", "value", "source", "shadows", "help", "declared", "secret"} <= set(
        found[0]
    )


def test_a_table_has_columns_of_equal_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTRO_ALLOWED_HOSTS", "a" * 61)
    monkeypatch.setenv("OPENAI_BASE_URL", "https://theirs.example/v1")
    monkeypatch.setenv("MAESTRO_PROVIDERS__OPENAI__BASE_URL", "https://ours.example/v1")
    lines = explain()[0].splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert rows["MAESTRO_ALLOWED_HOSTS"] == ["a" * 57 + "...", "MAESTRO_ALLOWED_HOSTS"]
    hidden = "MAESTRO_PROVIDERS__OPENAI__BASE_URL, hides OPENAI_BASE_URL"
    assert " ".join(rows["MAESTRO_PROVIDERS__OPENAI__BASE_URL"]) == f"https://ours.example/v1 {hidden}"
    value, source = lines[0].index("VALUE"), lines[0].index("FROM")
    assert source - value == 62 and all(
        (line[value - 1], line[value - 3 : value], line[source - 2 : source]) == (" ", "  ", "  ")
        or line[value - 2 : value] == line[source - 2 : source] == "  "
        for line in lines
    )


def test_nothing_differs_and_what_is_unknown_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAESTRO_DATA_DIR")
    assert explain() == ("Every setting has its default. `settings_explain --all` lists them.\n", "")
    monkeypatch.setenv("MAESTRO_LOGLEVEL", "debug")
    (sentence,) = conf.unknown_variables()
    assert explain()[1] == f"{sentence}\n"
    answer = json.loads(explain("--json")[0])
    assert answer == {"settings": [], "problems": [], "warnings": [sentence]}


def test_without_a_name_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTRO_CONTEXT__SEGMENT_RETENTION_DAYS", "9")
    monkeypatch.setenv("ANTHROPIC_API_KEY", SECRET)
    words, _ = explain()
    lines = words.splitlines()
    assert [line.split()[0] for line in lines] == [
        "SETTING",
        "MAESTRO_DATA_DIR",
        "MAESTRO_CONTEXT__SEGMENT_RETENTION_DAYS",
        "MAESTRO_PROVIDERS__ANTHROPIC__API_KEY",
    ]
    assert "***" in lines[3] and "ANTHROPIC_API_KEY" in lines[3] and SECRET not in words


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("providers.openai.base_ur", "providers.openai.base_url"),
        ("OPENAI_BASEURL", "OPENAI_BASE_URL"),
        ("MAESTRO_LOGLEVEL", "MAESTRO_LOG_LEVEL"),
        ("segment_retention_day", "context.segment_retention_days"),
    ],
)
def test_an_unknown_name_gets_the_nearest(name: str, near: str) -> None:
    with pytest.raises(CommandError, match=f"Did you mean {near}\\?"):
        explain(name)


def test_a_name_near_to_nothing() -> None:
    with pytest.raises(CommandError) as caught:
        explain("zzzzzzzzzzzz" * 40)
    assert "Did you mean" not in str(caught.value) and len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (
            f"postgres://u:{SECRET}@db:5432/n?sslmode=require&password={SECRET}",
            "postgres://***@db:5432/n?sslmode=***&password=***",
        ),
        (f"postgres://u:{SECRET[:3]}@{SECRET}/x@db/n", "postgres://***@db/n"),
        (f"redis://:{SECRET}@r:6379/0#{SECRET}", "redis://***@r:6379/0#***"),
        (f"postgres://{SECRET}:port", f"postgres://{SECRET}:port"),
        (SECRET, "***"),
    ],
    ids=["parameters", "an @ in the password", "redis", "no secret place", "no address"],
)
def test_secrets_in_the_address_of_a_database(text: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", text)
    (found,) = effective_settings().find("DATABASE_URL")
    assert found.value == wanted


def test_secrets_in_addresses_that_are_no_secrets_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTRO_PROVIDERS__OPENAI__BASE_URL", f"https://u:{SECRET}@x/v1?api_key={SECRET}&v=1")
    assert SECRET not in str(effective_settings())
    (found,) = effective_settings().find("providers.openai.base_url")
    assert found.value == "https://***@x/v1?api_key=***&v=1"
    for name in ("api_key", "Access-Token", "secret", "password", "pwd", "sig", "Authorization", "credentials"):
        assert masked_url(f"https://h/?v=1&{name}={SECRET}") == f"https://h/?v=1&{name}=***"
    assert masked_url("plain words with @ and ? in them") == "plain words with @ and ? in them"


def test_no_value_of_a_wrong_setting_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTRO_LOG_JSON", SECRET)
    monkeypatch.setenv("OPENAI_API_KEY_FILE", "/nowhere/key")
    monkeypatch.setenv("MAESTRO_EMAIL__PORT", "26")
    words, problems = explain()
    assert SECRET not in words + problems
    assert "MAESTRO_LOG_JSON" in problems and "OPENAI_API_KEY_FILE cannot be read" in problems
    assert "26" in words, "what is right is still shown"
    one, _ = explain("log_json")
    assert "problem" in one and "value" not in one


def test_settings_that_do_not_go_together_keep_what_was_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTRO_PROVIDERS__REFRESH_LEASE_S", "30")
    monkeypatch.setenv("MAESTRO_EMAIL__PORT", "26")
    found = effective_settings()
    assert found.find("providers.refresh_lease_s")[0].value == "30"
    assert found.find("email.port")[0].value == "26"
    assert ["refresh_lease_s must be at least twice" in sentence for sentence in found.problems] == [True]


def test_a_process_whose_settings_cannot_be_used() -> None:
    """Where every other command stops, this one answers."""
    surroundings = {"PATH": os.environ["PATH"], "MAESTRO_LOG_JSON": "perhaps", "MAESTRO_ENV_FILE": os.devnull}
    run = [sys.executable, "manage.py"]
    other = subprocess.run([*run, "sessions", "list"], env=surroundings, capture_output=True, text=True, cwd=conf.ROOT)
    assert other.returncode == 1 and "MAESTRO_LOG_JSON" in other.stderr
    mine = subprocess.run(
        [*run, "settings_explain", "--json"], env=surroundings, capture_output=True, text=True, cwd=conf.ROOT
    )
    assert mine.returncode == 0, mine.stderr
    answer = json.loads(mine.stdout)
    assert [each["name"] for each in answer["settings"] if each["problem"]] == ["MAESTRO_LOG_JSON"]
    wrong = subprocess.run(
        [*run, "settings_explain", "lok_json"], env=surroundings, capture_output=True, text=True, cwd=conf.ROOT
    )
    assert (wrong.returncode, wrong.stderr.strip()) == (
        1,
        "error: There is no setting 'lok_json'. Did you mean log_json?",
    )


def test_an_env_file_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTRO_ENV_FILE", "/nowhere/env")
    words, problems = explain("log_json")
    assert "from            default" in words and "/nowhere/env" in problems


def test_a_provider_that_is_installed_beside_maestro(tmp_path: Path) -> None:
    """The one of the documentation: its names and its key work, and the page of settings stays as it is."""
    page = (conf.ROOT / "docs" / "adding-a-provider.md").read_text()
    files = re.findall(r"^`acme/(\w+\.py)`\n\n```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    package = tmp_path / "maestro_acme"
    package.mkdir()
    for name, text in files:
        (package / name).write_text(text.replace("providers_app.providers.acme", "maestro_acme"))
    write_distribution(tmp_path, "maestro_acme", {"acme": "maestro_acme"})
    key = tmp_path / "key"
    key.write_text("acme-1234567890\n")
    surroundings = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(tmp_path),
        "MAESTRO_ENV_FILE": os.devnull,
        "MAESTRO_DATA_DIR": str(tmp_path / "data"),
        "ACME_BASE_URL": "https://gateway.example/v1",
        "ACME_API_KEY_FILE": str(key),
    }

    def manage(*arguments: str) -> str:
        run = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(run, env=surroundings, capture_output=True, text=True, cwd=conf.ROOT, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "https://gateway.example/v1" in manage("settings_explain", "acme_base_url")
    assert "maestro_acme.config: Config.base_url" in manage("settings_explain", "providers.acme.base_url")
    found = json.loads(manage("import_sessions", "--env", "--json"))
    assert [(login["what"], login["name"]) for login in found["logins"]] == [("create", "env_acme")]
    manage("settings_docs", "--check")
