"""A piece of a context, as everything above the stores sees it."""

from typing import Any

import msgspec

from providers_app.types.intent import ToolIntent


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of a context, as the universal interface shows it.

    ``intent`` is that of a tool call (never ``None`` there), for audits; ``intent_error`` quotes what a model stated
    that is none.
    """

    id: str
    order: int
    role: str
    kind: str
    content: str
    tokens: int
    pinned: bool
    excluded: bool
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    intent: ToolIntent | None = None
    intent_error: str = ""
