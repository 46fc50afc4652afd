"""Which variable a setting is read from: other programs' names, files, the .env file; what is stronger than what."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, SecretStr

from maestro_site import conf, environment
from maestro_site.effective_settings import effective_settings
from maestro_site.environment import Setting, walk
from providers_app.setting_types import KEEPS_EMPTY, Env
from tests.environment import FOREIGN


class Inner(BaseModel, frozen=True):
    level: Annotated[int, Env("OTHER_LEVEL")] = Field(default=1, ge=0, description="A level.")
    labels: dict[str, str] = Field(default={}, description="Labels.")
    sizes: list[int] = Field(default=[], description="Sizes.")


class Optional(BaseModel, frozen=True):
    level: int = Field(default=1, description="A level.")


class Tree(BaseModel, frozen=True):
    token: Annotated[SecretStr, Env("A_TOKEN", "B_TOKEN")] = Field(default=SecretStr(""), description="A token.")
    title: Annotated[str, KEEPS_EMPTY, Env("OTHER_TITLE")] = Field(default="Title", description="Empty sends none.")
    inner: Inner = Field(default=Inner(), description="A group.")
    maybe: Optional | None = Field(default=None, description="A group that may be missing.")


SETTINGS = tuple(walk(Tree))


def read(**variables: str) -> environment.Reading:
    return environment.read(SETTINGS, environment.Environment(variables))


def setting(name: str) -> Setting:
    return next(each for each in SETTINGS if each.name == name)


def test_the_order_is_own_name_then_other_names() -> None:
    names = {"MAESTRO_TOKEN": "own", "A_TOKEN": "a", "B_TOKEN": "b"}
    assert setting("MAESTRO_TOKEN").names[::2] == tuple(names)
    for name in list(names):
        reading = read(**names)
        assert reading.values["token"].get_secret_value() == names[name]
        assert reading.used["token",].variable == name
        assert [each.variable for each in reading.shadowed.get(("token",), ())] == list(names)[1:]
        del names[name]
    assert read() == environment.Reading({}, {}, {}, {})


def test_an_empty_variable_is_none_except_where_empty_says_something() -> None:
    assert read(MAESTRO_TOKEN="", A_TOKEN=" ", B_TOKEN="b").used["token",].variable == "B_TOKEN"
    assert read(MAESTRO_INNER__LEVEL="", OTHER_LEVEL="4").values == {"inner": {"level": "4"}}
    assert read(MAESTRO_TITLE="").values == {"title": ""}
    assert read(OTHER_TITLE="").values == {}


def test_every_name_of_a_secret_may_name_a_file(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("\ufefffrom a file\n\n")
    for name in ("MAESTRO_TOKEN", "A_TOKEN", "B_TOKEN"):
        reading = read(**{f"{name}_FILE": str(file)})
        assert reading.values["token"].get_secret_value() == "from a file"
        assert reading.used["token",].variable == f"{name}_FILE"
    assert read(A_TOKEN_FILE=str(file), B_TOKEN="b").used["token",].variable == "A_TOKEN_FILE"
    both = read(A_TOKEN="value", A_TOKEN_FILE=str(file))
    assert both.values["token"].get_secret_value() == "value", "the value itself is stronger than the file"
    assert [each.variable for each in both.shadowed["token",]] == ["A_TOKEN_FILE"]
    assert read(MAESTRO_TITLE_FILE=str(file)).used == {}, "only secrets may"


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "binary", "large"])
def test_a_file_that_cannot_be_used_is_named(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes({"empty": b"\n", "binary": b"\xff\xfe\x00", "large": b"x" * 1_100_000}[kind])
    problem = read(B_TOKEN_FILE=str(path)).problems["token",]
    assert problem.startswith("B_TOKEN_FILE ") and str(path) in problem
    assert read(A_TOKEN="a", B_TOKEN_FILE=str(path)).problems == {}, "a file that is not used does no harm"


def test_the_environment_is_stronger_than_the_file_and_our_name_anywhere_than_another(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("MAESTRO_TITLE='of the # file'\nexport OTHER_LEVEL=7 # why\nMAESTRO_TOKEN=$HOME\nA_TOKEN\n")
    found = environment.Environment({"MAESTRO_TITLE": "of the process", "A_TOKEN": "a"}, path)
    reading = environment.read(SETTINGS, found)
    assert reading.values["title"] == "of the process"
    assert [each.place for each in reading.shadowed["title",]] == ["MAESTRO_TITLE in .env"]
    assert reading.values["inner"] == {"level": "7"}
    assert reading.values["token"].get_secret_value() == "$HOME", "nothing is expanded"
    assert [each.place for each in reading.shadowed["token",]] == ["A_TOKEN"]


def test_a_named_env_file_that_is_missing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTRO_ENV_FILE", "/nowhere/env")
    with pytest.raises(conf.ConfigError, match="/nowhere/env"):
        conf.load()


def test_objects_may_be_written_in_json_and_lists_with_commas() -> None:
    reading = read(OTHER_LEVEL="3", MAESTRO_INNER__LABELS='{"a": "b"}', MAESTRO_INNER__SIZES="1, 2")
    tree = Tree.model_validate(reading.values)
    assert (tree.inner.level, tree.inner.labels, tree.inner.sizes) == (3, {"a": "b"}, [1, 2])
    assert {found.kind for found in reading.used.values()} == {"alias", "own"}


def test_lists_may_be_written_in_json_and_our_names_in_small_letters() -> None:
    reading = read(maestro_inner__sizes="[3, 4]", other_level="9", MAESTRO_MAYBE__LEVEL="2")
    tree = Tree.model_validate(reading.values)
    assert tree.inner.sizes == [3, 4]
    assert tree.inner.level == 1, "other programs' names keep their spelling"
    assert tree.maybe is not None and tree.maybe.level == 2


def test_what_the_tree_holds_can_be_read_without_doubt() -> None:
    settings = conf.settings_list()
    paths = [each.name for each in settings]
    assert len(set(paths)) == len(paths)
    files = {f"{name}_FILE" for each in settings if each.secret for name in (each.name, *each.aliases)}
    assert not files & set(paths), "the file of a secret has the name of another setting"
    foreign = [name for each in settings for name in each.aliases]
    assert all(name.startswith(FOREIGN) for name in foreign), (
        "tests must not see a developer's own: tests/environment.py"
    )
    assert not any(name.startswith("MAESTRO_") for name in foreign)


def test_a_text_whose_help_speaks_of_empty_can_be_emptied() -> None:
    """Where a default stands and the help says what an empty value does, the field is marked."""
    for each in conf.settings_list():
        if isinstance(each.default, str) and each.default and re.search(r"\bempty(:| sends)", each.help):
            assert each.keeps_empty, f"{each.name} says what empty does, but an empty variable is not read"


@pytest.mark.parametrize(
    ("variable", "path"),
    [
        ("OPENAI_BASE_URL", "openai.base_url"),
        ("OPENAI_ORG_ID", "openai.organization"),
        ("OPENAI_PROJECT_ID", "openai.project"),
        ("ANTHROPIC_BASE_URL", "anthropic.base_url"),
        ("GOOGLE_GEMINI_BASE_URL", "gemini.base_url"),
        ("AZURE_OPENAI_ENDPOINT", "azure_openai.base_url"),
        ("GOOGLE_CLOUD_PROJECT", "vertex_ai.project"),
    ],
)
def test_names_of_other_programs(variable: str, path: str) -> None:
    text = "my-project" if variable == "GOOGLE_CLOUD_PROJECT" else "https://gateway.example"
    value: Any = conf.load({variable: text}).providers
    for part in path.split("."):
        value = getattr(value, part)
    assert value == text


@pytest.mark.parametrize(
    ("variable", "slug"),
    [
        ("OPENAI_API_KEY", "openai"),
        ("ANTHROPIC_API_KEY", "anthropic"),
        ("GEMINI_API_KEY", "gemini"),
        ("GOOGLE_API_KEY", "gemini"),
        ("OPENROUTER_API_KEY", "openrouter"),
        ("AZURE_OPENAI_API_KEY", "azure_openai"),
    ],
)
def test_keys_under_the_names_of_other_programs(variable: str, slug: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("sk-of-a-file-123\n")
    for environ, wanted in (
        ({variable: "sk-plain-123456"}, "sk-plain-123456"),
        ({f"{variable}_FILE": str(file)}, "sk-of-a-file-123"),
    ):
        loaded = conf.load(environ)
        assert getattr(loaded.providers, slug).api_key.get_secret_value() == wanted
        assert wanted not in repr(loaded) and wanted not in str(loaded.model_dump())


def test_versions_and_places_of_azure_and_google() -> None:
    loaded: Any = conf.load({"OPENAI_API_VERSION": "2024-10-21", "GOOGLE_CLOUD_LOCATION": "europe-west4"}).providers
    assert loaded.azure_openai.api_version == "2024-10-21"
    assert loaded.vertex_ai.location == "europe-west4"
    with pytest.raises(conf.ConfigError) as caught:
        conf.load({"GOOGLE_CLOUD_LOCATION": "evil.example/"})
    assert str(caught.value).startswith("GOOGLE_CLOUD_LOCATION: ") and "evil" not in str(caught.value)
    assert "MAESTRO_PROVIDERS__VERTEX_AI__LOCATION would be used instead" in str(caught.value)


def test_a_wrong_value_of_another_program_is_named_with_the_setting_that_overrules_it() -> None:
    with pytest.raises(conf.ConfigError) as caught:
        conf.load({"GOOGLE_API_KEY_FILE": "/nowhere/key"})
    assert "GOOGLE_API_KEY_FILE" in str(caught.value) and "/nowhere/key" in str(caught.value)


def test_the_env_file_reaches_a_process(tmp_path: Path) -> None:
    """Through manage.py, where a typing error in the file stops `up` as one in the environment does."""
    (tmp_path / "settings.env").write_text(f"MAESTRO_DATA_DIR={tmp_path / 'data'}\nMAESTRO_LOG_LEVEL=debug\n")
    surroundings = {"MAESTRO_ENV_FILE": str(tmp_path / "settings.env"), "PATH": os.environ["PATH"]}
    command = [sys.executable, "manage.py", "settings_explain", "log_level"]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, cwd=conf.ROOT)
    assert "MAESTRO_LOG_LEVEL in settings.env" in done.stdout, done.stderr
    (tmp_path / "settings.env").write_text("MAESTRO_DATADIR=x\n")
    command[2:] = ["up"]
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, cwd=conf.ROOT)
    assert done.returncode == 1
    assert done.stderr.strip() == "error: MAESTRO_DATADIR is not a setting; did you mean MAESTRO_DATA_DIR?"


def test_patterns_of_settings_hold_for_the_whole_text() -> None:
    """Pydantic looks for a pattern anywhere in the text."""
    for each in conf.settings_list():
        for mark in each.info.metadata:
            if pattern := getattr(mark, "pattern", None):
                assert (pattern[0], pattern[-1]) == ("^", "$"), f"{each.name}: {pattern}"


def test_the_gateway_in_front_keeps_its_earlier_name() -> None:
    environ = {
        "GENAI_PLATFORM_ENABLED": "true",
        "GENAI_PLATFORM_BASE_URL": "https://genai.example/api",
        "MAESTRO_GENAI_PLATFORM__BASE_URL": "https://ours.example/api",
        "MAESTRO_GENAI_PLATFORM__SECRET_HEADERS": "X-Subscription: s-e-c-r-e-t",
    }
    loaded = conf.load(environ).genai_platform
    assert (loaded.enabled, loaded.base_url) == (True, "https://ours.example/api")
    assert conf.unknown_variables(environ) == [], "what is not ours stops nothing"
    shown = effective_settings(environ)
    assert "s-e-c-r-e-t" not in str(shown)
    (found,) = shown.find("genai_platform_enabled")
    assert (found.name, found.source.name) == ("MAESTRO_GENAI_PLATFORM__ENABLED", "alias")
    ours = {**environ, "MAESTRO_GENAI_PLATFORM__ENABLED": "false"}
    assert not conf.load(ours).genai_platform.enabled, "ours is the stronger one"
    assert effective_settings(ours).find("genai_platform.enabled")[0].shadows[0].name == "alias"
    del environ["MAESTRO_GENAI_PLATFORM__BASE_URL"]
    with pytest.raises(conf.ConfigError, match="MAESTRO_GENAI_PLATFORM__BASE_URL"):
        conf.load(environ)
