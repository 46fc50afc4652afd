"""Merging of model data, figure by figure: configured beats listed beats shipped beats nothing. Pure."""

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from providers_app.model_data.file import FIGURES, Entry
from providers_app.types.catalogue import Figure, FigureSource, ModelInfo

IMPLIED = ("capabilities", "input_modalities")

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
