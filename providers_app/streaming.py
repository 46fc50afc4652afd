"""Bytes of any provider's answer into events, and events into one result; no network is involved.

```
parse_stream(provider, chunks) ─▶ events ─▶ collect(events) ─▶ ChatResult
parse_response(provider, body, status, headers) ─────────────▶ ChatResult
```
"""

from collections import defaultdict
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping
from typing import Any

from providers_app import dialects
from providers_app.chat.answer_parts import AnswerParts
from providers_app.dialects.reader import AnswerReader
from providers_app.errors import BadAnswer, InvalidRequest, StreamInterrupted
from providers_app.registry import resolver
from providers_app.resilience.checkpoint import stored_cursor
from providers_app.text import quoted
from providers_app.types import events as kinds
from providers_app.types.chat import ChatResult, ResultToolCall
from providers_app.types.dialect import Dialect


def dialect_of(provider: str, dialect: str | Dialect | None = None) -> Dialect:
    """Return the dialect: a value, by name, or the provider's own. Raises ``InvalidRequest``, ``UnknownProvider``."""
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
) -> AsyncIterator[kinds.Event]:
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
    """Parse a whole answer of any status; an error answer has its ``error``. Raises ``InvalidRequest`` for no bytes."""
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


async def collect(events: AsyncIterable[kinds.Event]) -> ChatResult:
    """Collect the whole result of a stream of events."""
    return fold([event async for event in events])


def fold(events: Iterable[kinds.Event]) -> ChatResult:
    """Add events up to the whole result. Without an end among them it is incomplete."""
    parts, start = AnswerParts(), kinds.StreamStart()
    missing = StreamInterrupted("The answer has no end.").info()
    end: kinds.StreamEnd | kinds.StreamFailed = kinds.StreamFailed(missing, "incomplete")
    usage: kinds.Usage | None = None
    text, refusal, reasoning = list[str](), list[str](), list[str]()
    reasoning_part = 0
    calls: dict[int, ResultToolCall] = {}
    others: dict[type[kinds.Event], list[Any]] = defaultdict(list)
    for event in events:
        parts.add(event)
        match event:
            case kinds.TextDelta(aside=False):
                (refusal if event.refusal else text).append(event.text)
            case kinds.ReasoningDelta(text=piece) if piece:
                if event.part != reasoning_part and reasoning:
                    reasoning.append("\n\n")
                reasoning_part = event.part
                reasoning.append(piece)
            case kinds.ToolCall():
                calls[event.index] = ResultToolCall(
                    **{name: getattr(event, name) for name in ResultToolCall.__struct_fields__}
                )
            case kinds.StreamStart():
                start = event
            case kinds.UsageReport():
                usage = event.usage
            case kinds.StreamEnd() | kinds.StreamFailed():
                end = event
            case _:
                others[type(event)].append(event)
    error = end.error if isinstance(end, kinds.StreamFailed) else None
    return ChatResult(
        text="".join(text),
        reasoning_text="".join(reasoning),
        tool_calls=tuple(calls[index] for index in sorted(calls)),
        finish_reason=end.finish_reason,
        finish_reason_raw=end.finish_reason_raw,
        usage=usage,
        model=(isinstance(end, kinds.StreamEnd) and end.model) or start.model,
        response_id=start.response_id,
        complete=error is None,
        error=error,
        refusal="".join(refusal) or None,
        advice=start.advice,
        citations=tuple(others[kinds.Citation]),
        server_tools=tuple(others[kinds.ServerToolEvent]),
        images=tuple(others[kinds.GeneratedFile]),
        opaque=tuple(others[kinds.OpaqueBlock]),
        parts=parts.parts(),
        context_id=start.context_id,
        continued=tuple(others[kinds.StreamContinued]),
        routing=start.routing,
        resumable=stored_cursor((start, *others[kinds.StreamContinued], end)) is not None,
    )
