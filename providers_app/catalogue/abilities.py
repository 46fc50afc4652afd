"""What a model can do, as far as anybody says. Pure."""

from typing import get_args

from providers_app.types.catalogue import Capabilities, CapabilityName, ModelInfo

CAPABILITY_NAMES: frozenset[str] = frozenset(get_args(CapabilityName))
OF_THE_PROVIDER = frozenset({"models", "count_tokens"})
"""Capabilities that no model file tells of, because they are the provider's and not the model's."""


def able(model: ModelInfo, declared: Capabilities) -> frozenset[str]:
    """The capabilities of a model; one that says nothing has what its provider has ``declared``."""
    if not model.capabilities:
        return frozenset(declared.names)
    own = frozenset(model.capabilities)
    return own if model.source == "provider" else own | (OF_THE_PROVIDER & declared.names)
