"""Taking an import back, and the end of the time in which that can be done."""

import json
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from providers_app.errors import InvalidRequest
from sessions_app import credentials
from sessions_app.models import AuthSession, ImportRun, Pk, SessionEvent
from sessions_app.services import trail
from sessions_app.services.import_backup import thawed
from sessions_app.services.importing import event

BATCH = 500


def roll_back(run: ImportRun, *, force: bool = False, actor_id: Pk | None = None) -> tuple[int, int]:
    """Take an import back: what it made is destroyed, what it replaced is put back byte for byte; how many of each.

    Raises ``InvalidRequest`` when it was taken back before, or when a session was used for a new login since then and
    ``force`` is not given.
    """
    if run.rolled_back_at is not None:
        raise InvalidRequest("This import was taken back already.")
    if not run.key_id:
        raise InvalidRequest("The backup of this import was destroyed, because it is too old to be taken back.")
    backup = json.loads(credentials.open_backup(run))
    created = [UUID(pk) for pk in backup["created"]]
    restored = [thawed(row) for row in backup["replaced"]]
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
        events = [event(row, trail.DESTROYED, "import taken back", actor_id) for row in rows]
        SessionEvent.objects.bulk_create(events, batch_size=500)
        for start in range(0, len(created), BATCH):
            AuthSession.objects.filter(pk__in=created[start : start + BATCH]).delete()
        for row in restored:
            row.save(force_update=True)
    return len(rows), len(restored)


def prune_backups() -> int:
    """Destroy the backups of old imports, whose undo is over; how many."""
    oldest = timezone.now() - timedelta(days=settings.MAESTRO.sessions.import_backups_kept_days)
    return ImportRun.objects.filter(created_at__lt=oldest).exclude(key_id="").update(**credentials.BACKUP_DESTROYED)
