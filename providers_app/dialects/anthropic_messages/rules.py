"""What the Messages API takes of the parameters, as data."""

from providers_app.types.rules import FormatRules

BUDGET_MODELS = (
    "claude-3",
    "claude-sonnet-4-0",
    "claude-sonnet-4-2",
    "claude-sonnet-4-5",
    "claude-opus-4-0",
    "claude-opus-4-1",
    "claude-opus-4-2",
    "claude-opus-4-5",
    "claude-haiku-4-5",
)
"""Models that know a budget of thinking tokens and no adaptive thinking, by the start of their names."""
BUDGETS = {
    "minimal": 1024,
    "low": 2048,
    "medium": 6144,
    "high": 12_288,
    "xhigh": 15_360,
    "max": 15_360,
}
LEAST_BUDGET = 1024
EFFORTS = {"minimal": "low"}
"""Efforts that the format has no word for."""

PLACES = {
    "max_output_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "stop": "stop_sequences",
    "reasoning_effort": "thinking",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "response_schema": "output_config.format",
    "extra": "",
}
RULES = FormatRules(
    places=PLACES,
    ranges={"temperature": (0.0, 1.0)},
    defaults={"parallel_tool_calls": True},
    renamed_efforts=EFFORTS,
    tool_name=r"[a-zA-Z0-9_-]{1,128}",
    tool_name_words="1 to 128 of A-Z, a-z, 0-9, _ and -",
    tool_tops=frozenset({"oneOf", "allOf", "anyOf"}),
    schema="object",
)
"""For the models with adaptive thinking."""
