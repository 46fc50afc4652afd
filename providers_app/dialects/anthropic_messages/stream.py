"""The Messages API: its events, its whole messages, and errors inside a 200."""

from collections.abc import Callable
from typing import Any

from providers_app.dialects import blocks
from providers_app.dialects.answer import Reading
from providers_app.dialects.anthropic_messages.errors import WORDS
from providers_app.types.events import FinishReason, ReasoningDelta, UsageReport
from providers_app.wire import payload

FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "compaction": "pause",
    "refusal": "content_filter",
    "pause_turn": "pause",
}


class _Block:
    __slots__ = ("call", "kind", "part", "pieces", "raw", "signature")

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.kind = payload.text(raw.get("type"))
        self.pieces: list[str] = []
        self.signature = payload.text(raw.get("signature"))
        self.call = 0
        self.part = 0


class MessagesReading(Reading):
    """Reads one answer. It ends with ``message_stop`` or an ``error`` event; without one of them it was cut."""

    words = WORDS

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[int | None, _Block] = {}
        self._parts = 0
        self._reason: str | None = None
        self._details: dict[str, Any] = {}
        self._without_arguments: list[_Block] = []

    def value(self, event: str, value: Any) -> None:
        if type(value) is not dict:
            return
        kind = value.get("type")
        reader = _READERS.get(kind if type(kind) is str else event)
        if reader is not None:
            reader(self, value)
        elif event == "error" or (kind is None and value.get("error")):
            self.refuse(value)

    def whole(self, value: Any) -> None:
        if not isinstance(value.get("content"), list):
            self.refuse(value)
            return
        self.answer.start(value.get("model"), value.get("id"))
        for index, raw in enumerate(value["content"]):
            self._block_start({"index": index, "content_block": raw})
            self._block_stop({"index": index})
        self._message_delta({"delta": value, "usage": value.get("usage")})
        self._message_stop(value)

    def _message_start(self, value: dict[str, Any]) -> None:
        if self.answer.started:
            return  # proxies have been seen to send it twice
        message = payload.mapping(value.get("message"))
        self.answer.start(message.get("model"), message.get("id"))
        self._overlay(message.get("usage"))
        usage = self.counted("partial")
        if usage is not None:
            self.answer.append(UsageReport(usage))

    def _block_start(self, value: dict[str, Any]) -> None:
        raw = value.get("content_block")
        if not isinstance(raw, dict):
            return
        self.answer.start()
        block = self._blocks[payload.count(value.get("index"))] = _Block(raw)
        if block.kind == "tool_use":
            block.call = self.answer.next_call()
            given = raw.get("input")
            if given:
                block.pieces.append(payload.encode(given).decode())
            name, provider_id = payload.text(raw.get("name")), payload.text(raw.get("id")) or None
            self.answer.call_delta(block.call, name, "".join(block.pieces), provider_id)
        elif block.kind in ("thinking", "redacted_thinking"):
            block.part = self._parts
            self._parts += 1
            if payload.text(raw.get("thinking")):
                self.answer.reasoning(raw["thinking"], block.part)
        elif block.kind == "text":
            if payload.text(raw.get("text")):
                self.answer.text(raw["text"])
            for source in blocks.all_cited(raw.get("citations")):
                self.answer.append(source)

    def _block_delta(self, value: dict[str, Any]) -> None:
        delta = value.get("delta")
        if type(delta) is not dict:
            return
        kind = delta.get("type")
        if kind == "text_delta":
            if delta.get("text"):
                self.answer.text(payload.text(delta["text"]))
            return
        block = self._blocks.get(payload.count(value.get("index")))
        if block is None:
            return
        if kind == "input_json_delta":
            piece = payload.text(delta.get("partial_json"))
            block.pieces.append(piece)
            if block.kind == "tool_use":
                name, provider_id = payload.text(block.raw.get("name")), payload.text(block.raw.get("id")) or None
                self.answer.call_delta(block.call, name, piece, provider_id)
        elif kind == "thinking_delta":
            if delta.get("thinking"):
                self.answer.reasoning(payload.text(delta["thinking"]), block.part)
        elif kind == "signature_delta":
            block.signature += payload.text(delta.get("signature"))
        elif kind == "citations_delta":
            if isinstance(delta.get("citation"), dict):
                self.answer.append(blocks.cited(delta["citation"]))
        elif "content" in delta:
            block.raw = {**block.raw, "content": delta["content"]}

    def _block_stop(self, value: dict[str, Any]) -> None:
        block = self._blocks.pop(payload.count(value.get("index")), None)
        if block is None:
            return
        raw = block.raw
        if block.kind == "tool_use":
            arguments, invalid = payload.arguments("".join(block.pieces))
            if not arguments and invalid is None:
                self._without_arguments.append(block)  # whether it was cut is only known at the end
                return
            self._call(block, arguments, invalid)
        elif block.kind == "thinking":
            if block.signature:
                opaque = {"type": "thinking", "signature": block.signature}
                self.answer.append(ReasoningDelta("", block.part, opaque))
        elif block.kind == "redacted_thinking":
            opaque = {"type": "redacted_thinking", "data": payload.text(raw.get("data"))}
            self.answer.append(ReasoningDelta("", block.part, opaque))
        elif block.kind != "text":
            if block.pieces:
                given, invalid = payload.arguments("".join(block.pieces))
                raw = {**raw, "input": given if invalid is None else invalid}
            self.answer.append(blocks.block(block.kind, raw))

    def _call(self, block: _Block, arguments: dict[str, Any], invalid: str | None) -> None:
        name, provider_id = payload.text(block.raw.get("name")), payload.text(block.raw.get("id")) or None
        self.answer.call(block.call, name, arguments, provider_id=provider_id, invalid=invalid)

    def _message_delta(self, value: dict[str, Any]) -> None:
        delta = payload.mapping(value.get("delta"))
        if payload.text(delta.get("stop_reason")):
            self._reason = delta["stop_reason"]
            self._details = payload.mapping(delta.get("stop_details"))
        self._overlay(value.get("usage"))

    def _message_stop(self, value: dict[str, Any]) -> None:
        if self._reason is None:
            self.end()
            return
        finish = FINISH.get(self._reason, "stop")
        for block in self._without_arguments:
            self._call(block, {}, payload.NO_ARGUMENTS if finish == "length" else None)
        message = payload.text(self._details.get("explanation")) or None
        self.answer.end(finish, self._reason, usage=self.counted("provider"), message=message)

    def _overlay(self, usage: Any) -> None:
        # Figures are totals so far, never increments, and a later one corrects an earlier one.
        figures = {name: figure for name, figure in payload.mapping(usage).items() if figure is not None}
        if figures:
            self.usage = {**(self.usage or {}), **figures}


_READERS: dict[str, Callable[[MessagesReading, dict[str, Any]], None]] = {
    "message_start": MessagesReading._message_start,
    "content_block_start": MessagesReading._block_start,
    "content_block_delta": MessagesReading._block_delta,
    "content_block_stop": MessagesReading._block_stop,
    "message_delta": MessagesReading._message_delta,
    "message_stop": MessagesReading._message_stop,
    "error": MessagesReading.refuse,
}
