"""What Chat Completions takes of the parameters, as data."""

from providers_app.types.rules import FormatRules

TOOL_TOPS = frozenset({"oneOf", "allOf", "anyOf", "enum", "not"})
RULES = FormatRules(
    places={
        "max_output_tokens": "max_completion_tokens",
        "temperature": "temperature",
        "top_p": "top_p",
        "stop": "stop",
        "seed": "seed",
        "reasoning_effort": "reasoning_effort",
        "parallel_tool_calls": "parallel_tool_calls",
        "response_schema": "response_format",
        "extra": "",
    },
    max_stops=4,
    tool_name=r"[a-zA-Z0-9_-]{1,64}",
    tool_name_words="1 to 64 of A-Z, a-z, 0-9, _ and -",
    tool_tops=TOOL_TOPS,
    schema="strict",
)
"""As OpenAI itself speaks it."""
