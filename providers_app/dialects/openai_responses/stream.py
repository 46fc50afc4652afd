"""The Responses API: its events, its whole response objects, and errors inside a 200."""

from collections.abc import Callable
from typing import Any

from providers_app.dialects.answer import Answer
from providers_app.dialects.openai_responses.errors import WORDS
from providers_app.dialects.openai_responses.items import OutputItems
from providers_app.errors import Cancelled, StreamInterrupted, UpstreamError
from providers_app.types.events import Citation, FinishReason, Usage, UsageSource
from providers_app.wire import payload
from providers_app.wire.error_body import fields_of
from providers_app.wire.payload import count, mapping
from providers_app.wire.status import error_of_fields

_INCOMPLETE: dict[str, FinishReason] = {
    "max_output_tokens": "length",
    "max_messages": "length",
    "content_filter": "content_filter",
}


class ResponsesReading:
    """Reads one answer. It ends with a terminal event, which carries the whole response, or with an ``error`` event."""

    __slots__ = ("_items", "answer")

    def __init__(self) -> None:
        self.answer = Answer()
        self._items = OutputItems(self.answer)

    def done(self) -> None:
        self.end()

    def fail(self, error: UpstreamError) -> None:
        self.answer.fail(error)

    def value(self, event: str, value: Any) -> None:
        if type(value) is not dict:
            return
        kind = value.get("type")
        # The JSON names the event: not every server sends an ``event:`` line.
        name = kind if type(kind) is str else event
        if (item_reader := _ITEM_READERS.get(name)) is not None:
            item_reader(self._items, value)
        elif (reader := _READERS.get(name)) is not None:
            reader(self, value)
        elif event == "error" or (kind is None and value.get("error")):
            self._error(value)

    def whole(self, value: Any) -> None:
        if isinstance(value.get("output"), list) or value.get("object") == "response":
            self._terminal({"response": value})
        else:
            self._error(value)

    def end(self) -> None:
        self.answer.interrupt()

    def _created(self, value: dict[str, Any]) -> None:
        response = payload.mapping(value.get("response"))
        self.answer.start(response.get("model"), response.get("id"))

    def _annotation(self, value: dict[str, Any]) -> None:
        annotation = value.get("annotation")
        if isinstance(annotation, dict):
            self.answer.start()
            self.answer.append(Citation(annotation))

    def _error(self, value: dict[str, Any]) -> None:
        # Flat as documented ({"type": "error", "code", "message"}) or nested as observed. A response.failed that
        # follows says the same again and is not read any more.
        self.answer.fail(error_of_fields(fields_of(value), WORDS))

    def _terminal(self, value: dict[str, Any]) -> None:
        response = payload.mapping(value.get("response"))
        self.answer.start(response.get("model"), response.get("id"))
        status = payload.text(response.get("status")) or payload.text(value.get("type")).removeprefix("response.")
        if status == "failed" or (response.get("error") and status != "completed"):
            error = {"error": response.get("error") or {"message": "The provider failed to answer."}}
            self._fail(error_of_fields(fields_of(error), WORDS), "error", "failed", response)
            return
        if status == "cancelled":
            self._fail(Cancelled("The provider's answer is cancelled."), "cancelled", status, response)
            return
        if status in ("in_progress", "queued"):
            self._fail(StreamInterrupted(f"The provider's answer is {status}."), "incomplete", status, response)
            return
        self._items.finished_rest(payload.sequence(response.get("output")))
        reason = payload.text(payload.mapping(response.get("incomplete_details")).get("reason"))
        if status == "incomplete":
            raw = f"incomplete:{reason}" if reason else status
            self.answer.end(_INCOMPLETE.get(reason, "error"), raw, usage=_counted(response, "provider"))
            return
        finish: FinishReason = "content_filter" if self._items.refused else "stop"
        if self._items.has_calls:
            finish = "tool_calls"
        self.answer.end(finish, status or None, usage=_counted(response, "provider"))

    def _fail(self, error: UpstreamError, finish: FinishReason, raw: str, response: dict[str, Any]) -> None:
        self.answer.fail(error, finish, raw, usage=_counted(response, "partial"))


def _counted(response: dict[str, Any], source: UsageSource) -> Usage | None:
    usage = response.get("usage")
    return usage_of(usage, source) if isinstance(usage, dict) and usage else None


_ITEM_READERS: dict[str, Callable[[OutputItems, dict[str, Any]], None]] = {
    "response.output_text.delta": OutputItems.text,
    "response.refusal.delta": OutputItems.refusal,
    "response.reasoning_summary_text.delta": OutputItems.summary,
    "response.reasoning_text.delta": OutputItems.raw_reasoning,
    "response.function_call_arguments.delta": OutputItems.arguments,
    "response.custom_tool_call_input.delta": OutputItems.arguments,
    "response.function_call_arguments.done": OutputItems.whole_arguments,
    "response.custom_tool_call_input.done": OutputItems.whole_arguments,
    "response.output_item.added": OutputItems.added,
    "response.output_item.done": OutputItems.finished,
}
_READERS: dict[str, Callable[[ResponsesReading, dict[str, Any]], None]] = {
    "response.created": ResponsesReading._created,
    "response.in_progress": ResponsesReading._created,
    "response.queued": ResponsesReading._created,
    "response.output_text.annotation.added": ResponsesReading._annotation,
    "response.completed": ResponsesReading._terminal,
    "response.done": ResponsesReading._terminal,
    "response.incomplete": ResponsesReading._terminal,
    "response.failed": ResponsesReading._terminal,
    "response.cancelled": ResponsesReading._terminal,
    "error": ResponsesReading._error,
}


def usage_of(raw: dict[str, Any], source: UsageSource = "provider") -> Usage:
    """``input_tokens`` includes cached tokens and ``output_tokens`` includes reasoning."""
    sent = mapping(raw.get("input_tokens_details"))
    return Usage(
        input_tokens=count(raw.get("input_tokens")),
        output_tokens=count(raw.get("output_tokens")),
        cached_input_tokens=count(sent.get("cached_tokens")),
        cache_write_tokens=count(sent.get("cache_write_tokens")),
        reasoning_tokens=count(mapping(raw.get("output_tokens_details")).get("reasoning_tokens")),
        total_tokens=count(raw.get("total_tokens")),
        source=source,
        raw=raw,
    )
