"""The file ``models.json`` (docs/models.md): what is known of a provider's models without asking it.

Every figure names its source: that of its entry, unless ``figures`` names another one for it. What is not known is left
out. A file with a mistake is not used at all.
"""

import datetime
import json
from contextlib import suppress
from typing import Any, get_args

import msgspec

from providers_app.types.catalogue import CapabilityName, Figures
from providers_app.types.chat import ChatParams

FORMAT = 1
MAX_BYTES = 8 * 1024 * 1024
MAX_CONFIGURED = 2000
MODALITIES = ("text", "image", "audio", "video", "file", "pdf")
LIFECYCLES = ("preview", "active", "deprecated", "retired")
PRICES = ("input_price", "output_price", "cached_input_price", "cache_write_price")
DATES = ("released_at", "deprecated_at", "retires_at")
FIGURES = Figures.__struct_fields__
CAPABILITIES = frozenset(get_args(CapabilityName))
PARAMETERS = frozenset(ChatParams.__struct_fields__)
_NAMES = {"lifecycle": LIFECYCLES, "capabilities": CAPABILITIES, "parameters": PARAMETERS}


class ModelFileError(ValueError):
    """A ``models.json`` that cannot be used; the text says where and why."""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"origin": "from"}):
    """The origin of figures (``from``: an address, or words) and the day on which they were read (``YYYY-MM-DD``)."""

    origin: str
    as_of: str


class SameAs(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Models of another provider that this one has too.

    Here their ids have ``prefix`` in front, and ``dots`` says that a dot stands for a hyphen (``claude-opus-4.5``).
    ``without`` names figures that are another matter here, such as prices.
    """

    provider: str
    prefix: str = ""
    dots: bool = False
    without: tuple[str, ...] = ()


class Entry(Figures, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One model. ``aliases`` are further ids of it; one that ends in ``*`` stands for all that begin so. ``by_hand``
    keeps an entry from being changed by ``manage.py model_data``.
    """

    name: str = ""
    aliases: tuple[str, ...] = ()
    source: str = ""
    figures: dict[str, str] = msgspec.field(default_factory=dict)
    by_hand: bool = False

    def known(self) -> dict[str, Any]:
        """Return the figures that are known, by name."""
        return {name: value for name in FIGURES if (value := getattr(self, name)) is not None}


Entries = dict[str, Entry]


class ModelFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The file as a whole."""

    format: int
    provider: str
    open: bool = False
    sources: dict[str, Source] = msgspec.field(default_factory=dict)
    same_as: tuple[SameAs, ...] = ()
    models: Entries = msgspec.field(default_factory=dict)
    hosts: dict[str, Entries] = msgspec.field(default_factory=dict)


def read(data: bytes, provider: str) -> ModelFile:
    """Parse the file of ``provider``. Raises ``ModelFileError`` for the first thing that is wrong with it."""
    if len(data) > MAX_BYTES:
        raise ModelFileError(f"it is larger than {MAX_BYTES // 1024 // 1024} MB")
    try:
        found = msgspec.json.decode(data, type=ModelFile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ModelFileError(str(error)) from None
    if found.format != FORMAT:
        raise ModelFileError(f"its format is {found.format}, and this version of Maestro reads {FORMAT}")
    if found.provider != provider:
        raise ModelFileError(f"it is for the provider {found.provider!r}, not for {provider!r}")
    for name, source in found.sources.items():
        if not source.origin.strip():
            raise ModelFileError(f"sources.{name}: from is blank")
        _check_day(f"sources.{name}.as_of", source.as_of)
    for same in found.same_as:
        _check_names("same_as.without", same.without, FIGURES)
    groups = {"models": found.models} | {f"hosts.{host}": entries for host, entries in found.hosts.items()}
    for where, entries in groups.items():
        for model_id, entry in entries.items():
            check_entry(f"{where}.{model_id}", model_id, entry, found.sources)
    return found


def read_configured(value: Any) -> Any:
    """Return the entries that an operator configures (``MAESTRO_PROVIDERS__CONFIGURED_MODELS``), by ``provider`` or
    ``provider/session`` and by model; ``value`` is JSON, or what it decodes to. Raises ``ValueError``.
    """
    if isinstance(value, str | bytes):
        if not value.strip():
            return {}
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError("it is not JSON") from None
    try:
        found = msgspec.convert(value, type=dict[str, dict[str, Entry]])
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    for where, entries in found.items():
        if len(entries) > MAX_CONFIGURED:
            raise ValueError(f"{where}: more than {MAX_CONFIGURED} models")
        for model_id, entry in entries.items():
            if not model_id.strip() or len(model_id) > 200:
                raise ValueError(f"{where}: {model_id[:80]!r} cannot be the id of a model")
            check_figures(f"{where}.{model_id}", entry.known())
    return found


def check_entry(where: str, model_id: str, entry: Entry, sources: dict[str, Source]) -> None:
    """Raises ``ModelFileError`` for a figure that cannot be true or has no source."""
    if not model_id or not model_id.isprintable() or model_id != model_id.strip() or len(model_id) > 200:
        raise ModelFileError(f"{where}: this cannot be the id of a model")
    for alias in entry.aliases:
        if len(alias.removesuffix("*")) < 3 or "*" in alias.removesuffix("*"):
            raise ModelFileError(f"{where}.aliases: {alias!r} is no id, and no beginning of 3 letters or more and *")
    known = entry.known()
    for name in known:
        if (source := entry.figures.get(name, entry.source)) not in sources:
            raise ModelFileError(f"{where}.{name}: its source {source!r} is not in the table of sources")
    _check_names(f"{where}.figures", entry.figures, known)
    check_figures(where, known)


def check_figures(where: str, known: dict[str, Any]) -> None:
    """Raises ``ModelFileError`` for a value that a figure cannot have."""
    for name, value in known.items():
        at = f"{where}.{name}"
        if name in ("context_window", "max_output_tokens"):
            if not 0 < value <= 1_000_000_000:
                raise ModelFileError(f"{at}: {value} is not a number of tokens")
        elif name in PRICES:
            if not 0 <= value < 1_000_000:
                raise ModelFileError(f"{at}: {value} is not a price in dollars per million tokens")
        elif name in DATES:
            _check_day(at, value)
        else:
            _check_names(at, (value,) if name == "lifecycle" else value, _NAMES.get(name, MODALITIES))


def _check_names(where: str, names: Any, known: Any) -> None:
    if (unknown := next((name for name in names if name not in known), None)) is not None:
        raise ModelFileError(f"{where}: {unknown!r} is not one of {', '.join(sorted(known)) or 'nothing'}")


def _check_day(where: str, value: str) -> None:
    with suppress(ValueError):
        if datetime.date.fromisoformat(value).isoformat() == value:
            return
    raise ModelFileError(f"{where}: {value!r} is not a day (YYYY-MM-DD)")
