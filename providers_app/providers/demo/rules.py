"""A demo model that takes less than its wire format allows, so that advice can be seen without a key."""

from providers_app.providers.demo.model_names import parse
from providers_app.types.credentials import Credential
from providers_app.types.rules import ModelRule

PICKY = (
    ModelRule(
        models=("demo",),
        params=("temperature", "top_p"),
        why="This demo model takes no sampling parameters, as its name says.",
    ),
)


class DemoRules:
    """The knob ``no-sampling`` in a model's name."""

    def of(self, model: str, credential: Credential) -> tuple[ModelRule, ...]:
        """Return one rule, for models that ask for it."""
        knobs = parse(model)
        return PICKY if knobs is not None and "no-sampling" in knobs.quirks else ()

    def underlying(self, model: str, credential: Credential) -> str:
        """Return the name itself."""
        return model


BEHAVIOUR = DemoRules()
