"""Providers and their models: cards, figures, lists."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from providers_app.types.events import ErrorInfo

AuthType = Literal["api_key", "oauth", "none"]
CapabilityName = Literal[
    "chat",
    "streaming",
    "tools",
    "parallel_tools",
    "reasoning",
    "images_in",
    "structured_output",
    "models",
    "count_tokens",
]
FigureSource = Literal["provider", "shipped", "configured"]
"""The provider's own list, the data file that ships with Maestro, or the operator's settings."""


class Figure(msgspec.Struct, frozen=True):
    """The source of one figure of a model; ``as_of`` is the day (``YYYY-MM-DD``) of the source."""

    source: FigureSource
    as_of: str = ""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a model, each known by itself or not (``None``).

    Limits are tokens, prices US dollars per million tokens, dates ``YYYY-MM-DD``. ``parameters`` are those that the
    model takes, by our names. ``lifecycle`` is ``preview``, ``active``, ``deprecated`` or ``retired``.
    """

    context_window: int | None = None
    max_output_tokens: int | None = None
    input_modalities: tuple[str, ...] | None = None
    output_modalities: tuple[str, ...] | None = None
    capabilities: tuple[str, ...] | None = None
    parameters: tuple[str, ...] | None = None
    input_price: float | None = None
    output_price: float | None = None
    cached_input_price: float | None = None
    cache_write_price: float | None = None
    lifecycle: str | None = None
    released_at: str | None = None
    deprecated_at: str | None = None
    retires_at: str | None = None


class ModelInfo(Figures, frozen=True, kw_only=True):
    """One model. ``figures`` has the source of each known figure, ``source`` is that of the whole entry.

    ``underlying`` is the vendor's model behind a name that an operator chose, such as an Azure deployment; ``raw`` is
    the provider's own entry.
    """

    id: str
    name: str = ""
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    capabilities: tuple[str, ...] = ()
    source: FigureSource = "provider"
    underlying: str = ""
    figures: dict[str, Figure] = msgspec.field(default_factory=dict)
    raw: dict[str, Any] = msgspec.field(default_factory=dict)


class TokenCount(msgspec.Struct, frozen=True):
    """The tokens of a request, counted by ``source``."""

    n: int
    source: Literal["provider", "estimated"]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The account that a connection test reached: its label where known, and how many models it sees."""

    label: str = ""
    models: int | None = None
    request_id: str | None = None


CHAT: frozenset[CapabilityName] = frozenset(
    {"chat", "streaming", "tools", "parallel_tools", "reasoning", "images_in", "structured_output", "models"}
)
"""Capabilities of a provider whose models chat, and that lists them."""


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """The abilities that a provider declares; a name that is not in ``names`` is not supported."""

    names: frozenset[CapabilityName] = frozenset()

    def __contains__(self, name: str) -> bool:
        return name in self.names


class SettingField(msgspec.Struct, frozen=True, kw_only=True):
    """An option of a session that its provider declares: the Connect page, admin and commands ask for it by themselves.

    Its value is text under ``name`` in ``Credential.settings``; empty: the provider's configuration decides. Never a
    secret. ``choices`` are the only values that it takes, where there are some (in the same order, ``choice_labels``:
    their words, ``addresses``: the base URL of a session that chose it and gave none). ``pattern`` is a regular
    expression for the whole value, ``problem`` says what it asks for. ``advanced`` ones are folded away on pages.
    ``auth_types`` are those that have the option; empty: all. A sign-in is asked for its options once it is stored.
    """

    name: str
    label: str
    help: str = ""
    required: bool = False
    multiline: bool = False
    placeholder: str = ""
    pattern: str = ""
    problem: str = ""
    choices: tuple[str, ...] = ()
    choice_labels: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    advanced: bool = False
    auth_types: tuple[AuthType, ...] = ()


class ProviderInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The card of a provider, declared as ``PROVIDER`` in its package's ``__init__.py``.

    ``monogram`` is two letters for its tile, ``description`` one line for the Connect page, ``key_hint`` the shape of a
    key ("sk-ant-..."), ``key_url`` where a person gets one. ``default_model`` is asked where a call names none; without
    one a chat begins with the newest model whose id fits ``general_model``, a regular expression.
    ``base_url_required`` asks for an address on the Connect page, ``base_url_editable`` allows another one.
    ``models_in_order``: its list has an order that is kept (else sorted by id). ``settings`` are the options of its
    sessions, ``also_called`` the names under which other programs keep its keys, in small letters (``claude``),
    ``address_options`` pairs: a parameter that the query of a copied address may have, and the option it becomes.
    ``imitated``: compatible servers are set up with the same variables, so a key with another host's address is one of
    the provider for such servers. ``telemetry_name`` is its ``gen_ai.provider.name`` in the conventions of
    OpenTelemetry, where that is not the slug.
    """

    slug: str
    name: str
    monogram: str
    description: str
    auth_types: tuple[AuthType, ...]
    capabilities: Capabilities
    key_hint: str = ""
    key_url: str = ""
    default_model: str = ""
    general_model: str = ""
    base_url_required: bool = False
    base_url_editable: bool = True
    models_in_order: bool = False
    settings: tuple[SettingField, ...] = ()
    also_called: tuple[str, ...] = ()
    address_options: tuple[tuple[str, str], ...] = ()
    imitated: bool = False
    telemetry_name: str = ""


class PartialList(list[ModelInfo]):
    """A provider's list of which a part could not be read; ``lacks`` is a sentence about that part."""

    def __init__(self, models: Iterable[ModelInfo], lacks: str) -> None:
        super().__init__(models)
        self.lacks = lacks


class ModelListing(msgspec.Struct, frozen=True, kw_only=True):
    """The models of a session, with how far the list can be trusted.

    ``fetched_at`` is when the provider gave it (POSIX seconds); ``None``: these are those of files and configuration.
    ``stale``: older than lists are kept; ``refreshing``: asked anew; ``error``: why it could not be asked, or has no
    list at all; ``lacks``: which part could not be read.
    """

    models: tuple[ModelInfo, ...] = ()
    fetched_at: float | None = None
    stale: bool = False
    refreshing: bool = False
    error: ErrorInfo | None = None
    lacks: str = ""

    def get(self, model_id: str) -> ModelInfo | None:
        """Return the model of that id, or ``None``."""
        return next((model for model in self.models if model.id == model_id), None)
