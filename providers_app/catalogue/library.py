"""The model files of all providers: read when first asked for, then kept. A broken one is named, and harms nobody else.

    models.json beside the provider's code            ──┐
                                                        ├──▶ Shelf: entries by id, alias, beginning, id and version
    <slug>.json in the operator's ``model_data_dir``  ──┘    (figure by figure; the later day wins)

The operator's folder is looked at again every few seconds, so that an update needs no restart. A file there that cannot
be read leaves the last good one in force.
"""

import importlib.util
import logging
import threading
import time
from pathlib import Path

import msgspec

from providers_app import conf
from providers_app.catalogue.file import ModelFile, ModelFileError, read
from providers_app.catalogue.shelf import Shelf
from providers_app.registry import registry

logger = logging.getLogger("maestro.models")

FILE = "models.json"
LOOK_AGAIN_S = 5.0
MAX_SHELVES = 500


class Held(msgspec.Struct, frozen=True):
    """What came of reading one file: the file, or a ``problem``; then ``file`` is the last good one."""

    path: str = ""
    signature: tuple[int, int] = (0, 0)
    file: ModelFile | None = None
    problem: str = ""


class Library:
    """The model files of one process. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forget everything that was read."""
        with self._lock:
            self._shipped: dict[str, Held] = {}
            self._own: dict[str, tuple[float, Held]] = {}
            self._shelves: dict[tuple[str, str], Shelf] = {}

    def shelf(self, provider: str, host: str = "") -> Shelf:
        """The models of a provider; with ``host``, what only this address sells is among them.

        Empty for a provider without a file, and for one that there is not. The same value as long as no file changed.
        """
        files = self._files(provider)
        sold = [same for each in files for same in each.same_as]
        others = tuple((same, Shelf(self._files(same.provider))) for same in sold)
        kept = self._shelves.get((provider, host))
        shelf = Shelf(files, host, others)
        if kept is not None and kept.made_of == shelf.made_of:
            return kept
        with self._lock:
            if len(self._shelves) >= MAX_SHELVES:  # hosts come from people's base URLs
                self._shelves.clear()
            self._shelves[provider, host] = shelf
        return shelf

    def problems(self, provider: str) -> list[tuple[str, str]]:
        """The path of each file of a provider that cannot be used now, and why."""
        with self._lock:
            if provider in self._own:
                self._own[provider] = (-LOOK_AGAIN_S, self._own[provider][1])
        self._files(provider)
        held = [self._shipped.get(provider), self._own.get(provider, (0.0, None))[1]]
        return [(each.path, each.problem) for each in held if each is not None and each.problem]

    def file(self, provider: str, *, own: bool = False) -> ModelFile | None:
        """The file that ships with a provider, or the operator's; ``None`` where none can be read."""
        self._files(provider)
        return self._own.get(provider, (0.0, Held()))[1].file if own else self._shipped[provider].file

    def _files(self, provider: str) -> tuple[ModelFile, ...]:
        shipped = self._shipped.get(provider)
        path = _shipped_path(provider) if shipped is None else None
        if shipped is None:
            shipped = _read(path, provider, Held())
            self._shipped[provider] = shipped
        own = self._operators(provider)
        return tuple(held.file for held in (shipped, own) if held.file is not None)

    def _operators(self, provider: str) -> Held:
        folder = conf.current().model_data_dir
        if not folder:
            return Held()
        path = Path(folder) / f"{provider}.json"
        looked, held = self._own.get(provider, (0.0, Held()))
        now = time.monotonic()
        if held.path == str(path) and now - looked < LOOK_AGAIN_S:
            return held
        with self._lock:
            held = _read(path, provider, held if held.path == str(path) else Held(path=str(path)))
            self._own[provider] = (now, held)
        return held


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
