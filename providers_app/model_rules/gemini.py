"""Gemini (ai.google.dev/gemini-api/docs: thinking, structured output)."""

from providers_app.types.rules import ModelRule

RULES: tuple[ModelRule, ...] = (
    ModelRule(
        models=("gemini-1", "gemini-2.0", "gemma"),
        params=("reasoning_effort",),
        why="This model does not reason.",
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
