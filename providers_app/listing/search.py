"""Finding models in a list: by words, abilities, size, price and lifecycle, in a chosen order. Pure."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from providers_app.errors import InvalidRequest
from providers_app.model_data.file import CAPABILITIES, LIFECYCLES, MODALITIES
from providers_app.text import checked_names, nearest
from providers_app.types.catalogue import Capabilities, ModelInfo

MAX_TEXT = 100
OF_THE_PROVIDER = frozenset({"models", "count_tokens"})
"""Capabilities that no model file tells of, because they are the provider's and not the model's."""
APART = str.maketrans(dict.fromkeys("-_./:@+()[],", " "))
"""The separators between the parts of a name."""
FUZZY_FROM = 4
"""Shorter words must be written as they are: with one letter changed, they would fit too much."""

SORTS: dict[str, Callable[[ModelInfo], Any]] = {
    "id": lambda model: model.id.lower(),
    "name": lambda model: (model.name or model.id).lower(),
    "window": lambda model: -(model.context_window or 0),
    "output": lambda model: -(model.max_output_tokens or 0),
    "price": lambda model: math.inf if model.input_price is None else model.input_price,
    "newest": lambda model: [-ord(letter) for letter in model.released_at or ""] or [0],
}
"""Orders by name: the largest, the cheapest and the newest come first, and what is not known last."""


class ModelQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A search; a field that is left out does not filter, and a model whose figure is not known does not fit.

    ``text`` are words, each of which must be in id or name. ``supports`` are capabilities, ``reads`` and ``writes``
    modalities. ``min_window`` is in tokens, ``max_price`` in dollars per million input tokens. ``lifecycle`` are
    stages, of which one must be the model's (none: active). ``sort`` is one of ``SORTS``; without it, models whose id
    begins with the words come first, in the list's own order.
    """

    text: str = ""
    supports: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    min_window: int = 0
    max_price: float | None = None
    lifecycle: tuple[str, ...] = ()
    sort: str = ""


def checked(query: ModelQuery) -> ModelQuery:
    """``query`` when it can be answered. Raises ``InvalidRequest`` with the nearest name."""
    for what, given, known in (
        ("capability", query.supports, CAPABILITIES),
        ("modality", (*query.reads, *query.writes), MODALITIES),
        ("lifecycle", query.lifecycle, LIFECYCLES),
        ("order", (query.sort,) if query.sort else (), SORTS),
    ):
        for name in sorted(set(checked_names(given, what))):
            if name not in known:
                raise InvalidRequest(f"There is no {what} {name!r}.", hint=nearest(name, known))
    if query.min_window < 0 or (query.max_price is not None and not query.max_price >= 0):
        raise InvalidRequest("The smallest window and the highest price must not be negative.")
    return query


def search(models: Sequence[ModelInfo], query: ModelQuery, declared: Capabilities) -> list[ModelInfo]:
    """Return the models that fit; one that names no capabilities has those ``declared``. Raises ``InvalidRequest``."""
    checked(query)
    supports, stages = frozenset(query.supports), frozenset(query.lifecycle)
    reads, writes = frozenset(query.reads), frozenset(query.writes)

    def fits(model: ModelInfo) -> bool:
        return (
            (not supports or supports <= able(model, declared))
            and (not reads or reads.issubset(model.input_modalities))
            and (not writes or writes.issubset(model.output_modalities))
            and (not query.min_window or (model.context_window or 0) >= query.min_window)
            and (query.max_price is None or (model.input_price is not None and model.input_price <= query.max_price))
            and (not stages or (model.lifecycle or "active") in stages)
        )

    plain = msgspec.structs.replace(query, text="", sort="") == ModelQuery()
    found = list(models) if plain else [model for model in models if fits(model)]
    if words := query.text[:MAX_TEXT].lower().split():
        found = _with_words(found, words)
    return sorted(found, key=SORTS[query.sort]) if query.sort else found


def able(model: ModelInfo, declared: Capabilities) -> frozenset[str]:
    """Return the capabilities of a model; one without any in its entry has those that its provider has ``declared``."""
    if not model.capabilities:
        return frozenset(declared.names)
    own = frozenset(model.capabilities)
    return own if model.source == "provider" else own | (OF_THE_PROVIDER & declared.names)


def _with_words(models: list[ModelInfo], words: list[str]) -> list[ModelInfo]:
    """Return the models with every word, those first whose id begins with one. A word that no model has stands for
    every part of a name that is one letter away from it.
    """
    left = [(f"{model.id} {model.name}".lower(), model) for model in models]
    vocabulary: set[str] = set()
    for word in words:
        fitting = [each for each in left if word in each[0]]
        if not fitting and len(word) >= FUZZY_FROM:
            vocabulary = vocabulary or set(" ".join([text for text, _ in left]).translate(APART).split())
            for near in [part for part in vocabulary if _one_away(word, part)]:
                fitting += [each for each in left if near in each[0]]
            fitting = list({each[1].id: each for each in fitting}.values())
        left = fitting
    return [model for _, model in sorted(left, key=lambda each: not each[0].startswith(words[0]))]


def _one_away(word: str, part: str) -> bool:
    """Return whether ``part`` is ``word`` with one letter more, less or changed, or two letters exchanged."""
    if abs(len(word) - len(part)) > 1:
        return False
    short, long = sorted((word, part), key=len)
    at = next((n for n, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) != len(long):
        return short[at:] == long[at + 1 :]
    exchanged = short[at + 1 : at + 2] == long[at : at + 1] and short[at : at + 1] == long[at + 1 : at + 2]
    return short[at + 1 :] == long[at + 1 :] or (exchanged and short[at + 2 :] == long[at + 2 :])
