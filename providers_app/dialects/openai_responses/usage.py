"""Token counts of the Responses API."""

from typing import Any

from providers_app.types.usage import Usage, UsageSource
from providers_app.wire.payload import count, mapping


def usage_of(raw: dict[str, Any], source: UsageSource = "provider") -> Usage:
    """``input_tokens`` includes cached tokens and ``output_tokens`` includes reasoning."""
    sent = mapping(raw.get("input_tokens_details"))
    return Usage(
        input_tokens=count(raw.get("input_tokens")),
        output_tokens=count(raw.get("output_tokens")),
        cached_input_tokens=count(sent.get("cached_tokens")),
        cache_write_tokens=count(sent.get("cache_write_tokens")),
        reasoning_tokens=count(mapping(raw.get("output_tokens_details")).get("reasoning_tokens")),
        total_tokens=count(raw.get("total_tokens")),
        source=source,
        raw=raw,
    )
