"""The events of one answer as the caller gets them: with origin and advice, own ids of tool calls, and no secrets."""

import hashlib
from uuid import uuid4

import msgspec

from providers_app.dialects.tool_forms import own_names
from providers_app.ports import Session
from providers_app.types.advice import Advice
from providers_app.types.chat import ChatRequest
from providers_app.types.dialect import Dialect
from providers_app.types.events import Event, Origin, StreamFailed, StreamStart, ToolCall, ToolCallDelta
from providers_app.types.intent_rules import decided
from providers_app.wire.answer import Mask

CHANGED = frozenset({StreamStart, StreamFailed, ToolCallDelta, ToolCall})


class Annotator:
    """One for each answer. The ids of its tool calls are its own: servers begin with ``call_0`` in every answer."""

    __slots__ = ("_advice", "_context_id", "_mark", "_mask", "_names", "_origin", "_tools")

    def __init__(
        self,
        chat: ChatRequest,
        session: Session,
        dialect: Dialect,
        advice: tuple[Advice, ...] = (),
        mask: Mask | None = None,
    ) -> None:
        """``chat`` is the request as the caller made it; ``mask`` knows the secrets of the request that was sent."""
        form = getattr(dialect, "tool_names", None) if chat.tools else None
        self._names = own_names(chat, form) if form is not None else {}
        self._tools = {tool.name: tool for tool in chat.tools}
        self._origin = Origin(session.provider, chat.model, session.id)
        self._advice = advice
        self._context_id = chat.context_id
        self._mask = mask
        self._mark = uuid4().hex

    def events(self, events: list[Event]) -> list[Event]:
        """Annotate the events of one read, in place."""
        for number, event in enumerate(events):
            if type(event) in CHANGED:
                events[number] = self._changed(event)
        return events

    def _changed(self, event: Event) -> Event:
        replace = msgspec.structs.replace
        match event:
            case StreamStart():
                return replace(event, origin=self._origin, advice=self._advice, context_id=self._context_id)
            case StreamFailed() if self._mask is not None:
                return replace(event, error=self._mask.error(event.error))
            case ToolCallDelta(name=name) if name in self._names:
                return replace(event, name=self._names[name])
            case ToolCall():
                own = self._names.get(event.name, event.name)
                unique = "call_" + hashlib.sha256(f"{self._mark}\0{event.id}".encode()).hexdigest()[:24]
                return decided(replace(event, id=unique, name=own), self._tools.get(own))
            case _:
                return event
