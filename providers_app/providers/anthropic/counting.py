"""``POST /v1/messages/count_tokens``: free, with a rate limit of its own."""

from providers_app.behaviours.lookups import JsonCount
from providers_app.dialects.anthropic_messages import DIALECT
from providers_app.providers.anthropic.requests import post

BEHAVIOUR = JsonCount(
    dialect=DIALECT,
    fields=frozenset(
        {"messages", "model", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"}
    ),
    request=lambda chat, credential, body: post("/v1/messages/count_tokens", credential, body),
    result="input_tokens",
)
