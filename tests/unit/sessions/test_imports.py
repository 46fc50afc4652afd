"""Storing what was read: planned, in one transaction, twice without a change, and taken back byte for byte."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from providers_app.errors import InvalidRequest
from providers_app.types.credentials import Secret
from sessions_app import credentials
from sessions_app.import_sources import formats
from sessions_app.models import AuthSession, ImportRun, RefreshLane, SessionEvent
from sessions_app.providers import slugs
from sessions_app.services import connect, imports, lifecycle
from tests.unit.sessions.commands import Run
from tests.unit.sessions.support import make
from tests.unit.sessions.test_import_sources import ADC, key_file

pytestmark = pytest.mark.django_db
USERS = 250
KINDS = (("openai", "api_key"), ("anthropic", "api_key"), ("gemini", "api_key"), ("gemini", "oauth"))


def export(users: int = USERS) -> str:
    """The earlier product's table: for each person one row per provider and auth type."""
    rows = []
    for user in range(users):
        for provider, kind in KINDS:
            row: dict[str, Any] = {
                "id": len(rows) + 1,
                "username": f"user{user}",
                "provider": provider,
                "auth_type": kind,
            }
            if kind == "api_key":
                row["api_key"] = f"sk-{provider}-{user}-" + "x" * 20
            else:
                row |= {
                    "access_token": f"ya29.{user}",
                    "refresh_token": f"1//refresh-{user}",
                    "expires_at": 4_000_000_000,
                    "client_id": "c",
                    "client_secret": "s",
                    "account_id": f"g{user}",
                }
            rows.append(row)
    return json.dumps({"saved_authentications": rows})


def table() -> list[tuple[Any, ...]]:
    """Every byte of every session."""
    columns = ", ".join(connection.ops.quote_name(field.column) for field in AuthSession._meta.concrete_fields)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {AuthSession._meta.db_table} ORDER BY id")
        return [
            tuple(bytes(value) if isinstance(value, memoryview) else value for value in row)
            for row in cursor.fetchall()
        ]


def plan(owner: User, text: str, **options: Any) -> imports.Plan:
    logins = formats.read(formats.LEGACY, [text], slugs())
    return imports.plan(owner.pk, formats.LEGACY, logins, source="export.json", **options)


@pytest.fixture
def people(db: Any) -> list[User]:
    return User.objects.bulk_create([User(username=f"user{number}") for number in range(USERS)])


def test_a_thousand_rows_in_and_out_and_back(alice: User, people: list[User]) -> None:
    make(alice, "her_own")
    before, text = table(), export()
    run = imports.carry_out(plan(alice, text), actor_id=alice.pk)
    assert run is not None and (run.rows, run.created) == (1000, 1000)
    assert AuthSession.objects.count() == 1001
    for user in (people[0], people[249]):
        found = {(row.provider, row.auth_type): row for row in AuthSession.objects.filter(owner=user)}
        assert {row.name for row in found.values()} == {f"default_{provider}_{kind}" for provider, kind in KINDS}
        number = user.username.removeprefix("user")
        key = credentials.open_credential(found["openai", "api_key"]).secret
        assert key == Secret(f"sk-openai-{number}-" + "x" * 20)
        tokens = credentials.open_tokens(found["gemini", "oauth"])
        assert tokens is not None and tokens.refresh == Secret(f"1//refresh-{number}")
        assert found["gemini", "oauth"].next_refresh_at is not None
    after = table()
    again = plan(alice, text)
    assert {line.what for line in again.lines} == {"unchanged"}
    assert imports.carry_out(again) is None and table() == after
    assert imports.roll_back(run, actor_id=alice.pk) == (1000, 0)
    assert table() == before
    assert SessionEvent.objects.filter(action="imported").count() == 1000, "the trail outlives what it tells of"
    with pytest.raises(InvalidRequest, match="already"):
        imports.roll_back(run)


def test_the_backup_is_sealed_and_puts_the_very_bytes_back(alice: User) -> None:
    mine = connect.create(
        owner_id=alice.pk,
        provider="openai",
        auth_type="api_key",
        name="default_openai_api_key",
        secret=Secret("sk-" + "a" * 30),
    )
    before = table()
    row = {"provider": "openai", "auth_type": "api_key", "api_key": "sk-" + "b" * 30}
    conflict = plan(alice, json.dumps([row]))
    assert [line.what for line in conflict.lines] == ["conflict"] and imports.carry_out(conflict) is None
    run = imports.carry_out(plan(alice, json.dumps([row]), replace=True))
    assert run is not None and run.replaced == 1
    stored = AuthSession.objects.get(pk=mine.pk)
    assert credentials.open_credential(stored).secret == Secret("sk-" + "b" * 30) and stored.generation == 1
    assert b"sk-" not in bytes(run.sealed_backup)
    assert imports.roll_back(run) == (0, 1)
    assert table() == before


def test_a_login_that_moved_on_is_not_lost_by_an_undo(alice: User) -> None:
    row = {"provider": "openai", "auth_type": "api_key", "api_key": "sk-" + "b" * 30}
    run = imports.carry_out(plan(alice, json.dumps([row])))
    assert run is not None
    connect.replace_key(AuthSession.objects.get(), Secret("sk-" + "c" * 30))
    with pytest.raises(InvalidRequest, match="default_openai_api_key"):
        imports.roll_back(run)
    assert imports.roll_back(run, force=True) == (1, 0)


def test_one_bad_write_leaves_nothing(alice: User, people: list[User]) -> None:
    made = plan(alice, export(3))
    connect.create(
        owner_id=people[0].pk,
        provider="openai",
        auth_type="api_key",
        name="default_openai_api_key",
        secret=Secret("sk-" + "q" * 30),
    )
    with pytest.raises(InvalidRequest, match="nothing was stored"):
        imports.carry_out(made)
    assert AuthSession.objects.count() == 1 and not ImportRun.objects.exists()


def test_the_same_login_twice_in_one_file_is_stored_once(alice: User) -> None:
    logins = formats.read("gcloud", [json.dumps(ADC), json.dumps(ADC)], slugs())
    made = imports.plan(alice.pk, "gcloud", logins)
    assert [line.what for line in made.lines] == ["create", "unchanged"]
    imports.carry_out(made)
    again = imports.plan(alice.pk, "gcloud", formats.read("gcloud", [json.dumps(ADC)], slugs()))
    assert [line.what for line in again.lines] == ["unchanged"]


def test_names_that_are_taken_get_a_number(alice: User) -> None:
    make(alice, "env_openai", provider="openai", secret=Secret("sk-" + "z" * 30))
    logins = formats.read("env", ["OPENAI_API_KEY=sk-" + "y" * 30], slugs())
    made = imports.plan(alice.pk, "env", logins)
    assert [(line.what, line.name) for line in made.lines] == [("create", "env_openai_2")]


def test_a_deleted_session_is_no_obstacle(alice: User) -> None:
    lifecycle.trash(make(alice, "env_openai", provider="openai", secret=Secret("sk-" + "z" * 30)))
    logins = formats.read("env", ["OPENAI_API_KEY=sk-" + "z" * 30], slugs())
    assert [line.what for line in imports.plan(alice.pk, "env", logins).lines] == ["create"]


def test_the_command(alice: User, run: Run, tmp_path: Any) -> None:
    path = tmp_path / "keys.env"
    path.write_text("OPENAI_API_KEY=sk-" + "k" * 30 + "\nGEMINI_API_KEY=\n")
    code, out, _ = run("import_sessions", str(path), "--dry-run")
    assert code == 0 and "would be created" in out and not AuthSession.objects.exists()
    code, out, _ = run("import_sessions", str(path))
    assert code == 0 and "1 are created" in out and "k" * 30 not in out
    undo = out.rpartition("--undo ")[2].strip()
    code, out, _ = run("import_sessions", "--list")
    assert undo in out
    code, out, _ = run("import_sessions", "--undo", undo)
    assert code == 0 and not AuthSession.objects.exists()
    code, _, err = run("import_sessions", "--undo", undo)
    assert code == 1 and "already" in err


def test_the_command_refuses_a_table_as_a_whole_unless_told_to_skip(alice: User, run: Run, tmp_path: Any) -> None:
    path = tmp_path / "table.json"
    rows = [
        {"provider": "openai", "auth_type": "api_key", "api_key": "sk-" + "k" * 30},
        {"provider": "unheard", "auth_type": "api_key", "api_key": "x"},
    ]
    path.write_text(json.dumps(rows))
    code, out, _ = run("import_sessions", str(path), "--json")
    assert code == 1 and json.loads(out)["refused"] == 1 and not AuthSession.objects.exists()
    code, out, _ = run("import_sessions", str(path), "--skip", "--json")
    assert code == 0 and json.loads(out)["create"] == 1 and AuthSession.objects.count() == 1


@pytest.mark.parametrize("name", ["/nowhere/at/all", "/dev/null"])
def test_files_that_cannot_be_read(alice: User, run: Run, name: str) -> None:
    code, _, err = run("import_sessions", name)
    assert code == 1 and err.startswith("error")


def test_a_service_account_is_stored_due_for_its_first_token(alice: User) -> None:
    logins = formats.read("service-account", [json.dumps(key_file())], slugs())
    imports.carry_out(imports.plan(alice.pk, "service-account", logins))
    row = AuthSession.objects.get()
    assert row.auth_type == "oauth" and row.flow == "service_account" and row.next_refresh_at is not None
    assert row.account_label.startswith("robot.one@")


def test_a_login_without_an_access_token_is_not_mistaken_for_another_one(alice: User) -> None:
    first = imports.plan(alice.pk, "gcloud", formats.read("gcloud", [json.dumps(ADC)], slugs()))
    imports.carry_out(first, actor_id=alice.pk)
    second = formats.read("gcloud", [json.dumps(ADC | {"refresh_token": "1//another"})], slugs())
    assert [line.what for line in imports.plan(alice.pk, "gcloud", second).lines] == ["create"]
    robot = json.dumps(key_file())
    kept = formats.read("service-account", [robot], slugs())
    imports.carry_out(imports.plan(alice.pk, "service-account", kept), actor_id=alice.pk)
    assert [line.what for line in imports.plan(alice.pk, "service-account", kept).lines] == ["unchanged"]
    renewed = formats.read("service-account", [json.dumps(key_file())], slugs())
    lines = imports.plan(alice.pk, "service-account", renewed).lines
    assert [line.what for line in lines] == ["create"], "a new key of the same account is another login"


def test_planning_writes_nothing_at_all(alice: User) -> None:
    imports.plan(alice.pk, "gcloud", formats.read("gcloud", [json.dumps(ADC)], slugs()))
    assert not RefreshLane.objects.exists() and not AuthSession.objects.exists()


def test_old_backups_are_destroyed_and_cannot_be_taken_back(alice: User) -> None:
    row = {"provider": "openai", "auth_type": "api_key", "api_key": "sk-" + "b" * 30}
    run = imports.carry_out(plan(alice, json.dumps([row])))
    assert run is not None and imports.prune_backups() == 0
    ImportRun.objects.filter(pk=run.pk).update(created_at=timezone.now() - timedelta(days=31))
    assert imports.prune_backups() == 1
    run.refresh_from_db()
    assert not bytes(run.sealed_backup)
    with pytest.raises(InvalidRequest, match="too old"):
        imports.roll_back(run)


def test_a_login_that_changed_after_the_plan_is_not_written_over(alice: User) -> None:
    mine = make(alice, "default_openai_api_key", provider="openai", secret=Secret("sk-" + "a" * 30))
    row = {"provider": "openai", "auth_type": "api_key", "api_key": "sk-" + "b" * 30}
    made = plan(alice, json.dumps([row]), replace=True)
    connect.replace_key(mine, Secret("sk-" + "c" * 30))
    with pytest.raises(InvalidRequest, match="nothing was stored"):
        imports.carry_out(made)
    stored = AuthSession.objects.get()
    assert credentials.open_credential(stored).secret == Secret("sk-" + "c" * 30) and not ImportRun.objects.exists()


def test_a_file_of_keys_keeps_to_the_limit_of_sessions(alice: User, settings: Any) -> None:
    few = settings.MAESTRO.sessions.model_copy(update={"per_owner_limit": 1})
    settings.MAESTRO = settings.MAESTRO.model_copy(update={"sessions": few})
    text = "OPENAI_API_KEY=sk-" + "y" * 30 + "\nGEMINI_API_KEY=AIza" + "z" * 30
    with pytest.raises(InvalidRequest, match="limit"):
        imports.carry_out(imports.plan(alice.pk, "env", formats.read("env", [text], slugs())))
    assert not AuthSession.objects.exists()
