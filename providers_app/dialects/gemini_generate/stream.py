"""The Gemini API: its chunks, its whole answers, a JSON array of chunks, and errors in every disguise."""

from typing import Any

from providers_app.dialects import blocks
from providers_app.dialects.answer import Reading
from providers_app.dialects.gemini_generate.errors import WORDS
from providers_app.types.events import FinishReason, ReasoningDelta, TextDelta
from providers_app.wire import payload

# Reasons that are not listed are failures of the model; its own word and message are kept and shown.
FINISH: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "LANGUAGE": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "ESCALATION": "content_filter",
    "PUP_LIMITED_DISABLED": "content_filter",
}
_SERVER_PARTS = ("executableCode", "codeExecutionResult", "inlineData", "fileData", "toolCall", "toolResponse")


class GenerateReading(Reading):
    """Reads one answer.

    There is no end marker: it ended if a finish reason or a block reason was seen when the body ends.
    """

    words, absent = WORDS, 0

    def __init__(self) -> None:
        super().__init__()
        self._parts = 0
        self._thinking = False
        self._reason: str | None = None
        self._message: str | None = None
        self._grounding: dict[str, Any] = {}

    def done(self) -> None:
        """Ignore it: some gateways add it, and the finish reason is what ends an answer."""

    def value(self, event: str, value: Any) -> None:
        for chunk in value if type(value) is list else (value,):
            if type(chunk) is dict:
                self._chunk(chunk, is_error=event == "error" and "candidates" not in chunk)

    def whole(self, value: Any) -> None:
        known = any(name in value for name in ("candidates", "promptFeedback", "usageMetadata", "modelVersion"))
        self._chunk(value, is_error=not known)

    def end(self) -> None:
        raw = self._reason
        if raw is None:
            super().end()
            return
        blocked = raw.startswith("promptFeedback.")
        finish = "content_filter" if blocked else FINISH.get(raw, "error")
        if finish == "stop" and self.answer.calls:
            finish = "tool_calls"
        self._cite()
        self.answer.end(finish, raw, usage=self.counted("provider"), message=self._message)

    def _chunk(self, value: dict[str, Any], *, is_error: bool) -> None:
        usage = value.get("usageMetadata")
        if type(usage) is dict and ("promptTokenCount" in usage or self.usage is None):
            self.usage = usage  # a snapshot of the totals so far; the last one with figures counts
        if is_error or value.get("error"):
            self.refuse(value)
            return
        if not self.answer.started:
            self.answer.start(value.get("modelVersion"), value.get("responseId"))
        feedback = payload.mapping(value.get("promptFeedback"))
        if payload.text(feedback.get("blockReason")):
            self._reason = f"promptFeedback.blockReason:{feedback['blockReason']}"
            self._message = payload.text(feedback.get("blockReasonMessage")) or None
        candidates = value.get("candidates")
        for candidate in candidates if type(candidates) is list else ():
            if type(candidate) is dict and not candidate.get("index"):
                self._candidate(candidate)

    def _candidate(self, candidate: dict[str, Any]) -> None:
        content = candidate.get("content")
        if type(content) is dict:
            parts = content.get("parts")
            for part in parts if type(parts) is list else ():
                if type(part) is dict:
                    self._part(part)
        reason = candidate.get("finishReason")
        if reason and type(reason) is str and reason != "FINISH_REASON_UNSPECIFIED":
            self._reason = reason
            self._message = payload.text(candidate.get("finishMessage")) or None
        if candidate.get("groundingMetadata"):
            self._grounding = payload.mapping(candidate["groundingMetadata"])

    def _part(self, part: dict[str, Any]) -> None:
        text = part.get("text")
        signature = part.get("thoughtSignature")
        opaque = {"thoughtSignature": signature} if signature else None
        if type(text) is str:
            if part.get("thought"):
                if not self._thinking:
                    self._thinking = True
                    self._parts += 1
                if text or opaque:
                    self.answer.append(ReasoningDelta(text, self._parts - 1, opaque))
            elif text or opaque:
                self._thinking = self._thinking and not text
                self.answer.append(TextDelta(text, opaque))
            return
        self._thinking = False
        call = part.get("functionCall")
        if isinstance(call, dict):
            self._call(call, opaque)
            return
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
        """Calls come whole.

        A part that announces more (Vertex's argument streaming) is never a call that may be run.
        """
        name = payload.text(call.get("name"))
        if not name:
            return
        index = self.answer.next_call()
        arguments = payload.mapping(call.get("args"))
        provider_id = payload.text(call.get("id")) or None
        raw = payload.encode(arguments).decode()
        invalid = raw if call.get("willContinue") else None
        self.answer.call_delta(index, name, raw, provider_id)
        self.answer.call(
            index, name, {} if invalid else arguments, provider_id=provider_id, invalid=invalid, opaque=opaque
        )

    def _cite(self) -> None:
        for source in blocks.all_cited(self._grounding.get("groundingChunks")):
            self.answer.append(source)
