"""The events of one answer as the caller gets them, and the requests of a paused answer, read as one.

``Annotator`` marks the events of one request: origin and advice, ids of tool calls that are Maestro's own, no secrets.
``Continuation`` joins the requests of an answer that a provider pauses (a long turn of its own tools, a compaction).
"""

import hashlib
from uuid import uuid4

import msgspec

from providers_app.chat.answer_parts import AnswerParts
from providers_app.dialects.tool_forms import own_names
from providers_app.ports import Session
from providers_app.types import events as kinds
from providers_app.types.advice import Advice
from providers_app.types.chat import ChatRequest, Message, Part
from providers_app.types.dialect import Dialect
from providers_app.types.events import Event, Usage, UsageSource
from providers_app.types.intent_rules import decided
from providers_app.wire.answer import Mask

CHANGED = frozenset({kinds.StreamStart, kinds.ToolCallDelta, kinds.ToolCall})
STREAMED: dict[type, str] = {kinds.TextDelta: "text", kinds.ReasoningDelta: "text", kinds.ToolCallDelta: "arguments"}
"""The events that carry pieces of a longer text, and the field that holds it."""
ROUNDS = 5
"""Requests that one answer takes at most; the last one's pause is then the end that the caller sees."""
_LEAST_SURE: tuple[UsageSource, ...] = ("estimated", "partial", "provider")
_TOKENS = ("total", "input", "output", "cached_input", "cache_write", "reasoning")


class Annotator:
    """One for each request. The ids of its tool calls are its own: servers begin with ``call_0`` in every answer."""

    __slots__ = ("_advice", "_context_id", "_held", "_mark", "_mask", "_names", "_origin", "_tools", "start")

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
        self._origin = kinds.Origin(session.provider, chat.model, session.id)
        self._advice, self._context_id, self._mark = advice, chat.context_id, ""
        self._mask = mask if mask is not None and mask.values else None
        self.start: kinds.StreamStart | None = None
        self._held: Event | None = None  # a piece of text that may be the beginning of a secret

    @property
    def holding(self) -> bool:
        """``True`` while a piece of text is held back."""
        return self._held is not None

    def events(self, events: list[Event]) -> list[Event]:
        """Annotate the events of one read, and mask the secrets in them.

        A secret may come in many pieces, so a text that ends like the beginning of one is held back to the next event.
        """
        if self._mask is None:
            for number, event in enumerate(events):
                if type(event) in CHANGED:
                    events[number] = self._changed(event)
            return events
        shown: list[Event] = []
        replace = msgspec.structs.replace
        for event in events:
            if type(event) in CHANGED:
                event = self._changed(event)
            field, opaque = STREAMED.get(type(event), ""), getattr(event, "opaque", None)
            piece = getattr(event, field) if field else ""
            plain = event if opaque is None or not field else replace(event, opaque=None)
            if (held := self._held) is not None:
                self._held = None
                name = STREAMED[type(held)]
                begun = getattr(held, name)
                if type(held) is type(event) and replace(held, **{name: piece}) == plain:
                    piece = begun + piece
                else:
                    shown.append(replace(held, **{name: self._mask.text(begun)}))
            if field:
                now, later = self._mask.cut(piece)
                if later:
                    self._held = replace(plain, **{field: later})
                if now or opaque is not None or not later:
                    shown.append(event if now == getattr(event, field) else replace(event, **{field: now}))
            elif type(event) is kinds.GeneratedFile:  # no text
                shown.append(event)
            else:  # short, and rare
                text = msgspec.json.encode(event).decode()
                clean = self._mask.text(text)
                shown.append(event if clean == text else msgspec.json.decode(clean, type=type(event)))
        return shown

    def _changed(self, event: Event) -> Event:
        replace = msgspec.structs.replace
        match event:
            case kinds.StreamStart():
                self.start = replace(event, origin=self._origin, advice=self._advice, context_id=self._context_id)
                return self.start
            case kinds.ToolCallDelta(name=name) if name in self._names:
                return replace(event, name=self._names[name])
            case kinds.ToolCall():
                own = self._names.get(event.name, event.name)
                self._mark = self._mark or uuid4().hex
                unique = "call_" + hashlib.sha256(f"{self._mark}\0{event.id}".encode()).hexdigest()[:24]
                return decided(replace(event, id=unique, name=own), self._tools.get(own))
            case _:
                return event


class Continuation:
    """The requests of one answer to ``chat``. Pure.

    Neither the end of a paused one nor the start of the next is shown; numbers go on, and tokens are added.
    """

    def __init__(self, chat: ChatRequest) -> None:
        self._chat = chat
        self._parts = AnswerParts()
        self._rounds = 1
        self._paused = False
        self._before: list[Usage] = []
        self._usage: Usage | None = None
        self._first = [0, 0]  # of this request: the first number of reasoning, and of calls
        self._next = [0, 0]

    @property
    def parts(self) -> tuple[Part, ...]:
        """The answer so far, as it has to stand in a request that goes on with it."""
        return self._parts.parts()

    @property
    def usage(self) -> Usage | None:
        """The tokens of all requests so far, as far as they are known."""
        known = [*self._before, *([self._usage] if self._usage is not None else [])]
        return added(known) if known else None

    @property
    def counted(self) -> bool:
        """``True`` once the provider has counted this request."""
        return self._usage is not None

    def broken(self, used: Usage) -> None:
        """Go on with the next request after one that broke off, which consumed ``used`` unless it said itself."""
        self._before.append(self._usage or used)
        self._usage = None
        self._first = list(self._next)

    def shown(self, events: list[Event]) -> list[Event]:
        """Return what the caller sees of these events of a request."""
        return [shown for event in events if (shown := self._one(event)) is not None]

    def next_chat(self) -> ChatRequest | None:
        """Return the next request: with all that was answered so far, unchanged. ``None``: the answer has ended."""
        if not self._paused:
            return None
        self._paused = False
        self._rounds += 1
        self._first = list(self._next)
        if self._usage is not None:
            self._before.append(self._usage)
            self._usage = None
        answered = Message("assistant", self._parts.parts())
        return msgspec.structs.replace(self._chat, messages=(*self._chat.messages, answered))

    def _one(self, event: Event) -> Event | None:
        match event:
            case kinds.StreamStart() if self._rounds > 1:
                return kinds.TextDelta("\n\n", aside=True)  # the text of two requests is apart where it is shown
            case kinds.StreamEnd(finish_reason="pause") if self._rounds < ROUNDS:
                self._paused = True
                return None
            case kinds.UsageReport(usage=usage):
                self._usage = usage
                return kinds.UsageReport(added([*self._before, usage]))
            case kinds.ReasoningDelta():
                event = msgspec.structs.replace(event, part=self._counted(0, event.part))
            case kinds.ToolCall() | kinds.ToolCallDelta():
                event = msgspec.structs.replace(event, index=self._counted(1, event.index))
        self._parts.add(event)
        return event

    def _counted(self, which: int, number: int) -> int:
        number += self._first[which]
        self._next[which] = max(self._next[which], number + 1)
        return number


def added(rounds: list[Usage]) -> Usage:
    """Return the tokens of several requests as one; ``raw`` keeps the parts, ``source`` is that of the least sure."""
    if len(rounds) == 1:
        return rounds[0]
    totals = {}
    for name in (f"{kind}_tokens" for kind in _TOKENS):
        known = [count for usage in rounds if (count := getattr(usage, name)) is not None]
        totals[name] = sum(known) if known else None
    parts = [part for one in rounds for part in one.raw.get("rounds", (one.raw,))]
    sources = {usage.source for usage in rounds}
    source = next(name for name in _LEAST_SURE if name in sources)
    return msgspec.structs.replace(rounds[-1], **totals, source=source, raw={"rounds": parts})
