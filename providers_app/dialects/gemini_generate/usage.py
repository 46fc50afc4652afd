"""Token counts of the Gemini API."""

from typing import Any

from providers_app.types.usage import Usage, UsageSource
from providers_app.wire.payload import count


def usage_of(raw: dict[str, Any], source: UsageSource = "provider") -> Usage:
    """Prompt (with cache) and tool-use prompt are disjoint, and so are candidates and thoughts: both pairs are added.

    The format leaves out counts that are zero, so an absent one is zero: a blocked prompt has no counts at all.
    """
    thoughts = count(raw.get("thoughtsTokenCount"))
    return Usage(
        input_tokens=(count(raw.get("promptTokenCount")) or 0) + (count(raw.get("toolUsePromptTokenCount")) or 0),
        output_tokens=(count(raw.get("candidatesTokenCount")) or 0) + (thoughts or 0),
        cached_input_tokens=count(raw.get("cachedContentTokenCount")),
        reasoning_tokens=thoughts,
        total_tokens=count(raw.get("totalTokenCount")),
        source=source,
        raw=raw,
    )
