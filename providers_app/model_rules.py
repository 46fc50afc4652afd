"""Rules of families of models, as data; a provider that serves a family names it in its ``rules`` module."""

import msgspec

from providers_app.dialects.anthropic_messages.request import BUDGET_MODELS
from providers_app.types.credentials import Credential
from providers_app.types.rules import ModelRule


class ModelRules(msgspec.Struct, frozen=True):
    """The ``rules`` behaviour of a provider whose rules depend on the model alone."""

    rules: tuple[ModelRule, ...]

    def of(self, model: str, credential: Credential) -> tuple[ModelRule, ...]:
        """Return all of them; each knows its models."""
        return self.rules

    def underlying(self, model: str, credential: Credential) -> str:
        """Return the name itself."""
        return model


_NO_CHAT = ("gpt-5-chat", "gpt-5.1-chat", "gpt-5.2-chat", "gpt-5.3-chat")
_FIXED = "This model reasons, and takes no sampling parameters."
_WHILE_REASONING = "This model takes sampling parameters only with the reasoning effort none."

OPENAI: tuple[ModelRule, ...] = (
    ModelRule(
        models=("gpt-3.5", "gpt-4", "chatgpt-4o", *_NO_CHAT),
        params=("reasoning_effort",),
        why="This model does not reason.",
    ),
    # Chat Completions answers 400 and names the Responses API; there both go together.
    ModelRule(
        models=("gpt-5.4", "gpt-5.5", "gpt-5.6", "gpt-5.7", "gpt-5.8", "gpt-5.9", "gpt-6"),
        dialects=("openai_chat",),
        params=("reasoning_effort",),
        when=("tools", "reasoning"),
        instead="none",
        why="Over Chat Completions this model takes tools only with the reasoning effort none.",
    ),
    ModelRule(
        models=("o1", "o3", "o4"),
        params=("reasoning_effort",),
        takes=("low", "medium", "high"),
        why="This model knows the efforts low, medium and high.",
    ),
    ModelRule(
        models=("gpt-5",),
        but=("gpt-5.", *_NO_CHAT),
        params=("reasoning_effort",),
        takes=("minimal", "low", "medium", "high"),
        why="This model always reasons: it knows the efforts minimal, low, medium and high.",
    ),
    ModelRule(
        models=("gpt-5.1",),
        but=_NO_CHAT,
        params=("reasoning_effort",),
        takes=("none", "low", "medium", "high"),
        why="This model knows the efforts none, low, medium and high.",
    ),
    ModelRule(models=("o1", "o3", "o4"), params=("temperature", "top_p"), why=_FIXED),
    ModelRule(models=("gpt-5",), but=("gpt-5.", *_NO_CHAT), params=("temperature", "top_p"), why=_FIXED),
    # Their own default is no reasoning at all.
    ModelRule(
        models=("gpt-5.1", "gpt-5.2", "gpt-5.3"),
        but=_NO_CHAT,
        params=("temperature", "top_p"),
        when=("reasoning",),
        why=_WHILE_REASONING,
    ),
    ModelRule(
        models=("gpt-5.4", "gpt-5.5", "gpt-5.6", "gpt-5.7", "gpt-5.8", "gpt-5.9", "gpt-6"),
        params=("temperature", "top_p"),
        when=("reasoning_not_off",),
        why=_WHILE_REASONING,
    ),
    ModelRule(
        models=("o3", "o4", "gpt-5", "gpt-6"),
        but=_NO_CHAT,
        dialects=("openai_chat",),
        params=("stop",),
        why="This model takes no stop sequences.",
    ),
    ModelRule(
        models=("o1", "o3-mini"),
        params=("parallel_tool_calls",),
        why="This model makes one tool call at a time and takes no such switch.",
    ),
)
"""OpenAI's models (developers.openai.com/api/docs/guides/reasoning and the model pages; refusals seen on the wire)."""

SAMPLING = ("temperature", "top_p")
_OLDER = ("claude-3", "claude-opus-4-0", "claude-opus-4-2", "claude-sonnet-4-0", "claude-sonnet-4-2")

CLAUDE: tuple[ModelRule, ...] = (
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
"""Claude (platform.claude.com: migration guide, extended thinking, structured outputs; refusals seen on the wire)."""


def without_sampling(why: str) -> ModelRule:
    """Return the rule of an API version that takes no sampling parameters from any model."""
    return ModelRule(models=("",), params=SAMPLING, why=why)


GEMINI: tuple[ModelRule, ...] = (
    ModelRule(
        models=("gemini-1", "gemini-2.0", "gemma"), params=("reasoning_effort",), why="This model does not reason."
    ),
    ModelRule(
        models=("gemini-2.5-pro",),
        params=("reasoning_effort",),
        takes=("minimal", "low", "medium", "high", "xhigh", "max"),
        why="This model always thinks.",
    ),
    ModelRule(
        models=("gemini-1", "gemini-2"),
        params=("response_schema",),
        when=("tools",),
        why="This model writes JSON or calls tools, not both in one request.",
    ),
)
"""Gemini (ai.google.dev/gemini-api/docs: thinking, structured output)."""
