"""Take an import back: its sealed backup, the undo, and the end of the time in which that can be done."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from providers_app.errors import InvalidRequest
from sessions_app import credentials
from sessions_app.models import AuthSession, ImportRun, Pk, SessionEvent
from sessions_app.services import trail

BATCH = 500
_READERS: dict[str, Callable[[str], Any]] = {
    "DateTimeField": parse_datetime, "BinaryField": bytes.fromhex, "UUIDField": UUID,
}  # fmt: skip


def frozen(rows: Iterable[AuthSession]) -> list[dict[str, Any]]:
    """Return every column of the rows as JSON, sealed bytes in hexadecimal."""
    return [
        {column.attname: _plain(getattr(row, column.attname)) for column in row._meta.concrete_fields} for row in rows
    ]


def roll_back(run: ImportRun, *, force: bool = False, actor_id: Pk | None = None) -> tuple[int, int]:
    """Destroy the sessions that an import made and restore those it replaced, byte for byte; return how many of each.

    Raises ``InvalidRequest`` when it was taken back before, or when a session was used for a new login since then and
    ``force`` is not given.
    """
    if run.rolled_back_at is not None:
        raise InvalidRequest("This import was taken back already.")
    if not run.key_id:
        raise InvalidRequest("The backup of this import was destroyed, because it is too old to be taken back.")
    backup = json.loads(credentials.open_backup(run))
    created = [UUID(pk) for pk in backup["created"]]
    restored = [_thawed(row) for row in backup["replaced"]]
    imported = {UUID(pk): generation for pk, generation in backup["generations"].items()}
    with transaction.atomic():
        # Held until they are gone: a refresh that ends now must not be destroyed unseen.
        now = AuthSession.objects.select_for_update().only("name", "generation").in_bulk(list(imported))
        moved_on = sorted(row.name for pk, row in now.items() if row.generation != imported[pk])
        if not force and (names := moved_on[:5]):
            raise InvalidRequest(
                f"These sessions have another login since the import: {', '.join(names)}.",
                hint="Take it back all the same with --force; those logins are lost.",
            )
        done = ImportRun.objects.filter(pk=run.pk, rolled_back_at__isnull=True).update(rolled_back_at=timezone.now())
        if not done:
            raise InvalidRequest("This import was taken back already.")
        rows = list(AuthSession.objects.defer("sealed_credential").in_bulk(created).values())
        events = [trail.line(row, trail.DESTROYED, "import taken back", actor_id=actor_id) for row in rows]
        SessionEvent.objects.bulk_create(events, batch_size=BATCH)
        for start in range(0, len(created), BATCH):
            gone = AuthSession.objects.filter(pk__in=created[start : start + BATCH])
            gone.update(**credentials.DESTROYED)
            gone.delete()
        for row in restored:
            row.save(force_update=True)
    return len(rows), len(restored)


def prune_backups() -> int:
    """Destroy the backups of imports whose undo time is over; return how many."""
    oldest = timezone.now() - timedelta(days=settings.MAESTRO.sessions.import_backups_kept_days)
    return ImportRun.objects.filter(created_at__lt=oldest).exclude(key_id="").update(**credentials.BACKUP_DESTROYED)


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case bytes() | memoryview():
            return bytes(value).hex()
        case UUID():
            return str(value)
        case _:
            return value


def _thawed(values: dict[str, Any]) -> AuthSession:
    """Return the row that ``frozen`` was given, unsaved. A backup that is older than a column has its default."""
    row = AuthSession()
    kinds = {column.attname: column.get_internal_type() for column in row._meta.concrete_fields}
    for name in kinds.keys() & values.keys():
        read = _READERS.get(kinds[name]) if values[name] is not None else None
        setattr(row, name, read(values[name]) if read else values[name])
    return row
