"""Claude (platform.claude.com: migration guide, extended thinking, structured outputs; refusals seen on the wire)."""

from providers_app.dialects.anthropic_messages.request import BUDGET_MODELS
from providers_app.types.rules import ModelRule

SAMPLING = ("temperature", "top_p")
_OLDER = ("claude-3", "claude-opus-4-0", "claude-opus-4-2", "claude-sonnet-4-0", "claude-sonnet-4-2")

RULES: tuple[ModelRule, ...] = (
    ModelRule(
        models=("claude-opus-4-6", "claude-sonnet-4-6"),
        params=("reasoning_effort",),
        takes=("none", "low", "medium", "high", "max"),
        why="This model knows the efforts none, low, medium, high and max.",
    ),
    ModelRule(
        models=BUDGET_MODELS,
        params=("reasoning_effort",),
        when=("forced_tool", "reasoning"),
        why="This model cannot think when it has to call a tool.",
    ),
    ModelRule(
        models=(
            *("claude-opus-4-7", "claude-opus-4-8", "claude-opus-4-9"),
            *("claude-opus-5", "claude-sonnet-5", "claude-haiku-5", "claude-fable", "claude-mythos"),
        ),
        params=SAMPLING,
        why="This model takes no sampling parameters; its behaviour is steered by the prompt.",
    ),
    ModelRule(
        models=("claude",),
        params=("temperature",),
        when=("reasoning", "temperature_not_1"),
        why="While Claude thinks, its temperature is 1.",
    ),
    ModelRule(
        models=("claude",),
        params=("top_p",),
        when=("reasoning", "top_p_below_0.95"),
        why="While Claude thinks, top_p is between 0.95 and 1.",
    ),
    ModelRule(
        models=("claude",),
        but=_OLDER,
        params=("top_p",),
        when=("temperature",),
        why="This model takes the temperature or top_p, not both.",
    ),
    ModelRule(
        models=_OLDER,
        params=("response_schema",),
        why="This model has no structured output; a tool that is forced gives the same.",
    ),
)


def without_sampling(why: str) -> ModelRule:
    """The rule of an API version that takes no sampling parameters from any model."""
    return ModelRule(models=("",), params=SAMPLING, why=why)
