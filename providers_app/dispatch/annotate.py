"""What the events of an answer get that only the request knows: origin, our names of tools, unique ids, intents."""

import hashlib
from uuid import uuid4

import msgspec

from providers_app.dialects.tool_forms import own_names
from providers_app.ports import Session
from providers_app.types.chat import ChatRequest
from providers_app.types.dialect import Dialect
from providers_app.types.events import Event, StreamStart, ToolCall, ToolCallDelta
from providers_app.types.intent_rules import decided
from providers_app.types.origin import Origin


class Stamp:
    """One for each answer. The ids of its calls are its own: servers begin with ``call_0`` in every answer."""

    def __init__(self, chat: ChatRequest, session: Session, dialect: Dialect) -> None:
        form = getattr(dialect, "tool_names", None)
        self._names = own_names(chat, form) if form is not None else {}
        self._tools = {tool.name: tool for tool in chat.tools}
        self._origin = Origin(session.provider, chat.model, session.id)
        self._mark = uuid4().hex

    def event(self, event: Event) -> Event:
        """The event as the caller gets it."""
        if isinstance(event, StreamStart):
            return msgspec.structs.replace(event, origin=self._origin)
        if isinstance(event, ToolCallDelta) and event.name in self._names:
            return msgspec.structs.replace(event, name=self._names[event.name])
        if isinstance(event, ToolCall):
            own = self._names.get(event.name, event.name)
            unique = "call_" + hashlib.sha256(f"{self._mark}\0{event.id}".encode()).hexdigest()[:24]
            return decided(msgspec.structs.replace(event, id=unique, name=own), self._tools.get(own))
        return event
