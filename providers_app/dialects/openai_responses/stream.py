"""The Responses API: its events, its whole response objects, and errors inside a 200."""

import copy
from collections.abc import Callable
from typing import Any

from providers_app.dialects import blocks, error_words
from providers_app.dialects.answer import Reading, is_error
from providers_app.dialects.openai_responses.items import OutputItems
from providers_app.errors import Cancelled, StreamInterrupted
from providers_app.types.events import FinishReason
from providers_app.wire import payload
from providers_app.wire.error_body import fields_of
from providers_app.wire.status import error_of_fields

_INCOMPLETE: dict[str, FinishReason] = {
    "max_output_tokens": "length",
    "max_messages": "length",
    "content_filter": "content_filter",
}


class ResponsesReading(Reading):
    """Reads one answer. It ends with a terminal event, which carries the whole response, or with an ``error`` event."""

    words = error_words.OPENAI_RESPONSES

    def __init__(self) -> None:
        super().__init__()
        self._items = OutputItems(self.answer)
        self.background = False
        self.sequence: int | None = None

    def kept(self) -> "ResponsesReading | None":
        """Return a copy of a background response that was read up to an event with a number; else ``None``."""
        if not self.background or self.sequence is None or self.answer.response_id is None:
            return None
        copied = copy.copy(self)
        copied.answer = copy.copy(self.answer)
        copied.answer._events = []
        copied.answer.append = copied.answer._events.append
        copied._items = self._items.kept(copied.answer)
        return copied

    def value(self, event: str, value: Any) -> None:
        if type(value) is not dict:
            self.unknown(event, value)
            return
        if self.background:
            self.sequence = payload.count(value.get("sequence_number"))
        kind = value.get("type")
        # The JSON names the event: not every server sends an ``event:`` line.
        name = kind if type(kind) is str else event
        if (item_reader := _ITEM_READERS.get(name)) is not None:
            item_reader(self._items, value)
        elif (reader := _READERS.get(name)) is not None:
            reader(self, value)
        elif event == "error" or type(kind) is not str or kind.endswith("error"):
            self.unknown(event, value)

    def whole(self, value: Any) -> None:
        if isinstance(value.get("output"), list) or value.get("object") == "response":
            self._terminal({"response": value})
        else:
            self.refuse(value)

    def _created(self, value: dict[str, Any]) -> dict[str, Any]:
        """Read what the provider says of the answer by now, and return it."""
        response = payload.mapping(value.get("response"))
        stored = response.get("background") is True and value.get("sequence_number") is not None
        self.answer.start(response.get("model"), response.get("id"), resumable=stored)
        self.count_in(response.get("usage"))
        if stored:
            self.background, self.sequence = True, payload.count(value.get("sequence_number"))
        if isinstance(tools := response.get("tools"), list):
            self._items.tools = frozenset(payload.text(payload.mapping(tool).get("name")) for tool in tools)
        return response

    def _annotation(self, value: dict[str, Any]) -> None:
        annotation = value.get("annotation")
        if isinstance(annotation, dict):
            self.answer.start()
            self.answer.append(blocks.cited(annotation))

    def _terminal(self, value: dict[str, Any]) -> None:
        response = self._created(value)
        status = payload.text(response.get("status")) or payload.text(value.get("type")).removeprefix("response.")
        if status == "failed" or (is_error(response) and status != "completed"):
            error = {"error": response.get("error") or {"message": "The provider failed to answer."}}
            self.fail(error_of_fields(fields_of(error), self.words), "error", "failed")
            return
        if status == "cancelled":
            self.fail(Cancelled("The provider's answer is cancelled."), "cancelled", status)
            return
        if status in ("in_progress", "queued"):
            self.fail(StreamInterrupted(f"The provider's answer is {status}."), "incomplete", status)
            return
        self._items.finished_rest(payload.sequence(response.get("output")))
        reason = payload.text(payload.mapping(response.get("incomplete_details")).get("reason"))
        if status == "incomplete":
            raw = f"incomplete:{reason}" if reason else status
            self.answer.end(_INCOMPLETE.get(reason, "error"), raw, usage=self.counted("provider"))
            return
        finish: FinishReason = "content_filter" if self._items.refused else "stop"
        if self.answer.calls:
            finish = "tool_calls"
        self.answer.end(finish, status or None, usage=self.counted("provider"))


_ITEM_READERS: dict[str, Callable[[OutputItems, dict[str, Any]], None]] = {
    "response.output_text.delta": OutputItems.text,
    "response.refusal.delta": OutputItems.refusal,
    "response.reasoning_summary_text.delta": OutputItems.summary,
    "response.reasoning_text.delta": OutputItems.raw_reasoning,
    "response.function_call_arguments.delta": OutputItems.arguments,
    "response.custom_tool_call_input.delta": OutputItems.custom_input,
    "response.function_call_arguments.done": OutputItems.whole_arguments,
    "response.custom_tool_call_input.done": OutputItems.whole_arguments,
    "response.output_item.added": OutputItems.added,
    "response.output_item.done": OutputItems.finished,
}
_READERS: dict[str, Callable[[ResponsesReading, dict[str, Any]], Any]] = {
    "response.created": ResponsesReading._created,
    "response.in_progress": ResponsesReading._created,
    "response.queued": ResponsesReading._created,
    "response.output_text.annotation.added": ResponsesReading._annotation,
    "response.completed": ResponsesReading._terminal,
    "response.done": ResponsesReading._terminal,
    "response.incomplete": ResponsesReading._terminal,
    "response.failed": ResponsesReading._terminal,
    "response.cancelled": ResponsesReading._terminal,
    # Flat as documented ({"type": "error", "code", "message"}) or nested as observed. A response.failed that follows
    # says the same again and is not read any more.
    "error": ResponsesReading.refuse,
}
