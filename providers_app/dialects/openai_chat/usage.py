"""Token counts of Chat Completions and of the many servers that resemble it."""

from typing import Any

from providers_app.types.usage import Usage, UsageSource
from providers_app.wire.payload import count, mapping


def usage_of(raw: dict[str, Any], source: UsageSource = "provider") -> Usage:
    """``prompt_tokens`` includes cached tokens and ``completion_tokens`` includes reasoning, with one exception.

    Some servers (xAI) count reasoning beside the completion; they are known by their sum:
    total = prompt + completion + reasoning. ``cache_read_input_tokens`` and ``cache_creation_input_tokens`` are
    Anthropic's fields, which Databricks puts beside the others whatever the model is: 0 there says nothing.
    """
    sent = count(raw.get("prompt_tokens"))
    generated = count(raw.get("completion_tokens"))
    total = count(raw.get("total_tokens"))
    prompt_details = mapping(raw.get("prompt_tokens_details"))
    reasoning = _first(
        mapping(raw.get("completion_tokens_details")).get("reasoning_tokens"), raw.get("reasoning_tokens")
    )
    if reasoning and sent is not None and generated is not None and total == sent + generated + reasoning:
        generated += reasoning
    return Usage(
        input_tokens=sent,
        output_tokens=generated,
        cached_input_tokens=_first(
            prompt_details.get("cached_tokens"),
            raw.get("prompt_cache_hit_tokens"),
            raw.get("cached_tokens"),
            raw.get("num_cached_tokens"),
            raw.get("cache_read_input_tokens") or None,
        ),
        cache_write_tokens=_first(
            prompt_details.get("cache_write_tokens"), raw.get("cache_creation_input_tokens") or None
        ),
        reasoning_tokens=reasoning,
        total_tokens=total,
        source=source,
        raw=raw,
    )


def _first(*values: Any) -> int | None:
    return next((number for value in values if (number := count(value)) is not None), None)
