"""Bytes of any provider's answer into events, and events into one result; no network is involved.

```
parse_stream(provider, chunks) ─▶ events ─▶ collect(events) ─▶ ChatResult
parse_response(provider, body, status, headers) ─────────────▶ ChatResult
```
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping

from providers_app import dialects
from providers_app.chat.answer_parts import AnswerParts
from providers_app.dialects.reader import AnswerReader
from providers_app.errors import BadAnswer, InvalidRequest, StreamInterrupted
from providers_app.registry import resolver
from providers_app.text import quoted
from providers_app.types.chat import ChatResult, ResultToolCall
from providers_app.types.dialect import Dialect
from providers_app.types.events import (
    Citation,
    ErrorInfo,
    Event,
    FinishReason,
    GeneratedFile,
    OpaqueBlock,
    ReasoningDelta,
    ServerToolEvent,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
    ToolCall,
    Usage,
    UsageReport,
)


def dialect_of(provider: str, dialect: str | Dialect | None = None) -> Dialect:
    """Return the dialect that is meant: a value, a name, or the provider's own.

    Raises ``InvalidRequest``, ``UnknownProvider``.
    """
    if isinstance(dialect, str):
        return dialects.by_name(dialect)
    if dialect is not None:
        return dialect
    behaviour = resolver.resolve(provider, "streaming")
    own: Dialect | None = getattr(behaviour, "dialect", None)
    if own is None:
        raise InvalidRequest(f"{provider} does not stream answers.", hint=str(getattr(behaviour, "reason", "")))
    return own


async def parse_stream(
    provider: str, chunks: AsyncIterable[bytes], *, dialect: str | Dialect | None = None
) -> AsyncIterator[Event]:
    """Yield the events of a streamed answer whose ``chunks`` may be cut anywhere; the last one ends or fails it.

    Reading stops with the answer's end, even where the server keeps the connection open. An exception of ``chunks``
    itself passes through. Raises ``InvalidRequest`` for a chunk that is no bytes.
    """
    reader = AnswerReader(dialect_of(provider, dialect))
    try:
        async for chunk in chunks:
            for event in reader.feed(_bytes(chunk)):
                yield event
            if reader.ended:
                return
        for event in reader.close():
            yield event
    except BadAnswer as error:
        for event in reader.fail(error):
            yield event


def parse_response(
    provider: str,
    body: bytes,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    dialect: str | Dialect | None = None,
) -> ChatResult:
    """Parse a whole answer of any status; an error answer has ``complete`` false and its ``error``.

    Raises ``InvalidRequest`` for a body that is no bytes and a number that is no status.
    """
    spoken, data = dialect_of(provider, dialect), _bytes(body)
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 999:
        raise InvalidRequest(f"{quoted(status)} is not an HTTP status.")
    if status >= 400:
        return ChatResult(finish_reason="error", error=spoken.error(status, headers or {}, data).info())
    if not 200 <= status < 300:
        what = "a redirect" if status >= 300 else "no final answer"
        return ChatResult(finish_reason="error", error=BadAnswer(f"The address sent {what}.", status=status).info())
    return fold(AnswerReader(spoken).whole(data))


def _bytes(given: object) -> bytes:
    if isinstance(given, bytes):
        return given
    if isinstance(given, bytearray | memoryview):
        return bytes(given)
    raise InvalidRequest(f"An answer is read from bytes, not from {type(given).__name__}.")


async def collect(events: AsyncIterable[Event]) -> ChatResult:
    """Collect the whole result of a stream of events."""
    folding = _Folding()
    async for event in events:
        folding.add(event)
    return folding.result()


def fold(events: Iterable[Event]) -> ChatResult:
    """``collect`` for events that are there already."""
    folding = _Folding()
    for event in events:
        folding.add(event)
    return folding.result()


class _Folding:
    """Adds events up. Without an end among them the result is incomplete."""

    __slots__ = (
        "_calls",
        "_citations",
        "_error",
        "_files",
        "_finish",
        "_opaque",
        "_part",
        "_parts",
        "_raw",
        "_reasoning",
        "_refusal",
        "_server_tools",
        "_start",
        "_text",
        "_usage",
    )

    def __init__(self) -> None:
        self._parts = AnswerParts()
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._reasoning: list[str] = []
        self._part = 0
        self._calls: dict[int, ResultToolCall] = {}
        self._citations: list[Citation] = []
        self._server_tools: list[ServerToolEvent] = []
        self._files: list[GeneratedFile] = []
        self._opaque: list[OpaqueBlock] = []
        self._start = StreamStart()
        self._usage: Usage | None = None
        self._finish: FinishReason = "incomplete"
        self._raw: str | None = None
        self._error: ErrorInfo | None = StreamInterrupted("The answer has no end.").info()

    def add(self, event: Event) -> None:
        self._parts.add(event)
        match event:
            case TextDelta():
                (self._refusal if event.refusal else self._text).append(event.text)
            case ReasoningDelta():
                if event.part != self._part and self._reasoning and event.text:
                    self._reasoning.append("\n\n")
                if event.text:
                    self._part = event.part
                    self._reasoning.append(event.text)
            case ToolCall():
                self._calls[event.index] = ResultToolCall(
                    id=event.id,
                    name=event.name,
                    arguments=event.arguments,
                    provider_id=event.provider_id,
                    invalid_arguments=event.invalid_arguments,
                    intent=event.intent,
                    intent_error=event.intent_error,
                )
            case Citation():
                self._citations.append(event)
            case ServerToolEvent():
                self._server_tools.append(event)
            case GeneratedFile():
                self._files.append(event)
            case OpaqueBlock():
                self._opaque.append(event)
            case StreamStart():
                self._start = event
            case UsageReport():
                self._usage = event.usage
            case StreamEnd():
                self._finish, self._raw, self._error = event.finish_reason, event.finish_reason_raw, None
            case StreamFailed():
                self._finish, self._raw, self._error = event.finish_reason, event.finish_reason_raw, event.error
            case _:
                pass

    def result(self) -> ChatResult:
        return ChatResult(
            text="".join(self._text),
            reasoning_text="".join(self._reasoning),
            tool_calls=tuple(self._calls[index] for index in sorted(self._calls)),
            finish_reason=self._finish,
            finish_reason_raw=self._raw,
            usage=self._usage,
            model=self._start.model,
            response_id=self._start.response_id,
            complete=self._error is None,
            error=self._error,
            refusal="".join(self._refusal) or None,
            advice=self._start.advice,
            citations=tuple(self._citations),
            server_tools=tuple(self._server_tools),
            images=tuple(self._files),
            opaque=tuple(self._opaque),
            parts=self._parts.parts(),
        )
