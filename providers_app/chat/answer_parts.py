"""An answer as the parts of the next request, in order, each with its provider's opaque data."""

import base64
from typing import Any

import msgspec

from providers_app.types.chat import BlockPart, ImagePart, Part, ReasoningPart, TextPart, ToolCallPart
from providers_app.types.events import (
    Event,
    GeneratedFile,
    OpaqueBlock,
    Origin,
    ReasoningDelta,
    ServerToolEvent,
    StreamStart,
    TextDelta,
    ToolCall,
)

Whole = ToolCall | ServerToolEvent | OpaqueBlock | GeneratedFile
"""Events that are a part by themselves."""


class _Draft(msgspec.Struct):
    kind: str
    number: int = 0
    pieces: list[str] = []
    opaque: dict[str, Any] | None = None


class AnswerParts:
    """Collects events. A tool call whose arguments are no object is left out, since it cannot be run or answered."""

    __slots__ = ("_drafts", "_origin")

    def __init__(self, origin: Origin | None = None) -> None:
        self._drafts: list[_Draft | Whole] = []
        self._origin = origin

    def add(self, event: Event) -> None:
        """Add the next event of the answer; the origin is taken from ``StreamStart``."""
        if isinstance(event, TextDelta):
            last = self._drafts[-1] if self._drafts else None
            if event.aside and not event.text.strip() and (not isinstance(last, _Draft) or last.kind != "text"):
                return
            if not isinstance(last, _Draft) or last.kind != "text":
                last = _Draft("text")
                self._drafts.append(last)
            self._extend(last, event.text, event.opaque)
        elif isinstance(event, ReasoningDelta):
            self._extend(self._reasoning(event.part), event.text, event.opaque)
        elif isinstance(event, ToolCall):
            if event.invalid_arguments is None:
                self._drafts.append(event)
        elif isinstance(event, ServerToolEvent | OpaqueBlock | GeneratedFile):
            self._drafts.append(event)
        elif isinstance(event, StreamStart) and event.origin is not None:
            self._origin = event.origin

    def parts(self) -> tuple[Part, ...]:
        """Return the parts collected so far, without empty text."""
        found: list[Part] = []
        for draft in self._drafts:
            if not isinstance(draft, _Draft):
                found += self._whole(draft)
                continue
            text = "".join(draft.pieces)
            if draft.kind == "reasoning":
                found.append(ReasoningPart(text, draft.opaque, self._origin))
            elif text or draft.opaque:
                found.append(TextPart(text, draft.opaque, self._origin if draft.opaque else None))
        return tuple(found)

    @property
    def origin(self) -> Origin | None:
        """The provider, model and session that answered, where known."""
        return self._origin

    def _reasoning(self, number: int) -> _Draft:
        for draft in reversed(self._drafts):
            if isinstance(draft, _Draft) and draft.kind == "reasoning" and draft.number == number:
                return draft
        draft = _Draft("reasoning", number)
        self._drafts.append(draft)
        return draft

    @staticmethod
    def _extend(draft: _Draft, text: str, opaque: dict[str, Any] | None) -> None:
        if text:
            draft.pieces.append(text)
        if opaque:
            draft.opaque = {**(draft.opaque or {}), **opaque}

    def _whole(self, event: Whole) -> list[Part]:
        match event:
            case ToolCall():
                given = event.arguments, event.provider_id, event.opaque, self._origin, event.intent
                return [ToolCallPart(event.id, event.name, *given)]
            case GeneratedFile():
                if not event.media_type.startswith("image/") or not (event.ref or event.data or event.url):
                    return []
                data = base64.b64encode(event.data).decode() if event.data else None
                return [ImagePart(event.media_type, data, event.url or None, event.ref, self._origin, event.opaque)]
            case _:
                return [BlockPart(event.kind, event.data, self._origin)]
