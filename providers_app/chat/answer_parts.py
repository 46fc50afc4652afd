"""An answer as the parts of the next request, in order, each with its provider's opaque data."""

import base64
from typing import Any

import msgspec

from providers_app.types import events
from providers_app.types.chat import BlockPart, ImagePart, Part, ReasoningPart, TextPart, ToolCallPart

Whole = events.ToolCall | events.ServerToolEvent | events.OpaqueBlock | events.GeneratedFile
"""Events that are a part by themselves."""


class _Draft(msgspec.Struct):
    kind: str
    number: int = 0
    pieces: list[str] = []
    opaque: dict[str, Any] | None = None

    def extend(self, text: str, opaque: dict[str, Any] | None) -> None:
        if text:
            self.pieces.append(text)
        if opaque:
            self.opaque = {**(self.opaque or {}), **opaque}


class AnswerParts:
    """Collects events. A tool call whose arguments are no object is left out, since it cannot be run or answered.

    ``origin`` is the provider, model and session that answered; it is taken from ``StreamStart``.
    """

    __slots__ = ("_drafts", "origin")

    def __init__(self, origin: events.Origin | None = None) -> None:
        self._drafts: list[_Draft | Whole] = []
        self.origin = origin

    def add(self, event: events.Event) -> None:
        """Add the next event of the answer."""
        match event:
            case events.TextDelta():
                last = self._drafts[-1] if self._drafts else None
                if not isinstance(last, _Draft) or last.kind != "text":
                    if event.aside and not event.text.strip():
                        return
                    last = _Draft("text")
                    self._drafts.append(last)
                last.extend(event.text, event.opaque)
            case events.ReasoningDelta():
                self._reasoning(event.part).extend(event.text, event.opaque)
            case events.ToolCall(invalid_arguments=None):
                self._drafts.append(event)
            case events.ServerToolEvent() | events.OpaqueBlock() | events.GeneratedFile():
                self._drafts.append(event)
            case events.StreamStart(origin=events.Origin() as origin):
                self.origin = origin

    def parts(self) -> tuple[Part, ...]:
        """Return the parts collected so far, without empty text."""
        found: list[Part] = []
        for draft in self._drafts:
            if not isinstance(draft, _Draft):
                found += self._whole(draft)
                continue
            text = "".join(draft.pieces)
            if draft.kind == "reasoning":
                found.append(ReasoningPart(text, draft.opaque, self.origin))
            elif text or draft.opaque:
                found.append(TextPart(text, draft.opaque, self.origin if draft.opaque else None))
        return tuple(found)

    def _reasoning(self, number: int) -> _Draft:
        for draft in reversed(self._drafts):
            if isinstance(draft, _Draft) and draft.kind == "reasoning" and draft.number == number:
                return draft
        draft = _Draft("reasoning", number)
        self._drafts.append(draft)
        return draft

    def _whole(self, event: Whole) -> list[Part]:
        match event:
            case events.ToolCall():
                given = event.arguments, event.provider_id, event.opaque, self.origin, event.intent
                return [ToolCallPart(event.id, event.name, *given)]
            case events.GeneratedFile():
                if not event.media_type.startswith("image/") or not (event.ref or event.data or event.url):
                    return []
                data = base64.b64encode(event.data).decode() if event.data else None
                return [ImagePart(event.media_type, data, event.url or None, event.ref, self.origin, event.opaque)]
            case _:
                return [BlockPart(event.kind, event.data, self.origin)]
