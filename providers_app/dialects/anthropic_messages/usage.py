"""Token counts of the Messages API."""

from typing import Any

from providers_app.types.usage import Usage, UsageSource
from providers_app.wire.payload import count, mapping


def usage_of(raw: dict[str, Any], source: UsageSource = "provider") -> Usage:
    """``input_tokens``, cache reads and cache writes are three disjoint parts of what was sent; thinking is output."""
    fresh = count(raw.get("input_tokens"))
    read = count(raw.get("cache_read_input_tokens"))
    written = count(raw.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=None if fresh is None else fresh + (read or 0) + (written or 0),
        output_tokens=count(raw.get("output_tokens")),
        cached_input_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=count(mapping(raw.get("output_tokens_details")).get("thinking_tokens")),
        source=source,
        raw=raw,
    )
