"""What generateContent takes of the parameters, as data."""

from providers_app.types.rules import FormatRules

BUDGET_MODELS = ("gemini-1", "gemini-2")
"""Models that know a budget of thinking tokens instead of a level, by the start of their names."""
BUDGETS = {"none": 0, "minimal": 512, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 24_576, "max": 24_576}
EFFORTS = {"none": "minimal", "max": "xhigh"}
"""Efforts that there is no level for."""

RULES = FormatRules(
    places={
        "max_output_tokens": "generationConfig.maxOutputTokens",
        "temperature": "generationConfig.temperature",
        "top_p": "generationConfig.topP",
        "stop": "generationConfig.stopSequences",
        "seed": "generationConfig.seed",
        "reasoning_effort": "generationConfig.thinkingConfig",
        "response_schema": "generationConfig.responseJsonSchema",
        "extra": "",
    },
    ranges={"seed": (-(2**31), 2**31 - 1)},
    max_stops=5,
    defaults={"parallel_tool_calls": True},
    renamed_efforts=EFFORTS,
    tool_name=r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}",
    tool_name_words="a letter or _, then up to 63 of A-Z, a-z, 0-9, _ - . and :",
    strict_tools=False,
)
"""For the models with thinking levels."""
