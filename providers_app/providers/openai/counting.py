"""``POST /responses/input_tokens``."""

from providers_app.behaviours.counted import JsonCount
from providers_app.dialects.openai_responses import DIALECT
from providers_app.providers.openai.requests import post

BEHAVIOUR = JsonCount(
    dialect=DIALECT,
    fields=frozenset(
        {"model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "reasoning", "text"}
    ),
    request=lambda chat, credential, body: post("/responses/input_tokens", credential, body),
    result="input_tokens",
)
