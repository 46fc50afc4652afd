"""Keys in the environment: nobody's login until somebody stores them, under the names that other programs use."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from maestro_site import conf as site_conf
from providers_app import conf, environment_keys
from providers_app.errors import InvalidCredential, UnknownProvider
from sessions_app.import_sources import formats
from sessions_app.models import AuthSession
from sessions_app.providers import slugs
from tests.unit.sessions.commands import Run
from tests.unit.sessions.test_import_sources import key_file

pytestmark = pytest.mark.django_db
OPENAI, GEMINI = "sk-proj-" + "o" * 30, "AIza" + "g" * 35


@pytest.fixture
def held() -> Iterator[None]:
    """An installation that is started with two keys in its environment."""
    with conf.use(site_conf.load({"OPENAI_API_KEY": OPENAI, "GOOGLE_API_KEY": GEMINI}).providers):
        yield


@pytest.fixture
def none_held() -> Iterator[None]:
    with conf.use(site_conf.load({}).providers):
        yield


def test_a_key_in_the_environment_goes_to_the_address_beside_it(alice: User, run: Run) -> None:
    address = "https://proxy.example/v1"
    with conf.use(site_conf.load({"OPENAI_API_KEY": OPENAI, "OPENAI_BASE_URL": address}).providers):
        code, out, _ = run("import_sessions", "--env")
    row = AuthSession.objects.get()
    assert (code, row.provider, row.name, row.base_url) == (0, "remote", "env_openai", address)
    assert f"Used at {address} only." in out
    private = "http://127.0.0.1:27411/ok/v1"
    with conf.use(site_conf.load({"OPENAI_API_KEY": OPENAI, "OPENAI_BASE_URL": private}).providers):
        code, out, _ = run("import_sessions", "--env")
    assert code == 1 and "127.0.0.1" in out and AuthSession.objects.count() == 1


def test_the_command_stores_each_as_a_session_once(alice: User, run: Run, held: None) -> None:
    code, out, _ = run("import_sessions", "--env", "--dry-run")
    assert code == 0 and "2 would be created" in out and not AuthSession.objects.exists()
    code, out, _ = run("import_sessions", "--env", "--json")
    assert code == 0 and OPENAI not in out and GEMINI not in out
    stored = {(row.owner, row.provider, row.auth_type, row.name) for row in AuthSession.objects.all()}
    assert stored == {(alice, "openai", "api_key", "env_openai"), (alice, "gemini", "api_key", "env_gemini")}
    assert {line["where"] for line in json.loads(out)["logins"]} == {
        "the setting MAESTRO_PROVIDERS__OPENAI__API_KEY",
        "the setting MAESTRO_PROVIDERS__GEMINI__API_KEY",
    }
    code, out, _ = run("import_sessions", "--env")
    assert code == 0 and "2 unchanged" in out and AuthSession.objects.count() == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (json.dumps(key_file()), ""),
        (json.dumps({**key_file(), "project_id": ""}), "It names no project."),
        (json.dumps({"type": "external_account"}), "Or: "),
        ("{", "It is no JSON."),
        (None, "It cannot be read: No such file"),
    ],
    ids=["service account", "without project", "another kind", "no JSON", "missing"],
)
def test_a_file_that_the_settings_name(content: str | None, words: str, tmp_path: Path, alice: User, run: Run) -> None:
    path = tmp_path / "credentials.json"
    if content is not None:
        path.write_text(content)
    with conf.use(site_conf.load({"GOOGLE_APPLICATION_CREDENTIALS": str(path)}).providers):
        code, out, _ = run("import_sessions", "--env", "--json", "--dry-run")
    (login,) = json.loads(out)["logins"]
    assert login["where"] == "the file of MAESTRO_PROVIDERS__VERTEX_AI__CREDENTIALS_FILE"
    if words:
        assert code == 1 and login["what"] == "refused" and words in login["why"]
    else:
        assert (code, login["what"], login["provider"], login["auth_type"]) == (0, "create", "vertex_ai", "oauth")


def test_nothing_to_import(alice: User, run: Run, none_held: None) -> None:
    code, _, err = run("import_sessions", "--env")
    assert code == 1 and "OPENAI_API_KEY" in err and "GOOGLE_APPLICATION_CREDENTIALS" in err and "_FILE" in err
    code, _, err = run("import_sessions", "--env", "keys.json")
    assert code == 1 and "reads no files" in err


def test_a_session_of_the_key_that_the_provider_has_in_the_environment(alice: User, run: Run, held: None) -> None:
    code, _, _ = run("sessions", "create", "gemini", "api_key", "work", "--key-env")
    assert code == 0 and AuthSession.objects.get().name == "work"
    code, _, err = run("sessions", "create", "anthropic", "api_key", "other", "--key-env")
    assert code == 1 and "ANTHROPIC_API_KEY" in err
    code, _, err = run("sessions", "create", "remote", "api_key", "third", "--key-env")
    assert code == 1 and "has no setting api_key" in err


def test_which_variable_holds_whose_key() -> None:
    names = environment_keys.slugs_by_name()
    assert names["GOOGLE_API_KEY"] == names["GEMINI_API_KEY"] == "gemini"
    assert environment_keys.names_of("openai") == ("MAESTRO_PROVIDERS__OPENAI__API_KEY", "OPENAI_API_KEY")
    with pytest.raises(UnknownProvider):
        environment_keys.key_of("opena")


def test_a_key_signs_nothing_by_itself(held: None) -> None:
    assert environment_keys.key_of("openai").reveal() == OPENAI
    assert "sk-proj" not in repr(environment_keys.found())
    with pytest.raises(InvalidCredential):
        environment_keys.key_of("anthropic")


def test_declared_names_are_also_known_in_env_files() -> None:
    found = formats.read("env", [f"MAESTRO_PROVIDERS__OPENAI__API_KEY={OPENAI}\nGOOGLE_API_KEY={GEMINI}"], slugs())
    assert [(login.provider, login.problem) for login in found] == [("openai", ""), ("gemini", "")]


def test_the_page_offers_them_to_those_who_look_after_the_installation(client: Client, held: None) -> None:
    address, label = reverse("sessions:import"), formats.IN_SETTINGS.replace("'", "&#x27;")
    client.force_login(User.objects.create_user("visitor"))
    assert label not in client.get(address).content.decode()
    refused = client.post(address, {"kind": formats.SETTINGS})
    assert refused.status_code == 422 and not AuthSession.objects.exists()
    client.force_login(User.objects.create_superuser("keeper"))
    page = client.get(address).content.decode()
    assert f"{label}: gemini, openai" in page and OPENAI not in page
    assert client.post(address, {"kind": formats.SETTINGS, "text": "OPENAI_API_KEY=x"}).status_code == 422
    done = client.post(address, {"kind": formats.SETTINGS}).content.decode()
    assert "2 imported" in done and OPENAI not in done
    assert {row.owner.username for row in AuthSession.objects.all()} == {"keeper"}


def test_without_keys_the_page_offers_nothing(client: Client, none_held: None) -> None:
    client.force_login(User.objects.create_superuser("keeper"))
    assert (
        formats.SETTINGS not in client.get(reverse("sessions:import")).content.decode().split('name="kind"')[1][:2000]
    )
