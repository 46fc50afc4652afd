"""What the Responses API takes of the parameters, as data."""

from providers_app.types.rules import FormatRules

RULES = FormatRules(
    places={
        "max_output_tokens": "max_output_tokens",
        "temperature": "temperature",
        "top_p": "top_p",
        "reasoning_effort": "reasoning.effort",
        "parallel_tool_calls": "parallel_tool_calls",
        "response_schema": "text.format",
        "extra": "",
    },
    ranges={"max_output_tokens": (16, 100_000_000)},
    tool_name=r"[a-zA-Z0-9_-]{1,64}",
    tool_name_words="1 to 64 of A-Z, a-z, 0-9, _ and -",
    tool_tops=frozenset({"oneOf", "allOf", "anyOf", "enum", "not"}),
    schema="strict",
)
