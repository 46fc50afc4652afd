"""What a provider knows of its models' parameters beyond its wire format."""

from typing import Protocol

import msgspec

from providers_app.types.credentials import Credential
from providers_app.types.rules import FormatRules, ModelRule


class Rules(Protocol):
    """The ``rules`` behaviour of a provider; a package may leave it out."""

    def of(self, model: str, credential: Credential) -> tuple[ModelRule, ...]:
        """The rules of the provider's models, in the order in which they apply; those of other models may be among
        them. Pure."""
        ...

    def underlying(self, model: str, credential: Credential) -> str:
        """The vendor's own id of a model that this session calls otherwise, else ``model``. Pure."""
        ...


class Ruled(Protocol):
    """What a dialect has besides, when its format does not take every parameter and every value."""

    def rules(self, model: str) -> FormatRules:
        """What the format takes in a request for ``model``. Pure."""
        ...


class ModelRules(msgspec.Struct, frozen=True):
    """Rules that depend on nothing but the model."""

    rules: tuple[ModelRule, ...]

    def of(self, model: str, credential: Credential) -> tuple[ModelRule, ...]:
        """All of them; each knows its models."""
        return self.rules

    def underlying(self, model: str, credential: Credential) -> str:
        """The name itself."""
        return model
