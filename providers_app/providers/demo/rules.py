"""A demo model that takes less than its wire format allows, so that advice can be seen without a key."""

from providers_app.model_rules import ModelRules
from providers_app.providers.demo.model_names import parse
from providers_app.types.rules import ModelRule

WHY = "This demo model takes no sampling parameters, as its name says."
PICKY = ModelRule(models=("demo",), params=("temperature", "top_p"), why=WHY)


def _of_name(model: str) -> tuple[ModelRule, ...]:
    knobs = parse(model)
    return (PICKY,) if knobs is not None and "no-sampling" in knobs.quirks else ()


BEHAVIOUR = ModelRules(more=_of_name)
