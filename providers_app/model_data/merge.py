"""Model data made of files, lists and settings, figure by figure: configured beats listed beats shipped. Pure."""

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from providers_app.model_data.file import FIGURES, Entry, ModelFile, SameAs, Source
from providers_app.types.catalogue import Figure, FigureSource, ModelInfo

IMPLIED = ("capabilities", "input_modalities")
# What a vendor puts behind a model's id to name one day's or one revision's version of it.
VERSION = re.compile(r"[-@:](?:latest|default|v\d{1,2}|\d{3,4}|\d{8}|\d{4}-\d{2}-\d{2}|\d{2}-\d{4})\Z")

UNSAID = {name: getattr(ModelInfo(id="-"), name) for name in FIGURES}
"""The value of each figure that an entry does not state."""


def said(info: ModelInfo) -> dict[str, Any]:
    """Return the figures that an entry states: those that are marked, and those that are not the default."""
    return {
        name: value
        for name in FIGURES
        if (value := getattr(info, name)) is not None and (name in info.figures or value != UNSAID[name])
    }


def merged(
    listed: ModelInfo | None, shipped: ModelInfo | None, configured: ModelInfo | None, *, today: str
) -> ModelInfo | None:
    """Merge the entries of one model; ``None`` when there is none. ``today`` is the day of the listing.

    Figures that a listing only implies (``IMPLIED``, where its figures do not name them) are joined with the shipped
    ones: such a listing has no word for the rest.
    """
    if (best := listed or configured or shipped) is None:
        return None
    values: dict[str, Any] = {}
    figures: dict[str, Figure] = {}
    # What a provider lists may itself be configured: deployments that the operator names.
    of_list: FigureSource = listed.source if listed is not None else "provider"
    layers: tuple[tuple[ModelInfo | None, FigureSource], ...]
    layers = ((shipped, "shipped"), (listed, of_list), (configured, "configured"))
    for info, source in layers:
        if info is None:
            continue
        for name, value in said(info).items():
            if name in IMPLIED and info is listed and name not in info.figures and values.get(name):
                values[name] = tuple(dict.fromkeys((*values[name], *value)))
                continue
            values[name] = value
            marked = info.figures.get(name) or Figure(source=source)
            as_of = marked.as_of or (today if marked.source == "provider" else "")
            figures[name] = Figure(source=marked.source, as_of=as_of)
    ended = stage_by_date(values, today)
    if ended == "retired" or (ended and "lifecycle" not in values):
        values["lifecycle"] = ended
        figures["lifecycle"] = figures["retires_at" if values.get("retires_at") else "deprecated_at"]
    names = (configured, listed, shipped)
    name = next((each.name for each in names if each is not None and each.name not in ("", each.id)), best.id)
    return msgspec.structs.replace(best, name=name, figures=figures, **values)


def stage_by_date(values: dict[str, Any], today: str) -> str | None:
    """Return the lifecycle that the dates imply where none is stated: ``retired``, ``deprecated`` or ``None``."""
    retires, deprecated = values.get("retires_at"), values.get("deprecated_at")
    if retires:
        return "retired" if str(retires)[:10] <= today else "deprecated"
    return "deprecated" if deprecated and str(deprecated)[:10] <= today else None


def merged_list(
    listed: Sequence[ModelInfo],
    shipped: Callable[[str, str], ModelInfo | None],
    configured: dict[str, ModelInfo],
    *,
    today: str,
) -> list[ModelInfo]:
    """Return a listing in its own order with what else is known of each model, and configured ones after it.

    ``shipped`` is ``ModelIndex.find``.
    """
    ids = {info.id for info in listed}
    more = [(None, shipped(one, ""), info) for one, info in configured.items() if one not in ids]
    whole = [(info, shipped(info.id, info.underlying), configured.get(info.id)) for info in listed]
    found = (merged(*layers, today=today) for layers in (*whole, *more))
    return [info for info in found if info is not None]


def configured(setting: Mapping[str, Mapping[str, Entry]], provider: str, session: str = "") -> dict[str, ModelInfo]:
    """Return the models configured for a provider and for one session of it (by name), whose figures come first."""
    found: dict[str, ModelInfo] = {}
    for where in (provider, f"{provider}/{session}"):
        for model_id, entry in setting.get(where, {}).items():
            known = entry.known()
            before = found.get(model_id) or ModelInfo(id=model_id, name=model_id, source="configured")
            figures = before.figures | dict.fromkeys(known, Figure(source="configured"))
            found[model_id] = msgspec.structs.replace(before, name=entry.name or before.name, figures=figures, **known)
    return found


def today() -> str:
    """Return today's date in UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def day_of(seconds: float) -> str:
    """Return the date in UTC of a POSIX time."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).date().isoformat()


class ModelIndex:
    """The models of one provider, or of one of its addresses, made of files; a later one corrects those before it.

    ``others`` are indexes of other providers whose models are sold here as well, without ``others`` of their own.
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
                there = same.prefix + (re.sub(r"(?<=\d)-(?=\d)", ".", info.id) if same.dots else info.id)
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
    by = {name: sources[entry.figures.get(name, entry.source)] for name in known}
    figures = {name: Figure(source="shipped", as_of=source.as_of) for name, source in by.items()}
    return ModelInfo(id=model_id, name=entry.name, source="shipped", figures=figures, **known)


def _layered(below: ModelInfo | None, above: ModelInfo) -> ModelInfo:
    """``above``, with the figures of ``below`` that are of a later day or that ``above`` does not have."""
    if below is None:
        return above
    own = {name for name, figure in above.figures.items() if figure.as_of >= below.figures.get(name, figure).as_of}
    kept = {name: figure for name, figure in below.figures.items() if name not in own}
    values = {name: getattr(below, name) for name in kept}
    return msgspec.structs.replace(above, name=above.name or below.name, figures=above.figures | kept, **values)


def _moved(info: ModelInfo, model_id: str, same: SameAs) -> ModelInfo:
    """Return a model of another provider under its id here, without the figures that differ here."""
    figures = {name: figure for name, figure in info.figures.items() if name not in same.without}
    unsaid = {name: UNSAID[name] for name in same.without if name in info.figures}
    return msgspec.structs.replace(info, id=model_id, figures=figures, **unsaid)
