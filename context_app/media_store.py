"""Store generated files: bytes in the data directory, rows in the database. The provider core's ``MediaStore``.

A file is written before its row, and its row is deleted before the file, so that a row always has its bytes; a file
without a row is deleted by ``sweep``. Several machines share the folder ``media`` of the data directory, or each
shows only the files that it stored.
"""

import logging
import os
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Sum

from context_app.models import Context, MediaFile
from providers_app.errors import MediaRefused, UnknownMedia
from providers_app.ports import SYSTEM, Owner
from sessions_app.errors import StoreUnavailable
from sessions_app.models import Pk
from sessions_app.stores.pool import in_store

logger = logging.getLogger(__name__)

UNCLAIMED_S = 24 * 3600
"""Seconds for which a file may be without a row: it is being written, or the database was away."""
SHOWN = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""Types that a browser shows. Everything else is downloaded: an SVG or a page could hold a script."""


class DjangoMediaStore:
    """Files of their owner only; every method may be awaited on any loop."""

    async def put(self, owner: Owner, media_type: str, data: bytes, *, name: str = "") -> str:
        """Store a file and return its reference. Raises ``MediaRefused`` and ``StoreUnavailable``."""
        return str(await in_store(store, owner, media_type, data, name))

    async def read(self, owner: Owner, ref: str, *, at_most: int | None = None) -> tuple[str, bytes]:
        """Return the media type and the bytes of a file. Raises ``UnknownMedia``; over ``at_most`` ``MediaRefused``."""
        return await in_store(_read, owner, ref, at_most)


def store(owner_id: Pk, media_type: str, data: bytes, name: str = "") -> UUID:
    """Write a file and its row. Raises ``MediaRefused`` over a limit, ``StoreUnavailable`` for a disk that takes none.

    While the database is away the file waits without a row; ``claim`` gives it one.
    """
    config = settings.MAESTRO.context
    if len(data) > config.max_media_bytes:
        raise MediaRefused(f"A file of {len(data):,} bytes is not stored; at most {config.max_media_bytes:,} are.")
    ref = uuid4()
    path = path_of(ref)
    try:
        _write(path, data)
    except OSError as error:
        logger.error("a generated file could not be written (%s)", type(error).__name__)
        raise StoreUnavailable("The file could not be stored: its disk is full or not writable.") from None
    try:
        with transaction.atomic():
            if connection.features.has_select_for_update:  # of two files at once, the second sees the first
                get_user_model()._default_manager.select_for_update().filter(pk=owner_id).first()
            used = MediaFile.objects.filter(owner_id=owner_id).aggregate(used=Sum("size"))["used"] or 0
            if used + len(data) > config.media_quota_bytes:
                raise MediaRefused(f"The store of files is full: {used:,} of {config.media_quota_bytes:,} bytes.")
            MediaFile.objects.create(
                id=ref, owner_id=owner_id, media_type=media_type[:100], name=name[:200], size=len(data)
            )
    except (OperationalError, InterfaceError):
        logger.warning("a generated file waits for the database")
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return ref


def find(owner_id: Pk, ref: UUID) -> MediaFile:
    """Return a file of this person. Raises ``UnknownMedia``."""
    found = MediaFile.objects.filter(pk=ref, owner_id=owner_id).first()
    if found is None:
        raise UnknownMedia("There is no such file.")
    return found


def claim(files: Iterable[Mapping[str, Any]], context: Context) -> None:
    """Keep files for as long as their chat exists. Call it in the transaction that writes the chunks naming them.

    ``files`` are the metadata of those chunks: ``ref``, ``media_type``, ``name``, ``size``.
    """
    found = {UUID(file["ref"]): file for file in files if file.get("ref")}
    if not found:
        return
    mine = MediaFile.objects.filter(pk__in=found, owner_id=context.owner_id)
    mine.filter(context=None).update(context=context)
    missing = set(found) - set(MediaFile.objects.filter(pk__in=found).values_list("pk", flat=True))
    MediaFile.objects.bulk_create(
        [
            MediaFile(
                id=ref,
                owner_id=context.owner_id,
                context=context,
                media_type=str(found[ref].get("media_type") or "application/octet-stream")[:100],
                name=str(found[ref].get("name") or "")[:200],
                size=path_of(ref).stat().st_size,
            )
            for ref in missing
            if path_of(ref).exists()
        ],
        ignore_conflicts=True,
    )


def delete_unclaimed(before: datetime, limit: int) -> int:
    """Delete the rows of at most ``limit`` files that are in no chat and older than ``before``; return how many."""
    due = MediaFile.objects.filter(context=None, created_at__lt=before)
    keys = list(due.values_list("pk", flat=True)[:limit])
    MediaFile.objects.filter(pk__in=keys, context=None).delete()
    return len(keys)


def sweep() -> int:
    """Delete the bytes that have been without a row for ``UNCLAIMED_S``; return the number of files."""
    older_than = time.time() - UNCLAIMED_S
    removed = 0
    for folder in _folder().glob("??"):
        names = [path for path in folder.iterdir() if path.stat().st_mtime < older_than]
        keys = {path: _key(path) for path in names}
        known = set(MediaFile.objects.filter(pk__in=filter(None, keys.values())).values_list("pk", flat=True))
        for path, key in keys.items():
            if key is None or key not in known:
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def path_of(ref: UUID) -> Path:
    """Return where the bytes of a file lie."""
    return _folder() / ref.hex[:2] / ref.hex


def _folder() -> Path:
    return Path(settings.DATA_DIR) / "media"


def _read(owner: Owner, ref: str, at_most: int | None) -> tuple[str, bytes]:
    try:
        key = UUID(str(ref))
        row = MediaFile.objects.get(pk=key) if owner is SYSTEM else find(owner, key)
        if at_most is not None and row.size > at_most:
            raise MediaRefused(f"The file has {row.size:,} bytes; at most {at_most:,} can be read here.")
        return row.media_type, path_of(key).read_bytes()
    except (ValueError, MediaFile.DoesNotExist, FileNotFoundError):
        raise UnknownMedia("There is no such file.") from None
    except OSError as error:
        raise StoreUnavailable(f"The file could not be read ({type(error).__name__}).") from None


def _write(path: Path, data: bytes) -> None:
    for folder in (path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    draft = path.with_suffix(".part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def _key(path: Path) -> UUID | None:
    try:
        return UUID(path.name)
    except ValueError:  # a draft that was never finished
        return None
