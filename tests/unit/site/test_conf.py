"""The settings tree: names, files, errors without values, and the database it chooses."""

from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from pydantic import ValidationError

from maestro_site import apps, conf, datadir
from maestro_site.environment import ConfigError
from providers_app import conf as providers_conf


def test_comma_lists_nested_names_and_secret_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tmp_path / "secret"
    secret.write_text("from-a-file\n")
    monkeypatch.setenv("MAESTRO_SECRET_KEY_FILE", str(secret))
    monkeypatch.setenv("MAESTRO_ALLOWED_HOSTS", "a.example, b.example")
    monkeypatch.setenv("MAESTRO_PROVIDERS__ALLOWED_PRIVATE_HOSTS", "127.0.0.1:11434,10.0.0.0/8")
    monkeypatch.setenv("MAESTRO_PROVIDERS__ANTHROPIC__BASE_URL", "https://gateway.example")
    loaded = conf.load()
    assert loaded.secret_key is not None and loaded.secret_key.get_secret_value() == "from-a-file"
    assert loaded.allowed_hosts == ["a.example", "b.example"]
    assert loaded.providers.allowed_private_hosts == ("127.0.0.1:11434", "10.0.0.0/8")
    assert loaded.providers.anthropic.base_url == "https://gateway.example"  # type: ignore[attr-defined]
    assert "from-a-file" not in repr(loaded)


def test_the_mail_servers_password_may_come_from_a_file_beside_the_other_mail_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("mail-password\n")
    monkeypatch.setenv("MAESTRO_EMAIL__PASSWORD_FILE", str(secret))
    monkeypatch.setenv("MAESTRO_EMAIL__HOST", "mail.example")
    monkeypatch.setenv("MAESTRO_EMAIL__TLS", "tls")
    email = conf.load().email
    assert (email.host, email.tls, email.password.get_secret_value()) == ("mail.example", "tls", "mail-password")
    assert "mail-password" not in repr(conf.load())
    names = {"MAESTRO_EMAIL__PASSWORD_FILE": "x", "MAESTRO_EMAIL__HOST": "y", "MAESTRO_EMAIL__HOSTS": "z"}
    assert conf.unknown_variables(names) == ["MAESTRO_EMAIL__HOSTS is not a setting; did you mean MAESTRO_EMAIL__HOST?"]


def test_a_wrong_value_is_named_but_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTRO_PROVIDERS__IDLE_TIMEOUT_S", "hunter2")
    with pytest.raises(conf.ConfigError) as caught:
        conf.load()
    assert "MAESTRO_PROVIDERS__IDLE_TIMEOUT_S" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_missing_secret_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAESTRO_ENCRYPTION_KEYS_FILE", "/nowhere/keys")
    with pytest.raises(conf.ConfigError, match="MAESTRO_ENCRYPTION_KEYS_FILE"):
        conf.load()


def test_unknown_variables_get_the_nearest_name() -> None:
    sentences = conf.unknown_variables({"MAESTRO_LOGLEVEL": "x", "MAESTRO_DATA_DIR": "y", "HOME": "/"})
    assert sentences == ["MAESTRO_LOGLEVEL is not a setting; did you mean MAESTRO_LOG_LEVEL?"]


def test_every_setting_has_a_sentence_of_help() -> None:
    def walk(model: type) -> None:
        for name, field in model.model_fields.items():  # type: ignore[attr-defined]
            assert field.description, f"{model.__name__}.{name} has no description"
            if hasattr(field.annotation, "model_fields"):
                walk(field.annotation)

    walk(conf.MaestroSettings)


def test_postgres_by_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://u:p%40ss@db.example:5433/maestro?sslmode=require")
    chosen = conf.database(conf.load())
    assert chosen["ENGINE"].endswith("postgresql")
    assert (chosen["USER"], chosen["PASSWORD"], chosen["HOST"], chosen["PORT"]) == ("u", "p@ss", "db.example", "5433")
    assert chosen["NAME"] == "maestro" and chosen["OPTIONS"]["sslmode"] == "require"


def test_another_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://x/y")
    with pytest.raises(conf.ConfigError, match="postgres://"):
        conf.database(conf.load())


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://somewhere", "begin with redis://"),
        ("redis://host:port/0", "malformed"),
        ("redis:///0", "malformed"),
        ("redis://host:6379/first", "number of a database"),
    ],
)
def test_an_address_of_redis_that_can_never_work_is_refused(address: str, why: str) -> None:
    with pytest.raises(ConfigError, match=f"^REDIS_URL .*{why}"):
        conf.redis_url(conf.load({"REDIS_URL": address}))


@pytest.mark.parametrize("address", ["redis://host", "rediss://user:secret@host:6380/2", "redis://[::1]:6379/"])
def test_an_address_of_redis_is_taken_as_it_is(address: str) -> None:
    assert conf.redis_url(conf.load({"REDIS_URL": address})) == address


def test_sqlite_waits_for_writers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert conf.database(conf.load())["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_a_file_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert datadir.read_or_create(path, "first") == "first"
    assert datadir.read_or_create(path, "second") == "first"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["key"], "no temporary file stays"


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("")
    with pytest.raises(datadir.DataDirError, match="empty"):
        datadir.read_or_create(path, "new")


def test_checks_name_variables_that_nothing_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert apps.check_settings() == []
    monkeypatch.setenv("MAESTRO_LOGLEVEL", "debug")
    (found,) = apps.check_settings()
    assert (found.id, found.msg) == ("maestro_site.W002", conf.unknown_variables()[0])


def test_the_check_of_settings_is_one_of_djangos(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAESTRO_LOGLEVEL", "debug")
    call_command("check", tags=["settings"])
    assert "maestro_site.W002" in capsys.readouterr().err


def test_settings_stay_as_they_were_read_and_model_data_lies_in_the_data_folder() -> None:
    read = conf.load({})
    with pytest.raises(ValidationError):
        read.debug = True
    assert providers_conf.current().model_data_dir == str(settings.DATA_DIR / "models")


def test_a_gateway_that_is_enabled_names_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "MAESTRO_GENAI_PLATFORM__ENABLED": "true",
        "MAESTRO_GENAI_PLATFORM__TOKEN_SOURCE": "client_credentials",
        "MAESTRO_GENAI_PLATFORM__CLIENT_ID": "maestro",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(conf.ConfigError) as caught:
        conf.load()
    said = str(caught.value)
    assert "MAESTRO_GENAI_PLATFORM__BASE_URL" in said and "MAESTRO_GENAI_PLATFORM__CLIENT_SECRET" in said
    assert "MAESTRO_GENAI_PLATFORM__CLIENT_ID" not in said


def test_a_gateway_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "MAESTRO_GENAI_PLATFORM__ENABLED": "true",
        "MAESTRO_GENAI_PLATFORM__BASE_URL": "http://genai.internal:8080",
        "MAESTRO_GENAI_PLATFORM__PROVIDERS": "openai, gemini",
        "MAESTRO_GENAI_PLATFORM__HEADERS": "X-User: {user.id}; X-Env: test",
        "MAESTRO_GENAI_PLATFORM__SECRET_HEADERS": "X-Key: hidden-value",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    found = conf.load().genai_platform
    assert (found.providers, found.headers) == (("openai", "gemini"), {"X-User": "{user.id}", "X-Env": "test"})
    assert found.secret_headers["X-Key"].get_secret_value() == "hidden-value"
    assert "hidden-value" not in repr(found)
