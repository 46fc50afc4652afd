"""A function call that arrives in one part, or argument by argument (Vertex AI, ``streamFunctionCallArguments``).

https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc
"""

import re
from typing import Any

from providers_app.dialects.answer import Answer
from providers_app.wire import payload

_STEP = re.compile(r"""\[(\d+)\]|\[(?:'([^']*)'|"([^"]*)")\]|\.?([^.\[\]]+)""")
_VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")


class GrowingCall:
    """One call. Its arguments are kept by their steps, and become lists where the steps are numbers."""

    __slots__ = ("_complete", "_given", "_id", "_index", "_name", "_opaque", "_tree")

    def __init__(self, index: int, name: str, provider_id: str | None) -> None:
        self._index, self._name, self._id = index, name, provider_id
        self._opaque: dict[str, Any] | None = None
        self._given: Any = None
        self._tree: dict[str | int, Any] = {}
        self._complete = False

    def grow(self, call: dict[str, Any], opaque: dict[str, Any] | None) -> None:
        """Add what a part has of the call: ``args`` as a whole, or pieces with their JSONPath."""
        self._opaque = self._opaque or opaque
        self._given = call.get("args", self._given)
        for piece in payload.sequence(call.get("partialArgs")):
            if isinstance(piece, dict):
                self._put(payload.text(piece.get("jsonPath")), piece)
        self._complete = not call.get("willContinue")

    def end(self, answer: Answer, *, cut: bool = False) -> None:
        """Emit the call. Without its last part, and ``cut`` or without arguments, it may not be run."""
        given = _listed(self._tree) if self._tree else self._given
        raw = payload.said(given)
        arguments, invalid = payload.arguments(raw)
        if not self._complete and (cut or not self._tree):
            arguments, invalid = {}, raw or payload.NO_ARGUMENTS
        answer.call_delta(self._index, self._name, raw or "{}", self._id)
        answer.call(self._index, self._name, arguments, self._id, invalid, self._opaque)

    def _put(self, path: str, piece: dict[str, Any]) -> None:
        steps = [
            int(number) if number else single or double or name
            for number, single, double, name in _STEP.findall(path.removeprefix("$"))
        ]
        value = next((piece[kind] for kind in _VALUES if kind in piece and kind != "nullValue"), None)
        node: Any = self._tree
        for step in steps[:-1]:
            node = node.setdefault(step, {}) if isinstance(node, dict) else None
        if steps and isinstance(node, dict):
            before = node.get(steps[-1])
            if isinstance(before, str) and isinstance(value, str):
                value = before + value  # a long string comes in pieces
            node[steps[-1]] = value


def _listed(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    items = {step: _listed(item) for step, item in node.items()}
    return list(items.values()) if items and all(isinstance(step, int) for step in items) else items
