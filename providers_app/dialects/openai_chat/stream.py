"""Chat Completions: chunks, whole completions and errors inside a 200, from OpenAI and everything that resembles it."""

from collections.abc import Callable
from typing import Any, Literal
from zlib import crc32

from providers_app.dialects import blocks, error_words
from providers_app.dialects.answer import Reading, is_error, require_room
from providers_app.dialects.openai_chat.fragments import OneChoice, ThinkTags, ToolCallDrafts, merged_details
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
_FAILED = frozenset({"error", "insufficient_system_resource", "malformed_function_call", "unexpected_tool_call"})
_REASONING_FIELDS = ("reasoning_content", "reasoning")
DETAILS_PER_PART = 10
"""``reasoning_details`` come in pieces that are joined at the end."""


class ChatReading(Reading):
    """Reads one answer. It ends at ``[DONE]``, or where the body ends after a finish reason."""

    words = error_words.OPENAI_CHAT

    def __init__(self, think_tags: Literal["off", "tags", "opened"] = "off") -> None:
        super().__init__()
        self._drafts: ToolCallDrafts | None = None
        self._finish: str | None = None
        self._answered = False
        self._details: list[dict[str, Any]] = []
        self._citations: list[Any] = []
        self._sound: list[str] = []  # pieces of base64, cut at multiples of four characters
        self._results: list[Any] = []
        self._told = {"content": [0, 0], "reasoning": [0, 0], "refusal": [0, 0]}  # bytes that came, and their CRC-32
        self._by_delta = False
        self._index: Any = 0
        self._one: OneChoice | None = None
        self._split: ThinkTags | None = None if think_tags == "off" else ThinkTags(opened=think_tags == "opened")

    def done(self) -> None:
        self._continue()
        # An end marker alone is no answer, and words of failure before it are believed.
        self._end() if self._answered and (self._finish or not self.doubt) else self.end()

    def value(self, event: str, value: Any) -> None:
        if event == "error" or type(value) is not dict or (value.get("error") and is_error(value)):
            self.count_in(payload.mapping(value).get("usage"))
            self.unknown(event, value)
        else:
            self._chunk(value)

    def whole(self, value: Any) -> None:
        if isinstance(value.get("choices"), list) and not is_error(value):
            self._chunk(value)
            self._continue()
            self._end() if self._answered else self.fail(BadAnswer("The provider answered without any choice."))
        else:
            self.count_in(value.get("usage"))
            self.refuse(value)

    def end(self) -> None:
        self._continue()
        if self._finish is not None:
            self._end()
        else:
            self._flush_text()
            super().end()

    def _chunk(self, value: dict[str, Any]) -> None:
        choices = value.get("choices")
        if not self.answer.started or value.get("model") != self.answer.model:
            if choices or value.get("id") or value.get("model"):
                self.answer.start(value.get("model"), value.get("id"))
            if choices is None:
                self.unknown("", value)
        if value.get("usage") or value.get("x_groq"):
            self.count_in(value.get("usage") or payload.mapping(value["x_groq"]).get("usage"))
        if value.get("citations"):
            self._citations = payload.sequence(value["citations"])
        if value.get("search_results"):
            self._results = payload.sequence(value["search_results"])
        if type(choices) is list:
            for choice in choices:
                if type(choice) is dict and (choice.get("index") == self._index or self._is_read(choice, choices)):
                    self._choice(choice)

    def _is_read(self, choice: dict[str, Any], choices: list[Any]) -> bool:
        if not self._answered:
            self._index = choice.get("index")
            return True
        if self._one is None:
            self._one, self._index = OneChoice(self._index), ...
        return self._one.is_read(choice, alone=len(choices) == 1, ended=self._finish is not None)

    def _continue(self) -> None:
        """Read the choices that were held until it was known that they continue the answer."""
        if (one := self._one) is not None:
            held, one.held = one.held, []
            for choice in held:
                self._choice(choice)

    def _choice(self, choice: dict[str, Any]) -> None:
        self._answered = True
        delta = choice.get("delta")
        if type(delta) is dict and delta:
            self._by_delta = True
            text = delta.get("content")
            if len(delta) == 1 and type(text) is str and self._split is None:
                if text:  # nearly every chunk of most answers; the readers come to the same
                    told, data = self._told["content"], text.encode()  # as _tell does
                    told[0] += len(data)
                    told[1] = crc32(data, told[1])
                    self.answer.append(TextDelta(text))
            else:
                self._delta(delta)
        elif type(message := choice.get("message")) is dict:
            self._delta(self._rest(message) if self._by_delta else message)
        elif type(text := choice.get("text")) is str and text:
            self._text(text)
        finish = choice.get("finish_reason")
        if finish and type(finish) is str:
            self._finish = finish
        if choice.get("usage"):
            self.count_in(choice["usage"])
        if choice.get("error") and is_error(choice):
            self.refuse(choice)

    def _tell(self, field: str, text: str) -> None:
        """Remember a piece of a field that a closing message may repeat, by its size and sum."""
        told, data = self._told[field], text.encode()
        told[0] += len(data)
        told[1] = crc32(data, told[1])

    def _rest(self, message: dict[str, Any]) -> dict[str, Any]:
        """Return what a closing whole message has beyond the deltas, which it repeats."""
        rest = dict(message)
        for name, whole in message.items():
            size, crc = self._told.get("reasoning" if name in _REASONING_FIELDS else name, (0, 0))
            if size:
                data = payload.text(whole).encode()
                rest[name] = data[size:].decode("utf-8", "replace") if crc32(data[:size]) == crc else None
        if self._details:
            rest["reasoning_details"] = None
        if self._drafts is not None:
            rest["tool_calls"] = rest["function_call"] = None
            calls = payload.sequence(message.get("tool_calls")) or [message.get("function_call")]
            for number, raw in enumerate(calls):
                self._drafts.whole(number, raw)
        return rest

    def _delta(self, delta: dict[str, Any]) -> None:
        reads = _READERS
        for name, value in delta.items():
            if value and name in reads:
                reads[name](self, value, delta)

    def _content(self, value: Any, _delta: dict[str, Any]) -> None:
        if type(value) is str:
            self._tell("content", value)
            if self._split is None:
                self.answer.append(TextDelta(value))
            else:
                self._text(value)
            return
        parts = [value] if isinstance(value, dict) else value
        if not isinstance(parts, list) or not any(isinstance(part, dict) and "type" in part for part in parts):
            self._content(payload.said(value), _delta)  # structured output that a server has decoded
            return
        for part in parts:
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
            self._tell("reasoning", value)
            self.answer.reasoning(value)

    def _reasoning_details(self, value: Any, delta: dict[str, Any]) -> None:
        items = [item for item in payload.sequence(value) if isinstance(item, dict)]
        self._details += items
        require_room(len(self._details) // DETAILS_PER_PART)
        if not any(delta.get(name) for name in _REASONING_FIELDS):
            for item in items:
                text = payload.text(item.get("text")) or payload.text(item.get("summary"))
                if text:
                    self.answer.reasoning(text)

    def _refusal(self, value: Any, _delta: dict[str, Any]) -> None:
        if type(value) is str:
            self._tell("refusal", value)
            self.answer.append(TextDelta(value, None, True))

    def _tool_calls(self, value: Any, _delta: dict[str, Any]) -> None:
        for raw in [value] if isinstance(value, dict) else payload.sequence(value):
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
            self.answer.append(TextDelta(piece["transcript"], aside=True))

    def fail(self, error: UpstreamError, finish: FinishReason = "error", raw: str | None = None) -> None:
        self._flush_text()
        super().fail(error, FINISH.get((self._finish or "").lower(), finish), self._finish)

    def _end(self) -> None:
        raw = self._finish
        if raw and raw.lower() in _FAILED:
            self.fail(UpstreamError(f"The provider ended the answer with “{raw}”.", type=raw))
            return
        if self._split is not None:
            self._flush_text()
        answer = self.answer
        if self._details:
            answer.append(ReasoningDelta("", 0, {"reasoning_details": merged_details(self._details)}))
        if self._citations or self._results:
            for source in blocks.all_cited(self._sources()):
                answer.append(source)
        if any(self._sound):
            answer.append(blocks.generated("audio", "audio/wav", "".join(self._sound)))
        finish = FINISH.get((raw or "").lower(), "stop")
        if self._drafts is not None:
            self._drafts.emit(cut=finish == "length")
            if finish == "stop" and self._drafts:
                finish = "tool_calls"
        answer.end(finish, raw, usage=self.counted("provider"))

    def _sources(self) -> list[Any]:
        """Return the citations in their order, each with the search result of its address, then the other results."""
        results = {result["url"]: result for result in self._results if isinstance(result, dict) and result.get("url")}
        return [results.pop(one, one) if type(one) is str else one for one in self._citations] + [*results.values()]


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
