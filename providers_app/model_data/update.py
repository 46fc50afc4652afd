"""A model file brought up to date from a list: what is new, what changed, what is gone. Pure.

Hand-written figures stay: an entry marked ``by_hand``, and every figure whose source is of a later day than the list.
What is gone from the list stays in the file and is reported, because a list may be of one account only.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from providers_app.model_data.file import FIGURES, FORMAT, Entry, ModelFile, Source
from providers_app.model_data.merge import IMPLIED, said
from providers_app.types.catalogue import ModelInfo

ORDER = ("name", "aliases", "source", "figures", "by_hand", *FIGURES)
"""The fields of an entry as they are written."""


class Changes(msgspec.Struct, frozen=True):
    """The effect: ids ``added`` or ``gone``, (id, figure, before, after) ``changed``, (id, figure, reason) ``kept``."""

    added: tuple[str, ...] = ()
    changed: tuple[tuple[str, str, Any, Any], ...] = ()
    gone: tuple[str, ...] = ()
    kept: tuple[tuple[str, str, str], ...] = ()

    @property
    def any(self) -> bool:
        """True where the file differs afterwards."""
        return bool(self.added or self.changed)


def updated(
    before: ModelFile | None, provider: str, listed: Iterable[ModelInfo], source: Source
) -> tuple[ModelFile, Changes]:
    """Return the file brought up to date from a list, and the changes."""
    file = before or ModelFile(format=FORMAT, provider=provider, open=True)
    name = _name_of(source, file.sources)
    entries, added = dict(file.models), list[str]()
    changed: list[tuple[str, str, Any, Any]] = []
    kept: list[tuple[str, str, str]] = []
    infos = sorted(listed, key=lambda info: info.id)
    for info in infos:
        # What the provider stated, and not a file that completed its list.
        own = {name for name in FIGURES if name not in info.figures or info.figures[name].source == "provider"}
        told = {figure: value for figure, value in said(info).items() if figure in own}
        entry = entries.get(info.id)
        title = info.name if info.name != info.id else ""
        if entry is None:
            if told:
                entries[info.id] = msgspec.structs.replace(Entry(source=name), name=title, **told)
                added.append(info.id)
            continue
        known, figures, new = entry.known(), dict(entry.figures), dict[str, Any]()
        for figure, value in told.items():
            old = known.get(figure)
            implied = figure in IMPLIED and figure not in info.figures
            if old == value or (implied and old is not None):
                continue
            held = file.sources.get(figures.get(figure, entry.source)) if old is not None else None
            if entry.by_hand:
                kept.append((info.id, figure, "the entry is written by hand"))
            elif held is not None and held.as_of > source.as_of:
                kept.append((info.id, figure, f"its source is of {held.as_of}"))
            else:
                new[figure], figures[figure] = value, name
                changed.append((info.id, figure, old, value))
        if new:
            others = {figure: by for figure, by in figures.items() if by != entry.source}
            entries[info.id] = msgspec.structs.replace(entry, name=entry.name or title, figures=others, **new)
    gone = tuple(sorted(set(file.models) - {info.id for info in infos})) if infos else ()
    changes = Changes(tuple(added), tuple(changed), gone, tuple(kept))
    if not changes.any:
        return file, changes
    groups = (entries, *file.hosts.values())
    used = {by for group in groups for entry in group.values() for by in (entry.source, *entry.figures.values())}
    sources = {by: known for by, known in (file.sources | {name: source}).items() if by in used}
    return msgspec.structs.replace(file, models=entries, sources=sources), changes


def written(file: ModelFile) -> bytes:
    """Return the file as bytes: the same for the same content, an entry a paragraph, models by id."""
    plain: dict[str, Any] = msgspec.to_builtins(file)
    for group in (plain.get("models", {}), *plain.get("hosts", {}).values()):
        for model_id in sorted(group):
            entry = group.pop(model_id)
            group[model_id] = {name: entry[name] for name in ORDER if name in entry}
    for name in {"sources", "hosts"} & plain.keys():
        plain[name] = dict(sorted(plain[name].items()))
    return msgspec.json.format(msgspec.json.encode(plain), indent=1) + b"\n"


def _name_of(source: Source, sources: dict[str, Source]) -> str:
    """Return the name that the source has in the table, or a new one."""
    base = f"list-{source.as_of}"
    names = (*sources, base, *(f"{base}-{number}" for number in range(2, len(sources) + 3)))
    return next(name for name in names if sources.get(name, source) == source)
