"""``manage.py migrate``: Django's own, one at a time. Of two at once, one would fail over what the other has done."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.commands import migrate
from django.db import connections

from maestro_site import datadir

LOCK = 0x6D616573  # any number that nothing else in this database takes as an advisory lock
POLL_S = 0.5


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> str | None:
        """Migrate, once no other process does."""
        connection = connections[options["database"]]
        with (
            self._locked_in_postgres(connection)
            if connection.vendor == "postgresql"
            else datadir.locked(settings.DATA_DIR / "migrate.lock")
        ):
            return super().handle(*args, **options)

    @contextmanager
    def _locked_in_postgres(self, connection: Any) -> Iterator[None]:
        """Hold a lock of this connection.

        It is asked for again and again: a statement that waits would hold a snapshot, for which an index that the other
        process builds concurrently would wait in turn.
        """
        waiting = False
        with connection.cursor() as cursor:
            while True:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
                if cursor.fetchone()[0]:
                    break
                if not waiting:
                    self.stdout.write("Waiting for another migration of this database to end.")
                    self.stdout.flush()
                    waiting = True
                time.sleep(POLL_S)
        try:
            yield
        finally:
            # A connection that was lost has lost its lock.
            if connection.connection is not None and not connection.connection.closed:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [LOCK])
