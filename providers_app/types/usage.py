"""Token counts of one answer, in one meaning for every provider."""

from typing import Any, Literal

import msgspec

UsageSource = Literal["provider", "estimated", "partial"]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer consumed, in tokens.

    ``input_tokens`` is everything that was sent, cache reads and cache writes included; ``output_tokens`` is everything
    that was generated, reasoning included. ``cached_input_tokens``, ``cache_write_tokens`` and ``reasoning_tokens`` are
    parts of those two, never to be added again. ``None`` means that the provider did not say.

    ``source`` is ``provider`` when the provider's final figures arrived, ``partial`` when the stream broke after
    provisional figures, ``estimated`` when Maestro counted itself. ``raw`` keeps the provider's own object.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None
    source: UsageSource = "provider"
    raw: dict[str, Any] = msgspec.field(default_factory=dict)
