"""The model files of all providers: read when first asked for, then kept. A broken one is named, and harms nobody else.

    models.json beside the provider's code            ──┐
                                                        ├──▶ ModelIndex: entries by id, alias, beginning, id and version
    <slug>.json in the operator's ``model_data_dir``  ──┘    (figure by figure; the later day wins)

The operator's folder is looked at again every few seconds, so that an update needs no restart. A file there that cannot
be read leaves the last good one in force.

The provider loop never waits for a file: it is given what was read last, and a thread looks again. Other callers look
for themselves. Readers take no lock that is held while a file is read.
"""

import asyncio
import importlib.util
import logging
import os
import threading
import time
from pathlib import Path

import msgspec

from providers_app import conf, loop
from providers_app.model_data.file import ModelFile, ModelFileError, read
from providers_app.model_data.index import ModelIndex
from providers_app.registry.discovery import registry

logger = logging.getLogger("maestro.models")

FILE = "models.json"
LOOK_AGAIN_S = 5.0


class Held(msgspec.Struct, frozen=True):
    """What came of reading one file: the file, or a ``problem``; then ``file`` is the last good one."""

    path: str = ""
    signature: tuple[int, int] = (0, 0)
    file: ModelFile | None = None
    problem: str = ""


class Looked(msgspec.Struct, frozen=True):
    """What the last look at a provider's files found; ``at`` is when it began, on the monotonic clock."""

    shipped: Held
    own: Held
    folder: str
    at: float

    @property
    def files(self) -> tuple[ModelFile, ...]:
        """The files in force, the operator's last."""
        return tuple(held.file for held in (self.shipped, self.own) if held.file is not None)


class Library:
    """The model files of one process. Every method may be called from any thread.

    ``generation`` grows whenever the models of a provider change; it is how results that were made of them are judged.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._looked: dict[str, Looked] = {}
        self._indexes: dict[tuple[str, str], ModelIndex] = {}
        self._nobody_looks()
        os.register_at_fork(after_in_child=self._nobody_looks)  # a thread that held a lock is not there in the child

    def _nobody_looks(self) -> None:
        self._reading = threading.RLock()  # held while files are read; whoever must not wait does not take it
        self._lock = threading.Lock()  # held for the change of a few names only
        self._behind: dict[str, threading.Thread] = {}

    def reset(self) -> None:
        """Forget everything that was read."""
        self.settle()
        with self._reading, self._lock:
            self._looked, self._indexes = {}, {}
            self.generation += 1

    def settle(self) -> None:
        """Wait until no thread looks at files any more. Not for the provider loop."""
        for thread in list(self._behind.values()):
            thread.join()

    async def ready(self, provider: str, host: str = "") -> None:
        """Have a provider's models in memory. Only the first caller waits, for a thread; the loop goes on."""
        looked = self._looked.get(provider)
        if looked is None or (provider, _host_key(looked, host)) not in self._indexes:
            await asyncio.to_thread(self.look, provider, host)

    def index(self, provider: str, host: str = "") -> ModelIndex:
        """The models of a provider; with ``host``, what only this address sells is among them.

        Empty for a provider without a file, and for one that there is not. The same value as long as no file changed.
        On the provider loop it is the last one, empty before the first look (see ``ready``).
        """
        self._look_if_due(provider)
        looked = self._looked.get(provider)
        if looked is None:
            return _NOTHING
        key = provider, _host_key(looked, host)
        kept = self._indexes.get(key)
        if kept is not None:
            return kept
        made = self._made(looked, key[1])
        with self._lock:
            return self._indexes.setdefault(key, made) if self._looked.get(provider) is looked else made

    def problems(self, provider: str) -> list[tuple[str, str]]:
        """The path of each file of a provider that cannot be used now, and why. Looks at the files now."""
        self.look(provider)
        looked = self._looked[provider]
        return [(each.path, each.problem) for each in (looked.shipped, looked.own) if each.problem]

    def file(self, provider: str, *, own: bool = False) -> ModelFile | None:
        """The file that ships with a provider, or the operator's; ``None`` where none can be read."""
        self._look_if_due(provider)
        looked = self._looked.get(provider)
        return None if looked is None else (looked.own if own else looked.shipped).file

    def look(self, provider: str, host: str = "") -> None:
        """Look at the files of a provider now, and put what they tell where readers find it. Waits for the disk."""
        with self._reading:
            looked = self._read_files(provider)
            for slug in {same.provider for each in looked.files for same in each.same_as} - {provider}:
                if self._due(slug):
                    found = self._read_files(slug)
                    self._publish(slug, found, {""})
            self._publish(provider, looked, {"", _host_key(looked, host)})

    def _look_if_due(self, provider: str) -> None:
        if not self._due(provider):
            return
        if not loop.is_current():
            self.look(provider)
            return
        with self._lock:
            if provider in self._behind:
                return
            thread = threading.Thread(target=self._look_behind, args=(provider,), name="model-files", daemon=True)
            self._behind[provider] = thread
            thread.start()

    def _look_behind(self, provider: str) -> None:
        try:
            self.look(provider)
        except Exception:
            logger.exception("looking at the model files of %s failed", provider)
        finally:
            with self._lock:
                self._behind.pop(provider, None)

    def _due(self, provider: str) -> bool:
        looked, folder = self._looked.get(provider), conf.current().model_data_dir or ""
        if looked is None or looked.folder != folder:
            return True
        return bool(folder) and time.monotonic() - looked.at >= LOOK_AGAIN_S

    def _read_files(self, provider: str) -> Looked:
        before, folder, now = self._looked.get(provider), conf.current().model_data_dir or "", time.monotonic()
        shipped = _read(_shipped_path(provider), provider, Held()) if before is None else before.shipped
        own = Held()
        if folder:
            path = Path(folder) / f"{provider}.json"
            same = before is not None and before.own.path == str(path)
            own = _read(path, provider, before.own if before is not None and same else Held(path=str(path)))
        return Looked(shipped, own, folder, now)

    def _publish(self, provider: str, looked: Looked, hosts: set[str]) -> None:
        """The new indexes are made and worked out before anybody sees them."""
        indexes = {}
        for host in hosts | {_host_key(looked, host) for slug, host in list(self._indexes) if slug == provider}:
            kept, made = self._indexes.get((provider, host)), self._made(looked, host)
            if kept is None or kept.made_of != made.made_of:
                made.work_out()
                kept = made
            indexes[provider, host] = kept
        with self._lock:
            self.generation += any(self._indexes.get(key) is not index for key, index in indexes.items())
            others = {key: index for key, index in self._indexes.items() if key[0] != provider}
            self._looked[provider], self._indexes = looked, others | indexes

    def _made(self, looked: Looked, host: str) -> ModelIndex:
        sold = ((same, self._looked.get(same.provider)) for each in looked.files for same in each.same_as)
        return ModelIndex(
            looked.files, host, tuple((same, ModelIndex(there.files)) for same, there in sold if there is not None)
        )


_NOTHING = ModelIndex(())


def _host_key(looked: Looked, host: str) -> str:
    """``host`` if a file tells of models that only it sells: people's addresses are many, and most are alike."""
    return host if any(host in each.hosts for each in looked.files) else ""


def _read(path: Path | None, provider: str, before: Held) -> Held:
    """What there is at ``path`` now; ``before`` is what was there at the last look."""
    if path is None:
        return Held()
    signature = (-1, -1)
    try:
        stat = path.stat()
        signature = (stat.st_mtime_ns, stat.st_size)
        if signature == before.signature:
            return before
        return Held(str(path), signature, read(path.read_bytes(), provider))
    except FileNotFoundError:
        return Held(str(path))
    except (OSError, ModelFileError) as error:
        problem = str(error) if isinstance(error, ModelFileError) else f"it cannot be read: {error.strerror}"
        if problem != before.problem:
            logger.error("the model file %s is not used: %s", path, problem)
        return Held(str(path), signature, before.file, problem)


def _shipped_path(provider: str) -> Path | None:
    """Where the file beside a provider's code is, if its package is a folder; the code is not imported for it."""
    package = registry.packages().get(provider)
    if package is None:
        return None
    try:
        spec = importlib.util.find_spec(package.module)
    except (ImportError, ValueError, AttributeError):
        return None
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) / FILE if places else None


library = Library()
"""The one library of the process."""
