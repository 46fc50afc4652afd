"""The folder ``monitoring/`` of the data folder: the last snapshot of each process, and what processes ask of others.

``<process>.state`` belongs to one process, which replaces it whole. ``ended`` holds the sum of the counts of processes
that are gone, so that no counter falls when one ends. ``orders`` holds the circuits that a person closed lately.
Everything is written under one lock. Processes on other data folders are not seen.
"""

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from django.conf import settings

from maestro_site import datadir
from maestro_site.monitoring.snapshots import Snapshot
from providers_app.measures import Sample

logger = logging.getLogger(__name__)

T = TypeVar("T")
SILENT_S = 3600.0
"""Seconds of silence after which a process counts as gone, and its counts are kept without it."""
ORDER_S = 300.0
"""Seconds for which an order to close a circuit is kept."""
STATE, ENDED, ORDERS, LOCK = ".state", "ended", "orders", ".lock"


class Order(msgspec.Struct, frozen=True):
    """A circuit that a person closed, at ``at`` seconds since the epoch."""

    id: str
    at: float
    provider: str
    session: str
    model: str


def publish(snapshot: Snapshot, *, again: bool) -> bool:
    """Leave the snapshot of this process for the others.

    ``again``: it did before. ``False``: its file is gone, and its counts were kept without it. Raises ``OSError``.
    """
    with _locked() as folder:
        path = folder / f"{snapshot.process}{STATE}"
        if again and not path.exists():
            return False
        _replace(path, snapshot)
        return True


def leave(snapshot: Snapshot) -> None:
    """Keep the counts of a process that ends, and remove its file. Raises ``OSError``."""
    with _locked() as folder:
        _keep(folder, [snapshot])
        (folder / f"{snapshot.process}{STATE}").unlink(missing_ok=True)


def keep_silent() -> None:
    """Keep the counts of processes that are gone without having said so. Raises ``OSError``."""
    with _locked() as folder:
        gone = []
        for path in folder.glob(f"*{STATE}"):
            if time.time() - path.stat().st_mtime > SILENT_S:
                if (found := _read(path, Snapshot)) is not None:
                    gone.append(found)
                path.unlink(missing_ok=True)
        if gone:
            _keep(folder, gone)


def clean() -> None:
    """Begin anew, with the installation; on a full disk, go on with what there is."""
    with suppress(OSError, datadir.DataDirError), _locked() as folder:
        for path in (*folder.glob(f"*{STATE}"), folder / ENDED, folder / ORDERS):
            path.unlink(missing_ok=True)


def snapshots() -> list[Snapshot]:
    """Return what each process left last, gone or not."""
    paths = sorted(_folder().glob(f"*{STATE}"))
    return [found for path in paths if (found := _read(path, Snapshot)) is not None]


def ended() -> Sample:
    """Return the counts of processes that are gone."""
    return _read(_folder() / ENDED, Sample) or Sample()


def order(provider: str, session: str, model: str) -> Order:
    """Ask every process to close this circuit. Raises ``OSError``."""
    made = Order(uuid.uuid4().hex, time.time(), provider, session, model)
    with _locked() as folder:
        _replace(folder / ORDERS, [*orders(), made])
    return made


def orders() -> list[Order]:
    """Return the orders of the last minutes."""
    found = _read(_folder() / ORDERS, list[Order]) or []
    return [each for each in found if time.time() - each.at < ORDER_S]


def _folder() -> Path:
    folder: Path = settings.DATA_DIR / "monitoring"
    return folder


@contextmanager
def _locked() -> Iterator[Path]:
    folder = _folder()
    folder.mkdir(mode=0o700, exist_ok=True)
    with datadir.locked(folder / LOCK):
        yield folder


def _keep(folder: Path, gone: list[Snapshot]) -> None:
    total = ended()
    for snapshot in gone:
        total.add(snapshot.sample)
    _replace(folder / ENDED, total)


def _replace(path: Path, value: Any) -> None:
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(msgspec.msgpack.encode(value))
    temporary.replace(path)


def _read(path: Path, kind: type[T]) -> T | None:
    """Return the value of a file, ``None`` where there is none, or one of another version."""
    with suppress(OSError):
        data = path.read_bytes()
        try:
            return msgspec.msgpack.decode(data, type=kind)
        except msgspec.MsgspecError:
            logger.debug("%s cannot be read", path)
    return None
