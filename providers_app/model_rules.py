"""Rules of families of models, as data; a provider that serves a family names it in its ``rules`` module."""

from collections.abc import Callable

import msgspec

from providers_app.dialects.anthropic_messages import BUDGET_MODELS
from providers_app.types.credentials import Credential
from providers_app.types.rules import EFFORTS, ModelRule


class ModelRules(msgspec.Struct, frozen=True):
    """The ``rules`` behaviour of a provider: those of families, and ``more`` of a model, which come first.

    ``vendor_id`` gives the vendor's own id of a model that a session calls otherwise.
    """

    rules: tuple[ModelRule, ...] = ()
    more: Callable[[str], tuple[ModelRule, ...]] = lambda model: ()
    vendor_id: Callable[[str, Credential], str] = lambda model, credential: model

    def of(self, model: str, credential: Credential) -> tuple[ModelRule, ...]:
        """Return all of them, those of the model first."""
        return (*self.more(model), *self.rules)

    def underlying(self, model: str, credential: Credential) -> str:
        """Return the vendor's own id. Raise what ``vendor_id`` raises."""
        return self.vendor_id(model, credential)


SAMPLING = ("temperature", "top_p")
_TEMPERATURE, _TOP_P = ("temperature",), ("top_p",)
_EFFORT = ("reasoning_effort",)
_CHAT = ("openai_chat",)
_NO_CHAT = ("gpt-5-chat", "gpt-5.1-chat", "gpt-5.2-chat", "gpt-5.3-chat")
_FROM_5_4 = ("gpt-5.4", "gpt-5.5", "gpt-5.6", "gpt-5.7", "gpt-5.8", "gpt-5.9", "gpt-6")
_FIXED = "This model reasons, and takes no sampling parameters."
_TOOLS = "Over Chat Completions this model takes tools only with the reasoning effort none."
_ONE_CALL = "This model makes one tool call at a time and takes no such switch."
_WHILE_REASONING = "This model takes sampling parameters only with the reasoning effort none."


def _knows(
    models: tuple[str, ...], *efforts: str, but: tuple[str, ...] = (), opening: str = "This model knows"
) -> ModelRule:
    """Return the rule of models that take these reasoning efforts and no others."""
    why = f"{opening} the efforts {', '.join(efforts[:-1])} and {efforts[-1]}."
    return ModelRule(models, _EFFORT, why, but=but, takes=efforts)


OPENAI: tuple[ModelRule, ...] = (
    ModelRule(("gpt-3.5", "gpt-4", "chatgpt-4o", *_NO_CHAT), _EFFORT, "This model does not reason."),
    # Chat Completions answers 400 and names the Responses API; there both go together.
    ModelRule(_FROM_5_4, _EFFORT, _TOOLS, dialects=_CHAT, when=("tools", "reasoning"), instead="none"),
    _knows(("o1", "o3", "o4"), "low", "medium", "high"),
    _knows(("gpt-5",), *EFFORTS[1:5], but=("gpt-5.", *_NO_CHAT), opening="This model always reasons: it knows"),
    _knows(("gpt-5.1",), "none", "low", "medium", "high", but=_NO_CHAT),
    ModelRule(("o1", "o3", "o4"), SAMPLING, _FIXED),
    ModelRule(("gpt-5",), SAMPLING, _FIXED, but=("gpt-5.", *_NO_CHAT)),
    # Their own default is no reasoning at all.
    ModelRule(("gpt-5.1", "gpt-5.2", "gpt-5.3"), SAMPLING, _WHILE_REASONING, but=_NO_CHAT, when=("reasoning",)),
    ModelRule(_FROM_5_4, SAMPLING, _WHILE_REASONING, when=("reasoning_not_off",)),
    ModelRule(
        ("o3", "o4", "gpt-5", "gpt-6"), ("stop",), "This model takes no stop sequences.", but=_NO_CHAT, dialects=_CHAT
    ),
    ModelRule(("o1", "o3-mini"), ("parallel_tool_calls",), _ONE_CALL),
)
"""OpenAI's models (developers.openai.com/api/docs/guides/reasoning and the model pages; refusals seen on the wire)."""

_ALL = ("claude",)
_OLDER = ("claude-3", "claude-opus-4-0", "claude-opus-4-2", "claude-sonnet-4-0", "claude-sonnet-4-2")
_NO_SAMPLING = (
    *("claude-opus-4-7", "claude-opus-4-8", "claude-opus-4-9"),
    *("claude-opus-5", "claude-sonnet-5", "claude-haiku-5", "claude-fable", "claude-mythos"),
)

CLAUDE: tuple[ModelRule, ...] = (
    _knows(("claude-opus-4-6", "claude-sonnet-4-6"), "none", "low", "medium", "high", "max"),
    ModelRule(
        BUDGET_MODELS, _EFFORT, "This model cannot think when it has to call a tool.", when=("forced_tool", "reasoning")
    ),
    ModelRule(
        _NO_SAMPLING, SAMPLING, "This model takes no sampling parameters; its behaviour is steered by the prompt."
    ),
    ModelRule(
        _ALL, _TEMPERATURE, "While Claude thinks, its temperature is 1.", when=("reasoning", "temperature_not_1")
    ),
    ModelRule(
        _ALL, _TOP_P, "While Claude thinks, top_p is between 0.95 and 1.", when=("reasoning", "top_p_below_0.95")
    ),
    ModelRule(_ALL, _TOP_P, "This model takes the temperature or top_p, not both.", but=_OLDER, when=("temperature",)),
    ModelRule(
        _OLDER, ("response_schema",), "This model has no structured output; a tool that is forced gives the same."
    ),
)
"""Claude (platform.claude.com: migration guide, extended thinking, structured outputs; refusals seen on the wire)."""


def without_sampling(why: str) -> ModelRule:
    """Return the rule of an API version that takes no sampling parameters from any model."""
    return ModelRule(("",), SAMPLING, why)


_JSON_OR_TOOLS = "This model writes JSON or calls tools, not both in one request."

GEMINI: tuple[ModelRule, ...] = (
    ModelRule(("gemini-1", "gemini-2.0", "gemma"), _EFFORT, "This model does not reason."),
    ModelRule(("gemini-2.5-pro",), _EFFORT, "This model always thinks.", takes=EFFORTS[1:]),
    ModelRule(("gemini-1", "gemini-2"), ("response_schema",), _JSON_OR_TOOLS, when=("tools",)),
)
"""Gemini (ai.google.dev/gemini-api/docs: thinking, structured output)."""
