"""The space left on the disk of the data folder: named by ``/readyz``, and required before new work begins."""

import os

from django.conf import settings

from sessions_app.errors import DiskFull

RESERVE_BYTES = 32 * 1024 * 1024
"""Space below which the disk counts as full: what runs still needs some to store how it ends."""
MEGABYTE = 1024 * 1024


def free_bytes() -> int:
    """Return the space that this user may still fill. Raises ``OSError`` where the data folder is gone."""
    found = os.statvfs(settings.DATA_DIR)
    return found.f_bavail * found.f_frsize


def shortage() -> str:
    """Return a sentence that says how much space is left where that is too little; empty where it is enough."""
    try:
        free = free_bytes()
    except OSError as error:
        return f"The data folder cannot be used ({error.strerror})."
    if free >= RESERVE_BYTES:
        return ""
    return f"The disk of the data folder is full: {free // MEGABYTE} MB free, {RESERVE_BYTES // MEGABYTE} MB needed."


def require_space() -> None:
    """Raise ``DiskFull`` when there is too little space for new work."""
    if sentence := shortage():
        raise DiskFull(sentence)
