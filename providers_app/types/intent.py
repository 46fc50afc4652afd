"""The intent of a tool call, as data that every call carries and that audits query."""

from typing import Literal

import msgspec

Purpose = Literal["test_pass", "best_practice", "maintenance"]
RiskLevel = Literal["low", "medium", "high"]
IntentSource = Literal["tool", "person", "model", "rule"]

PURPOSES: tuple[Purpose, ...] = ("test_pass", "best_practice", "maintenance")
RISK_LEVELS: tuple[RiskLevel, ...] = ("low", "medium", "high")
MAX_SCOPE = 200


class ToolIntent(msgspec.Struct, frozen=True):
    """The purpose of a call, what it touches (``scope``, at most ``MAX_SCOPE`` characters), and how much it may break.

    ``purpose``: ``test_pass`` (it makes or proves that tests pass), ``best_practice`` (a review, a lint, a document),
    ``maintenance`` (upkeep), or ``None`` where none is declared. ``source`` says who decided: the tool's declaration,
    a statement of the person or of the model, or the rule for calls without one.
    """

    purpose: Purpose | None = None
    scope: str = ""
    risk_level: RiskLevel = "medium"
    source: IntentSource = "rule"


def scoped(intent: ToolIntent, name: str) -> ToolIntent:
    """Return the intent; one without a scope gets the tool's name as its scope."""
    return intent if intent.scope else msgspec.structs.replace(intent, scope=name[:MAX_SCOPE] or "tool")
