"""The database of a test process: a copy of one that was migrated once per run, and emptied quickly after each test.

Register it with ``pytest_plugins``. It replaces the set-up of pytest-django, which migrates in every process and
recreates content types and permissions after every test that commits.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, transaction
from django.test import TransactionTestCase

from tests.environment import DATA_DIR, WORKER
from tests.processes import manage, migrated

WRITTEN_BY_MIGRATIONS = {"django_content_type", "auth_permission"}


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment: None, django_db_blocker: Any) -> Iterator[None]:
    """A database of this process; it ends with the data folder, or with the server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: emptied())
        with django_db_blocker.unblock():
            name = _postgres() if connection.vendor == "postgresql" else _sqlite()
            connection.close()
            settings.DATABASES[DEFAULT_DB_ALIAS]["NAME"] = connection.settings_dict["NAME"] = name
        yield
        with django_db_blocker.unblock():
            connection.close()


def _sqlite() -> str:
    return str(shutil.copy(migrated(), DATA_DIR / "test.sqlite3"))


def _postgres() -> str:
    server = os.environ["TEST_POSTGRES"].rpartition("/")[0]
    folder = Path(os.environ["TEST_SHARED"]) / f"postgres-{server.rpartition(':')[2]}"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock, connection.cursor() as cursor:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            cursor.execute("CREATE DATABASE migrated")
            done = manage(folder, "migrate", "-v", "0", DATABASE_URL=f"{server}/migrated")
            assert done.returncode == 0, done.stderr
            (folder / "done").touch()
        cursor.execute(f"CREATE DATABASE test_{WORKER} TEMPLATE migrated")
    return f"test_{WORKER}"


@cache
def _tables() -> dict[str, str]:
    """The tables in which tests leave rows: name and quoted name."""
    found = set(connection.introspection.django_table_names(only_existing=True, include_views=False))
    return {name: connection.ops.quote_name(name) for name in sorted(found - WRITTEN_BY_MIGRATIONS)}


def emptied() -> None:
    """Delete the rows that a test left; what the migrations wrote stays."""
    tables = _tables()
    filled = " UNION ALL ".join(
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {quoted})" for name, quoted in tables.items()
    )
    with transaction.atomic(), connection.cursor() as cursor:  # the keys of other tables are checked at its end
        cursor.execute(filled)
        for (name,) in cursor.fetchall():
            cursor.execute(f"DELETE FROM {tables[name]}")
