"""The model files of all providers: read at the first use, then kept. A broken one is named and affects no other.

Figures of the operator's ``<slug>.json`` and of ``models.json`` beside the provider's code are joined; the later day
wins. The operator's folder is scanned again every few seconds; a broken file there leaves the last good one in force.

The provider loop never waits for a file: it is given what was read last, and a thread scans again. Other callers scan
themselves. Readers take no lock that is held while a file is read.
"""

import asyncio
import importlib.util
import logging
import os
import threading
import time
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from providers_app import conf, loop
from providers_app.model_data.file import ModelFile, ModelFileError, read
from providers_app.model_data.merge import ModelIndex, configured, merged, today
from providers_app.registry.discovery import registry
from providers_app.types.catalogue import ModelInfo

logger = logging.getLogger("maestro.models")

FILE = "models.json"
RESCAN_S = 5.0


class ReadFile(msgspec.Struct, frozen=True):
    """The result of reading one file: the file, or a ``problem``; then ``file`` is the last good one."""

    path: str = ""
    signature: tuple[int, int] = (0, 0)
    file: ModelFile | None = None
    problem: str = ""


class Scan(msgspec.Struct, frozen=True):
    """The files of a provider as they were last read; ``at`` is when that began, on the monotonic clock."""

    shipped: ReadFile
    own: ReadFile
    folder: str
    at: float
    files: tuple[ModelFile, ...] = ()
    """The files in force, the operator's last."""
    hosts: frozenset[str] = frozenset()
    """The addresses that sell models of their own."""

    def key(self, host: str) -> str:
        """Return ``host`` if only it sells some models: people's addresses are many, and most are alike."""
        return host if host in self.hosts else ""


class Library:
    """The model files of one process, for any thread. ``generation`` grows whenever the models of a provider change."""

    def __init__(self) -> None:
        self.generation = 0
        self._scans: dict[str, Scan] = {}
        self._indexes: dict[tuple[str, str], ModelIndex] = {}
        self._new_locks()
        os.register_at_fork(after_in_child=self._new_locks)  # a thread that held a lock is not there in the child

    def _new_locks(self) -> None:
        self._reading = threading.RLock()  # held while files are read; callers that must not wait do not take it
        self._lock = threading.Lock()  # held for the change of a few names only
        self._threads: dict[str, threading.Thread] = {}

    def reset(self) -> None:
        """Forget everything that was read."""
        self.settle()
        with self._reading, self._lock:
            self._scans, self._indexes = {}, {}
            self.generation += 1

    def settle(self) -> None:
        """Wait until no thread scans files any more. Not for the provider loop."""
        for thread in list(self._threads.values()):
            thread.join()

    async def ready(self, provider: str, host: str = "") -> None:
        """Have a provider's models in memory. Only the first caller waits, for a thread; the loop goes on."""
        scan = self._scans.get(provider)
        if scan is None or (provider, scan.key(host)) not in self._indexes:
            await asyncio.to_thread(self.scan, provider, host)

    def index(self, provider: str, host: str = "") -> ModelIndex:
        """Return the models of a provider; with ``host``, those that only this address sells are among them.

        Empty without a file, and the same value as long as no file changes. On the provider loop it is the last one,
        empty before the first scan (see ``ready``).
        """
        self._scan_if_due(provider)
        if (scan := self._scans.get(provider)) is None:
            return _NOTHING
        key = provider, scan.key(host)
        if (kept := self._indexes.get(key)) is not None:
            return kept
        made = self._made(scan, key[1])
        with self._lock:
            return self._indexes.setdefault(key, made) if self._scans.get(provider) is scan else made

    def problems(self, provider: str) -> list[tuple[str, str]]:
        """Scan the files of a provider, and return the path of each that cannot be used with the reason."""
        self.scan(provider)
        scan = self._scans[provider]
        return [(each.path, each.problem) for each in (scan.shipped, scan.own) if each.problem]

    def file(self, provider: str, *, own: bool = False) -> ModelFile | None:
        """Return the file that ships with a provider, or the operator's; ``None`` where none can be read."""
        self._scan_if_due(provider)
        scan = self._scans.get(provider)
        return None if scan is None else (scan.own if own else scan.shipped).file

    def scan(self, provider: str, host: str = "") -> None:
        """Read the files of a provider that changed, and publish what they tell. Waits for the disk."""
        with self._reading:
            scan = self._read_files(provider)
            for slug in {same.provider for each in scan.files for same in each.same_as} - {provider}:
                if self._due(slug):
                    self._publish(slug, self._read_files(slug), {""})
            self._publish(provider, scan, {"", scan.key(host)})

    def _scan_if_due(self, provider: str) -> None:
        if not self._due(provider):
            return
        if not loop.is_current():
            self.scan(provider)
            return
        with self._lock:
            if provider not in self._threads:
                work = self._threads[provider] = threading.Thread(
                    target=self._scan_in_background, args=(provider,), name="model-files", daemon=True
                )
                work.start()

    def _scan_in_background(self, provider: str) -> None:
        try:
            self.scan(provider)
        except Exception:
            logger.exception("looking at the model files of %s failed", provider)
        finally:
            with self._lock:
                self._threads.pop(provider, None)

    def _due(self, provider: str) -> bool:
        scan, folder = self._scans.get(provider), conf.current().model_data_dir
        return scan is None or scan.folder != folder or (folder != "" and time.monotonic() - scan.at >= RESCAN_S)

    def _read_files(self, provider: str) -> Scan:
        before, folder, now = self._scans.get(provider), conf.current().model_data_dir, time.monotonic()
        shipped = _read(_shipped_path(provider), provider, ReadFile()) if before is None else before.shipped
        own = ReadFile()
        if folder:
            path = Path(folder) / f"{provider}.json"
            same = before is not None and before.own.path == str(path)
            own = _read(path, provider, before.own if before is not None and same else ReadFile(path=str(path)))
        files = tuple(each.file for each in (shipped, own) if each.file is not None)
        return Scan(shipped, own, folder, now, files, frozenset(host for file in files for host in file.hosts))

    def _publish(self, provider: str, scan: Scan, hosts: set[str]) -> None:
        """Build the new indexes, computed as a whole, and then replace the old ones."""
        indexes = {}
        for host in hosts | {scan.key(host) for slug, host in list(self._indexes) if slug == provider}:
            kept, made = self._indexes.get((provider, host)), self._made(scan, host)
            if kept is None or kept.made_of != made.made_of:
                made.work_out()
                kept = made
            indexes[provider, host] = kept
        with self._lock:
            self.generation += any(self._indexes.get(key) is not index for key, index in indexes.items())
            others = {key: index for key, index in self._indexes.items() if key[0] != provider}
            self._scans[provider], self._indexes = scan, others | indexes

    def _made(self, scan: Scan, host: str) -> ModelIndex:
        sold = ((same, self._scans.get(same.provider)) for each in scan.files for same in each.same_as)
        others = tuple((same, ModelIndex(there.files)) for same, there in sold if there is not None)
        return ModelIndex(scan.files, host, others)


_NOTHING = ModelIndex(())


def _read(path: Path | None, provider: str, before: ReadFile) -> ReadFile:
    """Read the file at ``path``; ``before`` is the result of the last scan, returned where nothing changed."""
    if path is None:
        return ReadFile()
    signature = (-1, -1)
    try:
        stat = path.stat()
        signature = (stat.st_mtime_ns, stat.st_size)
        if signature == before.signature:
            return before
        return ReadFile(str(path), signature, read(path.read_bytes(), provider))
    except FileNotFoundError:
        return ReadFile(str(path))
    except (OSError, ModelFileError) as error:
        problem = str(error) if isinstance(error, ModelFileError) else f"it cannot be read: {error.strerror}"
        if problem != before.problem:
            logger.error("the model file %s is not used: %s", path, problem)
        return ReadFile(str(path), signature, before.file, problem)


def _shipped_path(provider: str) -> Path | None:
    """Return the path of the file beside a provider's code, whose package is not imported for it."""
    package = registry.packages().get(provider)
    try:
        spec = importlib.util.find_spec(package.module) if package is not None else None
    except (ImportError, ValueError, AttributeError):
        return None
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) / FILE if places else None


library = Library()
"""The one library of the process."""


@lru_cache(maxsize=256)
def host_of(base_url: str | None) -> str:
    """Return the host of a session's own address, in lower case; empty for the provider's address."""
    try:
        return (urlsplit(base_url or "").hostname or "").lower()
    except ValueError:
        return ""


def facts(provider: str, model: str, *, underlying: str = "", host: str = "", session: str = "") -> ModelInfo | None:
    """Return what is known of ``model`` at ``provider`` without a request, or ``None``. Raises nothing.

    ``underlying`` is the vendor's model behind a name that an operator chose (an Azure deployment), ``host`` that of
    the session's address, ``session`` the session's name, for figures that are configured for it alone.
    """
    shipped = library.index(provider, host).find(model, underlying)
    return merged(None, shipped, _configured(provider, session).get(model), today=today())


def completed(listed: ModelInfo, provider: str, *, host: str = "", session: str = "") -> ModelInfo:
    """Return an entry of a provider's list with what else is known of the model."""
    shipped = library.index(provider, host).find(listed.id, listed.underlying)
    return merged(listed, shipped, _configured(provider, session).get(listed.id), today=today()) or listed


def known_models(provider: str, *, host: str = "", session: str = "") -> list[ModelInfo]:
    """Return every model in the files and the configuration, by id."""
    models, chosen = library.index(provider, host).models, _configured(provider, session)
    found = (merged(None, models.get(one), chosen.get(one), today=today()) for one in sorted({*models, *chosen}))
    return [info for info in found if info is not None]


def _configured(provider: str, session: str) -> dict[str, ModelInfo]:
    return configured(conf.current().configured_models, provider, session)
