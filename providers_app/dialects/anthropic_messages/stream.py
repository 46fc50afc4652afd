"""The Messages API: its events, its whole messages, and errors inside a 200."""

from collections.abc import Callable
from typing import Any

from providers_app.dialects import blocks, error_words
from providers_app.dialects.answer import Reading, require_room
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
    __slots__ = ("call", "cited", "kind", "part", "pieces", "raw", "signature")

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.kind = payload.text(raw.get("type"))
        self.pieces: list[str] = []
        self.signature = [payload.text(raw.get("signature"))]
        self.call = self.part = 0
        self.cited = "citations" in raw


class MessagesReading(Reading):
    """Reads one answer. It ends with ``message_stop`` or an ``error`` event; without one of them it was cut."""

    words = error_words.ANTHROPIC

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[int | None, _Block] = {}
        self._parts = 0
        self._reason: str | None = None
        self._details: dict[str, Any] = {}
        self._unsettled: list[_Block] = []
        self._begun = self._given = 0  # blocks, and those that were whole at the start
        self._texts = 0
        self._last = _Block({})

    def value(self, event: str, value: Any) -> None:
        if type(value) is not dict:
            self.unknown(event, value)
            return
        kind = value.get("type")
        reader = _READERS.get(kind if type(kind) is str else event)
        if reader is not None:
            reader(self, value)
        elif event == "error" or type(kind) is not str or kind.endswith("error"):
            self.unknown(event, value)

    def whole(self, value: dict[str, Any]) -> None:
        if not isinstance(value.get("content"), list | str | dict):
            self.refuse(value)
            return
        self.answer.start(value.get("model"), value.get("id"))
        self._content(value)
        self._message_stop(value)

    def _message_start(self, value: dict[str, Any]) -> None:
        if self.answer.started:
            return  # proxies have been seen to send it twice
        message = payload.mapping(value.get("message"))
        self.answer.start(message.get("model"), message.get("id"))
        self._content(message)  # which is empty, but for an answer that the provider had before it began to stream
        self._given = self._begun
        usage = self.counted("partial")
        if usage is not None:
            self.answer.append(UsageReport(usage))

    def _content(self, message: dict[str, Any]) -> None:
        """Read a message's blocks, but for those that were streamed, its stop reason and its usage."""
        content = message.get("content")
        found = content if isinstance(content, list) else [content] if content else []
        bare = self.answer.block is not None and not self._begun  # text came, without the events around it
        for index, raw in enumerate(found[self._begun + bare :], self._begun):
            raw = raw if isinstance(raw, dict) and "type" in raw else {"type": "text", "text": raw}
            self._block_start({"index": index, "content_block": raw})
            self._block_stop({"index": index})
        self._message_delta({"delta": message, "usage": message.get("usage")})

    def _block_start(self, value: dict[str, Any]) -> None:
        raw, index = value.get("content_block"), payload.count(value.get("index"))
        if not isinstance(raw, dict) or self._is_repeated(index):
            return
        self._begun += 1
        require_room(self._begun)
        self.answer.start()
        last, self._last = self._last, _Block(raw)
        block = self._blocks[index] = self._last
        if block.kind == "tool_use":
            block.call = self.answer.next_call()
            given = raw.get("input")
            if given:
                block.pieces.append(payload.said(given))
            name, provider_id = payload.text(raw.get("name")), payload.text(raw.get("id")) or None
            self.answer.call_delta(block.call, name, "".join(block.pieces), provider_id)
        elif block.kind in ("thinking", "redacted_thinking"):
            block.part = self._parts
            self._parts += 1
            if payload.text(raw.get("thinking")):
                self.answer.reasoning(raw["thinking"], block.part)
        elif block.kind == "text":
            # A sentence with sources comes in several blocks, those with a source and those without.
            if last.kind != "text" or not (last.cited or "citations" in raw):
                self._texts += 1
            if raw.get("text"):
                self.answer.text(payload.said(raw["text"]), self._texts)
            for source in blocks.all_cited(raw.get("citations")):
                self.answer.append(source)
        elif block.kind == "fallback":
            self.answer.start(payload.mapping(raw.get("to")).get("model"))

    def _is_repeated(self, index: int | None) -> bool:
        return index is not None and index < self._given

    def _block_delta(self, value: dict[str, Any]) -> None:
        delta = value.get("delta")
        if type(delta) is not dict:
            return
        kind = delta.get("type")
        if kind == "text_delta":
            text = delta.get("text")
            if text and not (self._given and self._is_repeated(payload.count(value.get("index")))):
                self.answer.text(text if type(text) is str else payload.said(text), self._texts)
            return
        block = self._blocks.get(index := payload.count(value.get("index")))
        if block is None and kind == "input_json_delta" and not self._is_repeated(index):
            block = next((one for one in reversed(self._blocks.values()) if one.kind == "tool_use"), None)
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
                self.answer.reasoning(payload.said(delta["thinking"]), block.part)
        elif kind == "signature_delta":
            block.signature.append(payload.text(delta.get("signature")))
        elif kind == "citations_delta":
            block.cited = True
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
            arguments, invalid = payload.arguments("".join(block.pieces), cut=True)
            if invalid is not None:
                self._unsettled.append(block)  # whether it was cut is only known at the end
                return
            self._call(block, arguments, invalid)
        elif block.kind == "thinking":
            if signature := "".join(block.signature):
                opaque = {"type": "thinking", "signature": signature}
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
        self.answer.call(block.call, name, arguments, provider_id, invalid)

    def _message_delta(self, value: dict[str, Any]) -> None:
        delta = payload.mapping(value.get("delta"))
        if payload.text(delta.get("stop_reason")):
            self._reason = delta["stop_reason"]
            self._details = payload.mapping(delta.get("stop_details"))
        self.answer.start(delta.get("model") or value.get("model"))
        self.count_in(value.get("usage"))

    def _message_stop(self, value: dict[str, Any]) -> None:
        if isinstance(value.get("message"), dict):
            self._content(value["message"])
        if self._reason is None:
            self.end()
            return
        finish = FINISH.get(self._reason, "stop")
        for block in self._unsettled:
            self._call(block, *payload.arguments("".join(block.pieces), cut=finish == "length"))
        message = payload.text(self._details.get("explanation")) or None
        self.answer.end(finish, self._reason, usage=self.counted("provider"), message=message)


_READERS: dict[str, Callable[[MessagesReading, dict[str, Any]], None]] = {
    "message": MessagesReading.whole,
    "message_start": MessagesReading._message_start,
    "content_block_start": MessagesReading._block_start,
    "content_block_delta": MessagesReading._block_delta,
    "content_block_stop": MessagesReading._block_stop,
    "message_delta": MessagesReading._message_delta,
    "message_stop": MessagesReading._message_stop,
    "error": MessagesReading.refuse,
}
