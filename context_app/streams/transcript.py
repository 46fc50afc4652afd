"""Turn the events of one answer into its ChatResult, its stored state and its chunks. Pure."""

import datetime
import json
from typing import Any

import msgspec

from context_app.streams.live import AnswerChunk, Ending
from providers_app.chat.answer_parts import AnswerParts
from providers_app.streaming import fold
from providers_app.types.chat import Part, ReasoningPart, TextPart, ToolCallPart
from providers_app.types.events import (
    ErrorInfo,
    Event,
    Origin,
    ReasoningDelta,
    StreamEnd,
    StreamFailed,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)

INTERRUPTED = "interrupted"
"""The error code of an answer that ended because Maestro did."""

_encoder = msgspec.json.Encoder()
_event: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode(event: Event) -> tuple[Event, bytes]:
    """Return the event and its JSON, with U+FFFD for text that no database or JSON holds (NUL, lone surrogates)."""
    try:
        data = _encoder.encode(event)
        if b"\\u0000" not in data:
            return event, data
    except UnicodeEncodeError:
        pass
    clean = msgspec.convert(_clean(msgspec.to_builtins(event)), Event)
    return clean, _encoder.encode(clean)


def decode(data: bytes) -> Event:
    """Return the event in ``data``. Raises ``msgspec.DecodeError``."""
    return _event.decode(data)


class Transcript:
    """The events of one answer, with runs of deltas joined into one."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._events: list[Event] = []
        self._run: list[str] = []
        self._run_of: TextDelta | ReasoningDelta | None = None  # the first delta of the run
        self.terminal: StreamEnd | StreamFailed | None = None

    def add(self, event: Event) -> None:
        """Add the next event. Events after the terminal one are ignored."""
        if self.terminal is not None or isinstance(event, ToolCallDelta):
            return
        if isinstance(event, TextDelta | ReasoningDelta):
            # Deltas that differ in nothing but their text become one.
            if self._run_of is None or msgspec.structs.replace(event, text="") != self._run_of:
                self._close_run()
                self._run_of = msgspec.structs.replace(event, text="")
            self._run.append(event.text)
            return
        self._close_run()
        self._events.append(event)
        if isinstance(event, StreamEnd | StreamFailed):
            self.terminal = event

    def ending(self, at: datetime.datetime, *, cut: ErrorInfo | None = None) -> Ending:
        """Return how the stream is stored. ``cut`` is the reason if there is no terminal event."""
        self._close_run()
        if self.terminal is None:
            error = cut or ErrorInfo(code=INTERRUPTED, message="The answer ended without an end.")
            self.add(StreamFailed(error=error, finish_reason="incomplete"))
        # Through JSON, so that the result is the same whether it comes from memory or from the database.
        result = msgspec.json.decode(_encoder.encode(fold(self._events).to_dict()))
        return Ending(state=_state(self.terminal), result=result, chunks=tuple(self._chunks(result)), at=at)

    def _close_run(self) -> None:
        if self._run_of is not None:
            self._events.append(msgspec.structs.replace(self._run_of, text="".join(self._run)))
            self._run, self._run_of = [], None

    def _chunks(self, result: dict[str, Any]) -> list[AnswerChunk]:
        """Return the answer's text and its calls. Reasoning lies with what it led to, so that both stay together."""
        parts = AnswerParts(Origin(self._provider) if self._provider else None)
        for event in self._events:
            parts.add(event)
        reasoning, before = self._reasoning(parts.parts())
        text = result.get("text") or result.get("refusal") or ""
        chunks = []
        if text.strip() or any(item["opaque"] for item in reasoning):
            metadata: dict[str, Any] = {"reasoning": reasoning} if reasoning else {}
            metadata |= self._text_opaque(parts.parts())
            if not result.get("text") and text:
                metadata["refusal"] = True
            chunks.append(AnswerChunk(kind="assistant", content=text, metadata=metadata))
        calls = [event for event in self._events if isinstance(event, ToolCall)]
        return chunks + [self._call(event, before.get(event.id, []), parts.origin) for event in calls]

    @staticmethod
    def _call(event: ToolCall, reasoning: list[dict[str, Any]], origin: Origin | None) -> AnswerChunk:
        metadata: dict[str, Any] = {
            "call_id": event.id,
            "name": event.name,
            "arguments": event.arguments,
            "provider_id": event.provider_id,
            "opaque": event.opaque,
            "origin": _noted(origin),
        }
        if reasoning:
            metadata["reasoning"] = reasoning
        if event.invalid_arguments is not None:
            metadata["invalid_arguments"] = event.invalid_arguments
        if event.intent_error is not None:
            metadata["intent_error"] = event.intent_error.message
        content = event.invalid_arguments or json.dumps(event.arguments, ensure_ascii=False, indent=2)
        intent = msgspec.to_builtins(event.intent)
        return AnswerChunk(kind="tool_call", content=content, metadata=metadata, intent=intent)

    @staticmethod
    def _reasoning(parts: tuple[Part, ...]) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
        """Return the reasoning that led to the text, and that which led to each call, by the call's id."""
        of_text: list[dict[str, Any]] = []
        before: dict[str, list[dict[str, Any]]] = {}
        waiting: list[dict[str, Any]] = []
        for part in parts:
            if isinstance(part, ReasoningPart):
                waiting.append({"text": part.text, "opaque": part.opaque, **_noted(part.origin)})
            elif isinstance(part, TextPart):
                of_text, waiting = of_text + waiting, []
            elif isinstance(part, ToolCallPart):
                before[part.id], waiting = waiting, []
        return of_text + waiting, before

    @staticmethod
    def _text_opaque(parts: tuple[Part, ...]) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        origin: Origin | None = None
        for part in parts:
            if isinstance(part, TextPart) and part.opaque:
                merged.update(part.opaque)
                origin = part.origin
        return {"opaque": merged, "origin": _noted(origin)} if merged else {}


def _noted(origin: Origin | None) -> dict[str, Any]:
    found = {} if origin is None else {name: getattr(origin, name) for name in ("provider", "model", "session")}
    return {name: value for name, value in found.items() if value}


def _state(terminal: StreamEnd | StreamFailed | None) -> str:
    if isinstance(terminal, StreamEnd):
        return "complete"
    if terminal is None or terminal.error.code == INTERRUPTED:
        return "interrupted"
    return "cancelled" if terminal.finish_reason == "cancelled" else "failed"


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value
