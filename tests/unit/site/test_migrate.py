"""``manage.py migrate`` beside another one: the second waits, and finds nothing left to do."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from maestro_site import datadir
from maestro_site.management.commands import migrate
from tests.processes import ROOT, environment

pytestmark = [pytest.mark.both, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def postgres_url() -> str:
    if connection.vendor != "postgresql":
        pytest.skip("a lock of Postgres")
    found = connection.settings_dict
    return f"postgres://{found['USER']}@{found['HOST']}:{found['PORT']}/{found['NAME']}"


def test_a_second_migrate_waits_for_the_first(postgres_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as first:
        first.execute("SELECT pg_advisory_lock(%s)", [migrate.LOCK])
        second = subprocess.Popen(
            [sys.executable, "manage.py", "migrate"],
            cwd=ROOT,
            env=environment(settings.DATA_DIR, DATABASE_URL=postgres_url),
            stdout=subprocess.PIPE,
            text=True,
        )
        assert second.stdout is not None
        assert second.stdout.readline() == "Waiting for another migration of this database to end.\n"
        assert second.poll() is None
        first.execute("SELECT pg_advisory_unlock(%s)", [migrate.LOCK])
        told, _ = second.communicate(timeout=120)
        assert second.returncode == 0 and "No migrations to apply" in told


def test_the_lock_is_free_again_after_a_failure(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("a migration that cannot be applied")

    monkeypatch.setattr("django.core.management.commands.migrate.Command.handle", broken)
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot be applied"):
            call_command("migrate", verbosity=0)
    with psycopg.connect(postgres_url, autocommit=True) as other:
        row = other.execute("SELECT pg_try_advisory_lock(%s)", [migrate.LOCK]).fetchone()
        assert row == (True,)


def test_a_file_is_the_lock_of_sqlite(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("a lock of SQLite")
    settings.DATA_DIR = tmp_path
    reached, second = threading.Event(), None

    def handle(*_: Any, **__: Any) -> None:
        reached.set()

    monkeypatch.setattr("django.core.management.commands.migrate.Command.handle", handle)
    with datadir.locked(tmp_path / "migrate.lock"):
        second = threading.Thread(target=call_command, args=("migrate",), kwargs={"verbosity": 0})
        second.start()
        assert not reached.wait(0.1)
    second.join(60)
    assert reached.is_set()
