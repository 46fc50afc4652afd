"""The Gemini API: its chunks, its whole answers, a JSON array of chunks, and errors in every disguise."""

import re
from typing import Any

from providers_app.dialects import blocks, error_words
from providers_app.dialects.answer import Answer, Reading, is_error, require_room
from providers_app.dialects.openai_chat.fragments import OneChoice
from providers_app.errors import AnswerTooLarge, UpstreamError
from providers_app.types.events import FinishReason, ReasoningDelta, TextDelta
from providers_app.wire import payload

# Reasons that are not listed are failures of the model; its own word and message are kept and shown.
_FILTERED = (
    *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "MODEL_ARMOR", "ESCALATION"),
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "PUP_LIMITED_DISABLED"),
)
FINISH: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(_FILTERED, "content_filter"),
}
# Vertex AI may send an enum as its number (aiplatform v1: Candidate.FinishReason, PromptFeedback.BlockedReason).
_REASONS = (
    *("", "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
    *("MALFORMED_FUNCTION_CALL", "MODEL_ARMOR", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
    *("IMAGE_OTHER", "UNEXPECTED_TOOL_CALL", "NO_IMAGE"),
)
_BLOCKS = ("", "SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "MODEL_ARMOR", "IMAGE_SAFETY", "JAILBREAK")
_SERVER_PARTS = ("executableCode", "codeExecutionResult", "inlineData", "fileData", "toolCall", "toolResponse")
_STEP = re.compile(r"""\[(\d+)\]|\[(?:'([^']*)'|"([^"]*)")\]|\.?([^.\[\]]+)""")
_VALUES = ("stringValue", "numberValue", "boolValue", "nullValue")
_KNOWN = frozenset({"candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId"})


STEPS_PER_PART = 10


class _Call:
    """One call. Its arguments are kept by their steps, and become lists where the steps are numbers."""

    __slots__ = ("_complete", "_given", "_id", "_index", "_name", "_opaque", "_size", "_tree")

    def __init__(self, index: int, name: str, provider_id: str | None) -> None:
        self._index, self._name, self._id = index, name, provider_id
        self._opaque: dict[str, Any] | None = None
        self._given: Any = None
        self._tree: dict[str | int, Any] = {}
        self._size = 0
        self._complete = False

    def grow(self, call: dict[str, Any], opaque: dict[str, Any] | None) -> None:
        """Add what a part has of the call: ``args`` as a whole, or pieces with their JSONPath."""
        self._opaque = self._opaque or opaque
        self._given = call.get("args", self._given)
        for piece in payload.sequence(call.get("partialArgs")):
            if isinstance(piece, dict):
                self._put(payload.text(piece.get("jsonPath")), piece)
        self._complete = not call.get("willContinue")

    def end(self, answer: Answer, *, cut: bool = False) -> None:
        """Emit the call. Without its last part, and ``cut`` or without arguments, it may not be run."""
        given = _listed(self._tree) if self._tree else self._given
        raw = payload.said(given)
        arguments, invalid = payload.arguments(raw)
        if not self._complete and (cut or not self._tree):
            arguments, invalid = {}, raw or payload.NO_ARGUMENTS
        answer.call_delta(self._index, self._name, raw or "{}", self._id)
        answer.call(self._index, self._name, arguments, self._id, invalid, self._opaque)

    def _put(self, path: str, piece: dict[str, Any]) -> None:
        steps = [
            int(number) if number else single or double or name
            for number, single, double, name in _STEP.findall(path.removeprefix("$"))
        ]
        value = next((piece[kind] for kind in _VALUES if kind in piece and kind != "nullValue"), None)
        if len(steps) > payload.MAX_DEPTH:
            raise AnswerTooLarge(f"The arguments of a call have more than {payload.MAX_DEPTH} levels.")
        node: Any = self._tree
        for step in steps[:-1]:
            node = node.setdefault(step, {}) if isinstance(node, dict) else None
        if steps and isinstance(node, dict):
            before = node.get(steps[-1])
            if isinstance(before, _Pieces) and isinstance(value, str):
                before.append(value)
                return
            self._size += len(steps)
            require_room(self._size // STEPS_PER_PART)
            node[steps[-1]] = _Pieces([value]) if isinstance(value, str) else value


class _Pieces(list[str]):
    """A string that comes in pieces."""


def _listed(node: Any) -> Any:
    if isinstance(node, _Pieces):
        return "".join(node)
    if not isinstance(node, dict):
        return node
    items = {step: _listed(item) for step, item in node.items()}
    return list(items.values()) if items and all(isinstance(step, int) for step in items) else items


class GenerateReading(Reading):
    """Reads one answer.

    There is no end marker: it ended if a finish reason or a block reason was seen when the body ends.
    """

    words, absent = error_words.GEMINI, 0

    def __init__(self) -> None:
        super().__init__()
        self._parts = self._texts = 0
        self._thinking = False
        self._reason: str | None = None
        self._message: str | None = None
        self._grounding: dict[str, Any] = {}
        self._open: _Call | None = None
        self._index: Any = 0
        self._answered = False
        self._one: OneChoice | None = None

    def done(self) -> None:
        """Ignore it: some gateways add it, and the finish reason is what ends an answer."""

    def value(self, event: str, value: Any) -> None:
        for chunk in value if type(value) is list else (value,):
            if type(chunk) is dict and ("candidates" in chunk or (event != "error" and not _KNOWN.isdisjoint(chunk))):
                self._chunk(chunk)
            else:
                self.unknown(event, chunk)

    def whole(self, value: dict[str, Any]) -> None:
        if _KNOWN.isdisjoint(value):
            self.refuse(value)
        else:
            self._chunk(value)

    def end(self) -> None:
        for candidate in self._one.held if self._one is not None else ():
            self._candidate(candidate)
        raw = self._reason
        if raw is None:
            super().end()
            return
        blocked = raw.startswith("promptFeedback.")
        finish = "content_filter" if blocked else FINISH.get(raw, "error")
        if self._open is not None:  # a last part that ends the call may be missing
            self._open.end(self.answer, cut=finish == "length")
        if finish == "error" and not self.answer.calls:
            text = self._message or f"The provider ended the answer with “{raw}”."
            self.fail(UpstreamError(text, type=raw), finish, raw)
            return
        if finish == "stop" and self.answer.calls:
            finish = "tool_calls"
        self._cite()
        self.answer.end(finish, raw, usage=self.counted("provider"), message=self._message)

    def _chunk(self, value: dict[str, Any]) -> None:
        self.count_in(value.get("usageMetadata"))
        if value.get("error") and is_error(value):
            self.refuse(value)
            return
        if not self.answer.started or value.get("modelVersion") != self.answer.model:
            self.answer.start(value.get("modelVersion"), value.get("responseId"))
        if value.get("promptFeedback"):
            feedback = payload.mapping(value["promptFeedback"])
            if reason := _word(feedback.get("blockReason"), _BLOCKS):
                self._reason = f"promptFeedback.blockReason:{reason}"
                self._message = payload.text(feedback.get("blockReasonMessage")) or None
        candidates = value.get("candidates")
        if type(candidates) is list:
            for one in candidates:
                if type(one) is dict and (one.get("index", 0) == self._index or self._is_read(one, candidates)):
                    self._candidate(one)

    def _is_read(self, candidate: dict[str, Any], candidates: list[Any]) -> bool:
        if not self._answered:
            self._index = candidate.get("index")
            return True
        if self._one is None:
            self._one, self._index = OneChoice(self._index), ...
        return self._one.is_read(candidate, alone=len(candidates) == 1, ended=self._reason is not None)

    def _candidate(self, candidate: dict[str, Any]) -> None:
        self._answered = True
        content = candidate.get("content")
        parts = content.get("parts") if type(content) is dict else None
        for part in parts if type(parts) is list else ():
            if type(part) is dict:
                self._part(part)
        if (given := candidate.get("finishReason")) and (reason := _word(given, _REASONS)):
            self._reason = reason
            self._message = payload.text(candidate.get("finishMessage")) or None
        if candidate.get("groundingMetadata"):
            self._grounding = payload.mapping(candidate["groundingMetadata"])

    def _part(self, part: dict[str, Any]) -> None:
        text = part.get("text")
        signature = part.get("thoughtSignature")
        opaque = {"thoughtSignature": signature} if signature else None
        if text is not None:
            if type(text) is not str:
                text = payload.said(text)
            if part.get("thought"):
                if not self._thinking:
                    self._thinking = True
                    self._parts += 1
                if text or opaque:
                    self.answer.append(ReasoningDelta(text, self._parts - 1, opaque))
            elif text or opaque:
                self._thinking = self._thinking and not text
                if self.answer.block == self._texts:
                    self.answer.append(TextDelta(text, opaque))
                else:
                    self.answer.text(text, self._texts, opaque)
            return
        self._thinking = False
        call = part.get("functionCall")
        if isinstance(call, dict):
            self._call(call, opaque)
            return
        self._texts += 1
        kind = next((name for name in _SERVER_PARTS if name in part), None) or next(
            (name for name, value in part.items() if isinstance(value, dict)), None
        )
        if kind is not None:
            self._block(kind, part, opaque)

    def _block(self, kind: str, part: dict[str, Any], opaque: dict[str, Any] | None) -> None:
        inner = payload.mapping(part[kind])
        if kind == "inlineData":
            name = payload.text(inner.get("displayName"))
            self.answer.append(
                blocks.generated(kind, inner.get("mimeType"), inner.get("data"), name=name, opaque=opaque)
            )
        elif kind == "fileData":
            self.answer.append(blocks.picture_at(kind, payload.text(inner.get("fileUri")), inner.get("mimeType")))
        else:
            self.answer.append(blocks.block(kind, part))

    def _call(self, call: dict[str, Any], opaque: dict[str, Any] | None) -> None:
        """Read a whole call, or a piece of one (Vertex's argument streaming): those after the first have no name."""
        name = payload.text(call.get("name"))
        if name:
            if self._open is not None:
                self._open.end(self.answer)
            self._open = _Call(self.answer.next_call(), name, payload.text(call.get("id")) or None)
        if self._open is not None:
            self._open.grow(call, opaque)
            if not call.get("willContinue"):
                self._open.end(self.answer)
                self._open = None

    def _cite(self) -> None:
        for source in blocks.all_cited(self._grounding.get("groundingChunks")):
            self.answer.append(source)


def _word(value: Any, names: tuple[str, ...]) -> str:
    """Return the name of an enum's value, which may be its number; an empty one where nothing is specified."""
    number = payload.count(value)
    if number is not None:
        return names[number] if number < len(names) else str(number)
    word = payload.text(value)
    return "" if word.endswith("_UNSPECIFIED") else word
