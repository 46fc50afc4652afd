"""A model for pages: each figure with a label of its source, and a warning where one is due. Pure."""

import datetime
from dataclasses import dataclass
from typing import Any

from providers_app.types.catalogue import ModelInfo

ENDS_SOON_DAYS = 90  # a model that ends within so many days is warned of on every page that shows it
NOT_SHOWN = frozenset({"chat", "streaming", "models", "count_tokens"})  # all models that are listed have them
WORDS = {
    "tools": "tools", "parallel_tools": "parallel tools", "reasoning": "reasoning", "images_in": "pictures",
    "structured_output": "schemas",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure: ``value``, its source as a ``label`` (empty for the provider) and as a sentence in ``title``."""

    value: Any = None
    label: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning before a model is chosen: ``kind`` is that of a pill, ``text`` its words, ``title`` a sentence."""

    kind: str
    text: str
    title: str


@dataclass(frozen=True, slots=True)
class Row:
    """One model of a table or a picker."""

    model: ModelInfo
    window: Cell
    output: Cell
    price_in: Cell
    price_out: Cell
    price_label: str
    price_title: str
    extras: tuple[tuple[str, float], ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    abilities: tuple[str, ...]
    warned: Warned | None
    origin: str

    @property
    def free(self) -> bool:
        """``True`` when input and output cost nothing."""
        return self.price_in.value == 0 and self.price_out.value == 0


def row(model: ModelInfo, today: datetime.date) -> Row:
    """Return ``model`` as pages show it on that day."""
    price_in, price_out = cell(model, "input_price", today), cell(model, "output_price", today)
    prices = price_in if price_in.value is not None else price_out
    cached = (("cached", model.cached_input_price), ("cache write", model.cache_write_price))
    unsaid = NOT_SHOWN | {"images_in"} if "image" in model.input_modalities else NOT_SHOWN
    return Row(
        model=model,
        window=cell(model, "context_window", today),
        output=cell(model, "max_output_tokens", today),
        price_in=price_in,
        price_out=price_out,
        price_label=prices.label,
        price_title=prices.title,
        extras=tuple((words, price) for words, price in cached if price is not None),
        reads=tuple(name for name in model.input_modalities if name != "text"),
        writes=tuple(name for name in model.output_modalities if name != "text"),
        abilities=tuple(WORDS.get(name, name) for name in model.capabilities if name not in unsaid),
        warned=warned(model, today),
        origin={"shipped": "from the model file", "configured": "configured"}.get(model.source, ""),
    )


def cell(model: ModelInfo, name: str, today: datetime.date) -> Cell:
    """Return one figure of a model with its source."""
    value, figure = getattr(model, name), model.figures.get(name)
    if value is None or figure is None:
        return Cell(value)
    since = day(figure.as_of)
    when = f" on {since:%-d %b %Y}" if since is not None else ""
    match figure.source:
        case "provider":
            return Cell(value, "", f"The provider said so{when}.")
        case "configured":
            return Cell(value, "configured", "The operator configured it.")
        case _:
            age = (today - since).days if since is not None else 0
            label = f"file · {age} d" if age > 0 else "file"
            return Cell(value, label, f"From Maestro's model file; its source said so{when}.")


def warned(model: ModelInfo, today: datetime.date) -> Warned | None:
    """Return a warning about a model's end or an unusual stage, if there is one."""
    ends = day(model.retires_at)
    if model.lifecycle == "retired" or (ends is not None and ends <= today):
        when = f"{ends:%-d %b %Y}" if ends is not None else ""
        return Warned("bad", f"retired {when}".strip(), "The provider has switched it off; requests to it fail.")
    if ends is not None and (model.lifecycle == "deprecated" or (ends - today).days <= ENDS_SOON_DAYS):
        left = (ends - today).days
        days = "tomorrow" if left == 1 else f"in {left} days"
        return Warned("warn", f"retires {ends:%-d %b %Y}", f"The provider switches it off {days}. Choose another one.")
    if model.lifecycle == "deprecated":
        return Warned("warn", "deprecated", "The provider advises against it; a day for its end may follow.")
    if model.lifecycle == "preview":
        return Warned("info", "preview", "It may change or end at short notice.")
    return None


def day(value: str | None) -> datetime.date | None:
    """Parse a day; ``None`` for text that is none."""
    try:
        return datetime.date.fromisoformat((value or "")[:10])
    except ValueError:
        return None
