"""What is known of providers and their models."""

from typing import Any, Literal

import msgspec

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


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One model. Token limits are tokens, prices are US dollars per million tokens; ``None`` means not known."""

    id: str
    name: str = ""
    context_window: int | None = None
    max_output_tokens: int | None = None
    input_modalities: tuple[str, ...] = ("text",)
    capabilities: tuple[str, ...] = ()
    input_price: float | None = None
    output_price: float | None = None
    lifecycle: str | None = None
    retires_at: str | None = None
    source: Literal["provider", "shipped", "configured"] = "provider"
    raw: dict[str, Any] = msgspec.field(default_factory=dict)


class TokenCount(msgspec.Struct, frozen=True):
    """How many tokens a request has; ``source`` says who counted."""

    n: int
    source: Literal["provider", "estimated"]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What a successful connection test learned: a label of the account where known, and how many models it sees."""

    label: str = ""
    models: int | None = None
    request_id: str | None = None


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider declares that it can do; a name that is not in ``names`` is not supported."""

    names: frozenset[CapabilityName] = frozenset()

    def __contains__(self, name: str) -> bool:
        return name in self.names


class ProviderInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The card of a provider, declared as ``PROVIDER`` in its package's ``__init__.py``.

    ``monogram`` is two letters for its tile, ``description`` one line for the Connect page, ``key_hint`` the shape of a
    key ("sk-ant-..."), ``key_url`` where a person gets one, ``base_url_required`` asks for an address on the Connect
    page, ``base_url_editable`` allows another one, ``models_in_order`` says that its models are listed in an
    order that means something and is kept (else they are sorted by id).
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
    base_url_required: bool = False
    base_url_editable: bool = True
    models_in_order: bool = False
