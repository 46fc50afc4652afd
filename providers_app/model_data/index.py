"""The models that files tell of, as ``ModelInfo`` with the source and day of each figure. Pure."""

import re
from functools import cached_property

import msgspec

from providers_app.model_data.file import Entry, ModelFile, SameAs, Source
from providers_app.model_data.merge import UNSAID
from providers_app.types.catalogue import Figure, ModelInfo

# What a vendor puts behind a model's id to name one day's or one revision's version of it.
VERSION = re.compile(r"[-@:](?:latest|default|v\d{1,2}|\d{3,4}|\d{8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{4})\Z")


class ModelIndex:
    """The models of one provider, or of one of its addresses, made of files; a later one corrects those before it.

    ``others`` are indexes of other providers whose models are sold here as well. Their own ``others`` are left out,
    so that no circle is followed.
    """

    def __init__(
        self, files: tuple[ModelFile, ...], host: str = "", others: tuple[tuple[SameAs, "ModelIndex"], ...] = ()
    ) -> None:
        self._files = files
        self._host = host
        self._others = others
        self.made_of = [id(each) for each in files] + [id(each) for _, other in others for each in other._files]

    @property
    def is_open(self) -> bool:
        """True where a model that is not in here is nothing unusual."""
        return all(each.open for each in self._files)

    @cached_property
    def models(self) -> dict[str, ModelInfo]:
        """Every model by id."""
        found: dict[str, ModelInfo] = {}
        for same, other in self._others:
            for info in other._own.values():
                there = _there(info.id, same)
                found.setdefault(there, _moved(info, there, same))
        return found | {model_id: _layered(found.get(model_id), info) for model_id, info in self._own.items()}

    def work_out(self) -> None:
        """Compute the cached values now, so that the first reader does not wait for them."""
        for part in (self, *(other for _, other in self._others)):
            _ = part.models, part._aliases

    def find(self, model_id: str, underlying: str = "") -> ModelInfo | None:
        """Return the model of that id, else the ``underlying`` one, under that id.

        It is the entry itself, that of an alias or of the id before a version, or that of the longest prefix; else that
        of another provider whose models are sold here as well.
        """
        found = self._find(model_id) or (self._find(underlying) if underlying else None)
        return None if found is None else msgspec.structs.replace(found, id=model_id)

    def _find(self, model_id: str) -> ModelInfo | None:
        if (full := self._id_of(model_id)) is not None:
            return self.models[full]
        for same, other in self._others:
            if model_id.startswith(same.prefix):
                here = model_id[len(same.prefix) :]
                info = other.find(here) or (other.find(here.replace(".", "-")) if same.dots else None)
                if info is not None:
                    return _moved(info, model_id, same)
        return None

    def _id_of(self, model_id: str) -> str | None:
        aliases, starts = self._aliases
        for name in dict.fromkeys((model_id, VERSION.sub("", model_id))):
            if name in self.models:
                return name
            if name in aliases:
                return aliases[name]
        return next((full for start, full in starts if model_id.startswith(start)), None)

    @cached_property
    def _own(self) -> dict[str, ModelInfo]:
        found: dict[str, ModelInfo] = {}
        for each in self._files:
            for entries in (each.models, each.hosts.get(self._host, {})):
                for model_id, entry in entries.items():
                    found[model_id] = _layered(found.get(model_id), as_info(model_id, entry, each.sources))
        return found

    @cached_property
    def _aliases(self) -> tuple[dict[str, str], list[tuple[str, str]]]:
        """Other ids by themselves, and beginnings with the longest first."""
        given: dict[str, str] = {}
        for each in self._files:
            for entries in (each.models, each.hosts.get(self._host, {})):
                given |= {alias: model_id for model_id, entry in entries.items() for alias in entry.aliases}
        starts = [(alias[:-1], model_id) for alias, model_id in given.items() if alias.endswith("*")]
        return given, sorted(starts, key=lambda start: (-len(start[0]), start))


def as_info(model_id: str, entry: Entry, sources: dict[str, Source]) -> ModelInfo:
    """Return an entry of a file as ``ModelInfo``."""
    known = entry.known()
    figures = {
        name: Figure(source="shipped", as_of=sources[entry.figures.get(name, entry.source)].as_of) for name in known
    }
    return ModelInfo(id=model_id, name=entry.name, source="shipped", figures=figures, **known)


def _layered(below: ModelInfo | None, above: ModelInfo) -> ModelInfo:
    """``above``, with the figures of ``below`` that are of a later day or that ``above`` does not have."""
    if below is None:
        return above
    kept = {
        name: figure
        for name, figure in below.figures.items()
        if name not in above.figures or figure.as_of > above.figures[name].as_of
    }
    values = {name: getattr(below, name) for name in kept}
    return msgspec.structs.replace(above, name=above.name or below.name, figures=above.figures | kept, **values)


def _there(model_id: str, same: SameAs) -> str:
    return same.prefix + (re.sub(r"(?<=\d)-(?=\d)", ".", model_id) if same.dots else model_id)


def _moved(info: ModelInfo, model_id: str, same: SameAs) -> ModelInfo:
    """Return a model of another provider under its id here, without the figures that differ here."""
    figures = {name: figure for name, figure in info.figures.items() if name not in same.without}
    unsaid = {name: UNSAID[name] for name in same.without if name in info.figures}
    return msgspec.structs.replace(info, id=model_id, figures=figures, **unsaid)
