"""Read the intent of a stored tool call: current rows, older rows, and the rule's where there is none."""

from collections.abc import Mapping
from typing import Any

from context_app.models import ContextChunk
from providers_app.types.intent import PURPOSES, RISK_LEVELS, ToolIntent
from providers_app.types.intent_rules import intent_of

PURPOSE_LABELS: dict[str, str] = {
    "test_pass": "Making tests pass",
    "best_practice": "Good practice",
    "maintenance": "Maintenance",
}
NOT_DECLARED = "Not declared"
SOURCE_LABELS: dict[str, str] = {
    "tool": "Declared by the tool",
    "person": "Stated by you",
    "model": "Stated by the model",
    "rule": "By rule",
}


def intent_of_chunk(chunk: ContextChunk) -> ToolIntent:
    """Return the intent of a chunk; what cannot be read of it is the rule's. Old rows call ``risk_level`` ``risk``."""
    return stored_intent(chunk.intent, str(chunk.metadata.get("name") or "tool"))


def stored_intent(data: Any, name: str) -> ToolIntent:
    """Return the intent in ``data`` for a call of the tool ``name``."""
    rule = intent_of(None, name)
    if not isinstance(data, Mapping):
        return rule
    purpose, scope = data.get("purpose"), data.get("scope")
    risk = data.get("risk_level", data.get("risk"))
    source = data.get("source")
    return ToolIntent(
        purpose=purpose if purpose in PURPOSES else None,
        scope=scope if scope and isinstance(scope, str) else rule.scope,
        risk_level=risk if risk in RISK_LEVELS else rule.risk_level,
        source=source if source in SOURCE_LABELS else "rule",
    )


def shown_intent(intent: ToolIntent) -> dict[str, str]:
    """Return an intent as a card and a row of the panel show it."""
    purpose = PURPOSE_LABELS[intent.purpose] if intent.purpose is not None else NOT_DECLARED
    source = SOURCE_LABELS[intent.source]
    return {"purpose": purpose, "scope": intent.scope, "risk": intent.risk_level, "source": source}
