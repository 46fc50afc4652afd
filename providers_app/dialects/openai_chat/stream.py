"""Chat Completions: chunks, whole completions and errors inside a 200, from OpenAI and everything that resembles it."""

from collections.abc import Callable
from typing import Any, Literal

from providers_app.dialects import blocks
from providers_app.dialects.answer import Reading
from providers_app.dialects.openai_chat.errors import WORDS
from providers_app.dialects.openai_chat.fragments import ThinkTags, ToolCallDrafts
from providers_app.errors import BadAnswer, UpstreamError
from providers_app.types.events import FinishReason, ReasoningDelta, TextDelta
from providers_app.wire import payload

# Servers invent words for an ordinary end, so what is not listed here means "stop"; the word itself is always kept.
FINISH: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
}
_FAILED = frozenset({"error", "insufficient_system_resource"})
_DETAIL_TEXT = {"reasoning.text": "text", "reasoning.summary": "summary"}
_REASONING_FIELDS = ("reasoning_content", "reasoning")


class ChatReading(Reading):
    """Reads one answer. It ends at ``[DONE]``, or where the body ends after a finish reason."""

    words = WORDS

    def __init__(self, think_tags: Literal["off", "tags", "opened"] = "off") -> None:
        super().__init__()
        self._drafts: ToolCallDrafts | None = None
        self._finish: str | None = None
        self._answered = False
        self._details: list[dict[str, Any]] = []
        self._citations: list[Any] = []
        self._sound: list[str] = []  # pieces of base64, cut at multiples of four characters
        self._split: ThinkTags | None = None if think_tags == "off" else ThinkTags(opened=think_tags == "opened")

    def done(self) -> None:
        self._end() if self._answered else self.end()  # an end marker alone is no answer

    def value(self, event: str, value: Any) -> None:
        if event == "error" or (type(value) is dict and value.get("error")):
            self._read_usage(payload.mapping(value))
            self.refuse(value)
        elif type(value) is dict:
            self._chunk(value)

    def whole(self, value: Any) -> None:
        if isinstance(value.get("choices"), list) and not value.get("error"):
            self._chunk(value)
            self._end() if self._answered else self.fail(BadAnswer("The provider answered without any choice."))
        else:
            self._read_usage(value)
            self.refuse(value)

    def end(self) -> None:
        if self._finish is not None:
            self._end()
        else:
            self._flush_text()
            super().end()

    def _chunk(self, value: dict[str, Any]) -> None:
        choices = value.get("choices")
        if not self.answer.started and (choices or value.get("id") or value.get("model")):
            self.answer.start(value.get("model"), value.get("id"))
        if value.get("usage") or value.get("x_groq"):
            self._read_usage(value)
        if value.get("citations"):
            self._citations = payload.sequence(value["citations"])
        for choice in choices if type(choices) is list else ():
            if type(choice) is not dict or choice.get("index"):
                continue  # further choices (n > 1) are not asked for and not read
            self._answered = True
            delta = choice.get("delta")
            if delta is None:
                delta = choice.get("message")
            if type(delta) is dict:
                self._delta(delta)
            finish = choice.get("finish_reason")
            if finish and type(finish) is str:
                self._finish = finish
            if choice.get("error"):
                self.refuse(choice)

    def _delta(self, delta: dict[str, Any]) -> None:
        reads = _READERS
        for name, value in delta.items():
            if value and name in reads:
                reads[name](self, value, delta)

    def _content(self, value: Any, _delta: dict[str, Any]) -> None:
        if type(value) is str:
            if self._split is None:
                self.answer.append(TextDelta(value))
            else:
                self._text(value)
            return
        for part in payload.sequence(value):
            if not isinstance(part, dict):
                continue
            thinking = part.get("thinking")
            if isinstance(thinking, list):
                thinking = "".join(payload.text(payload.mapping(piece).get("text")) for piece in thinking)
            if isinstance(thinking, str) and thinking:
                self.answer.reasoning(thinking)
            elif payload.text(part.get("text")):
                self._text(part["text"])
            elif part.get("type") not in ("text", "thinking"):
                self.answer.append(blocks.block(str(part.get("type")), part))

    def _text(self, piece: str) -> None:
        if self._split is None:
            self.answer.append(TextDelta(piece))
            return
        for is_reasoning, text in self._split.feed(piece):
            (self.answer.reasoning if is_reasoning else self.answer.text)(text)

    def _flush_text(self) -> None:
        for is_reasoning, text in self._split.close() if self._split is not None else ():
            (self.answer.reasoning if is_reasoning else self.answer.text)(text)

    def _reasoning(self, value: Any, delta: dict[str, Any]) -> None:
        # Servers that send both fields repeat the same text in them; the first one wins.
        if type(value) is str and value is next(delta[name] for name in _REASONING_FIELDS if delta.get(name)):
            self.answer.reasoning(value)

    def _reasoning_details(self, value: Any, delta: dict[str, Any]) -> None:
        items = [item for item in payload.sequence(value) if isinstance(item, dict)]
        self._details += items
        if not any(delta.get(name) for name in _REASONING_FIELDS):
            for item in items:
                text = payload.text(item.get("text")) or payload.text(item.get("summary"))
                if text:
                    self.answer.reasoning(text)

    def _refusal(self, value: Any, _delta: dict[str, Any]) -> None:
        if type(value) is str:
            self.answer.append(TextDelta(value, None, True))

    def _tool_calls(self, value: Any, _delta: dict[str, Any]) -> None:
        for raw in payload.sequence(value):
            self._function_call(raw, _delta)

    def _function_call(self, value: Any, _delta: dict[str, Any]) -> None:
        if self._drafts is None:
            self._drafts = ToolCallDrafts(self.answer)
        self._drafts.fragment(value)

    def _annotations(self, value: Any, _delta: dict[str, Any]) -> None:
        for source in blocks.all_cited(value):
            self.answer.append(source)

    def _images(self, value: Any, _delta: dict[str, Any]) -> None:
        for picture in payload.sequence(value):
            address = payload.mapping(picture).get("image_url") or picture
            url = payload.text(payload.mapping(address).get("url") or address)
            if url:
                self.answer.append(blocks.picture_at("images", url))

    def _audio(self, value: Any, _delta: dict[str, Any]) -> None:
        piece = payload.mapping(value)
        self._sound.append(payload.text(piece.get("data")))
        if payload.text(piece.get("transcript")):
            self._text(piece["transcript"])

    def _read_usage(self, value: dict[str, Any]) -> None:
        usage = value.get("usage") or payload.mapping(value.get("x_groq")).get("usage")
        if isinstance(usage, dict) and usage:
            self.usage = usage

    def fail(self, error: UpstreamError, finish: FinishReason = "error", raw: str | None = None) -> None:
        self._flush_text()
        super().fail(error, FINISH.get(self._finish or "", finish), self._finish)

    def _end(self) -> None:
        raw = self._finish
        if raw in _FAILED:
            self.fail(UpstreamError(f"The provider ended the answer with “{raw}”.", type=raw))
            return
        if self._split is not None:
            self._flush_text()
        answer = self.answer
        if self._details:
            answer.append(ReasoningDelta("", 0, {"reasoning_details": merged_details(self._details)}))
        for source in blocks.all_cited(self._citations):
            answer.append(source)
        if any(self._sound):
            answer.append(blocks.generated("audio", "audio/wav", "".join(self._sound)))
        finish = FINISH.get(raw or "", "stop")
        if self._drafts is not None:
            self._drafts.emit(cut=finish == "length")
            if finish == "stop" and self._drafts:
                finish = "tool_calls"
        answer.end(finish, raw, usage=self.counted("provider"))


def merged_details(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``reasoning_details`` as they must be sent back: neighbouring pieces of one kind and index joined."""
    merged: list[dict[str, Any]] = []
    pieces: list[str] = []
    joined_field: str | None = None
    for item in items:
        field = _DETAIL_TEXT.get(payload.text(item.get("type")))
        last = merged[-1] if merged else {}
        if field is None or field != joined_field or last.get("index") != item.get("index"):
            if joined_field:
                last[joined_field] = "".join(pieces)
            merged.append(dict(item))
            pieces, joined_field = [], field
        else:
            last.update({key: value for key, value in item.items() if value is not None})
        if field:
            pieces.append(payload.text(item.get(field)))
    if joined_field:
        merged[-1][joined_field] = "".join(pieces)
    return merged


_READERS: dict[str, Callable[[ChatReading, Any, dict[str, Any]], None]] = {
    "content": ChatReading._content,
    "reasoning_content": ChatReading._reasoning,
    "reasoning": ChatReading._reasoning,
    "reasoning_details": ChatReading._reasoning_details,
    "refusal": ChatReading._refusal,
    "tool_calls": ChatReading._tool_calls,
    "function_call": ChatReading._function_call,
    "annotations": ChatReading._annotations,
    "audio": ChatReading._audio,
    "images": ChatReading._images,
}
