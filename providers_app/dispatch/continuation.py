"""An answer that a provider pauses (a long turn of its own tools, a compaction): its rounds, read as one answer.

Pure: events of a round in, events for the caller out, and the request of the next round. The end of a paused round and
the start of the next are not shown, the numbers of reasoning and calls go on, and the tokens of all rounds are added.
"""

import msgspec

from providers_app.chat.answer_parts import AnswerParts
from providers_app.types.chat import ChatRequest, Message
from providers_app.types.events import (
    Event,
    ReasoningDelta,
    StreamEnd,
    StreamStart,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageReport,
)

ROUNDS = 5
"""Requests that one answer takes at most; the last one's pause is then the end that the caller sees."""
_COUNTS = (
    "total_tokens",
    "input_tokens",
    "output_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
)


class Continuation:
    """The rounds of one answer to ``chat``."""

    def __init__(self, chat: ChatRequest) -> None:
        self._chat = chat
        self._parts = AnswerParts()
        self._rounds = 1
        self._paused = False
        self._before: list[Usage] = []
        self._usage: Usage | None = None
        self._first = [0, 0]  # of this round: the first number of reasoning, and of calls
        self._next = [0, 0]

    def shown(self, events: list[Event]) -> list[Event]:
        """Return what the caller sees of these events of a round."""
        return [shown for event in events if (shown := self._one(event)) is not None]

    def next_chat(self) -> ChatRequest | None:
        """Return the request of the next round: all that was answered so far, unchanged. ``None``: it has ended."""
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
        replace = msgspec.structs.replace
        match event:
            case StreamStart() if self._rounds > 1:
                return TextDelta("\n\n", aside=True)  # the text of the rounds is apart where it is shown
            case StreamEnd(finish_reason="pause") if self._rounds < ROUNDS:
                self._paused = True
                return None
            case UsageReport(usage=usage):
                self._usage = usage
                return UsageReport(added([*self._before, usage]))
            case ReasoningDelta():
                event = replace(event, part=self._counted(0, event.part))
            case ToolCall() | ToolCallDelta():
                event = replace(event, index=self._counted(1, event.index))
        self._parts.add(event)
        return event

    def _counted(self, which: int, number: int) -> int:
        number += self._first[which]
        self._next[which] = max(self._next[which], number + 1)
        return number


def added(rounds: list[Usage]) -> Usage:
    """Return the tokens of several requests as one; ``raw`` keeps the parts."""
    if len(rounds) == 1:
        return rounds[0]
    totals = {}
    for name in _COUNTS:
        known = [count for usage in rounds if (count := getattr(usage, name)) is not None]
        totals[name] = sum(known) if known else None
    return msgspec.structs.replace(rounds[-1], **totals, raw={"rounds": [one.raw for one in rounds]})
