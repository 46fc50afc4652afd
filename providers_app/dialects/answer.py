"""One answer while it is being read: what has begun, what it consumed, and that it ends exactly once."""

import hashlib
from typing import Any, ClassVar

import msgspec

from providers_app.errors import AnswerTooLarge, StreamInterrupted, UpstreamError
from providers_app.types.events import (
    Event,
    FinishReason,
    ReasoningDelta,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageReport,
    UsageSource,
)
from providers_app.wire.error_body import fields_of
from providers_app.wire.payload import count, mapping, sequence
from providers_app.wire.status import ErrorWords, error_of_fields

MAX_CALLS = 1000
MAX_PARTS = 10_000
"""Calls of one answer; and all its parts: calls, sources, blocks, files, changes between text and reasoning."""
_DETAILS = ("prompt_tokens_details", "input_tokens_details", "completion_tokens_details", "output_tokens_details")
_COUNTS = (
    ("prompt_tokens", "promptTokenCount", "input_tokens", "promptTokens", "inputTokens", "prompt_eval_count"),
    ("completion_tokens", "candidatesTokenCount", "output_tokens", "completionTokens", "outputTokens", "eval_count"),
    ("total_tokens", "totalTokenCount", "totalTokens"),
    ("cached_tokens", "prompt_cache_hit_tokens", "num_cached_tokens", "cachedContentTokenCount", "cachedInputTokens"),
    ("reasoning_tokens", "thinking_tokens", "thoughtsTokenCount", "reasoningTokens"),
    ("cache_read_input_tokens", "cacheReadInputTokens"),
    ("cache_creation_input_tokens", "cacheWriteInputTokens"),
)
"""Names of: sent, generated, both, read from the cache, reasoning, and what Anthropic and Bedrock count apart from the
input: cache reads and cache writes."""
_PLACES = {name: (slot, rank) for slot, names in enumerate(_COUNTS) for rank, name in enumerate(names)}
_LAST = len(_PLACES)
"""Behind every name: of several for one count, the first that says more than 0 is believed, else the first."""
_GOOGLE = {name for name in _PLACES if name.endswith("TokenCount")} | {"toolUsePromptTokenCount"}
_SUMMED = ("input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens")


class Answer:
    """Collects events until they are taken. After ``end`` or ``fail`` nothing more is accepted."""

    __slots__ = ("_events", "_first", "append", "block", "calls", "ended", "model", "response_id", "started")

    def __init__(self) -> None:
        self._events: list[Event] = []
        self.append = self._events.append
        self.calls = 0
        self.ended = False
        self.started = False
        self.response_id: str | None = None
        self.model: str | None = None
        self._first: str | None = None
        self.block: Any = None

    def take(self) -> list[Event]:
        """Take the events since the last call."""
        if not (events := self._events):
            return []
        self._events = []
        self.append = self._events.append
        return events

    def start(self, model: Any = None, response_id: Any = None, *, resumable: bool = False) -> None:
        """Begin the answer, unless it has begun; names that are empty or no strings become ``None``.

        ``resumable``: the provider keeps the answer. A later ``model`` is that of a fallback by the provider, which the
        end of the answer names.
        """
        if not self.started:
            self.started = True
            self.response_id = response_id if isinstance(response_id, str) and response_id else None
            self._first = self.model = model if isinstance(model, str) and model else None
            self.append(StreamStart(self.model, self.response_id, resumable=resumable))
        elif model and model != self.model and isinstance(model, str):
            self.model = model

    def text(self, piece: str, block: Any = 0, opaque: dict[str, Any] | None = None) -> None:
        """Add a piece of the text of a ``block``; a blank line stands between two blocks."""
        if not self.started:
            self.start()
        if piece and block != self.block:
            if self.block is not None:
                self.append(TextDelta("\n\n", aside=True))
            self.block = block
        self.append(TextDelta(piece, opaque))

    def reasoning(self, piece: str, part: int = 0) -> None:
        if not self.started:
            self.start()
        self.append(ReasoningDelta(piece, part))

    def next_call(self) -> int:
        """Count one more tool call and return its index, from 0. Raise ``AnswerTooLarge`` beyond ``MAX_CALLS``."""
        if self.calls >= MAX_CALLS:
            raise AnswerTooLarge(f"The answer has more than {MAX_CALLS} tool calls.")
        if not self.started:
            self.start()
        self.calls += 1
        return self.calls - 1

    def call_delta(self, index: int, name: str, piece: str, provider_id: str | None) -> None:
        self.append(ToolCallDelta(index, name, piece, provider_id))

    def call(
        self,
        index: int,
        name: str,
        arguments: dict[str, Any],
        provider_id: str | None = None,
        invalid: str | None = None,
        opaque: dict[str, Any] | None = None,
    ) -> None:
        """Add a whole tool call; its id is derived from the answer's, so that the same bytes give it again."""
        seed = f"{self.response_id}\0{index}\0{provider_id}\0{name}".encode("utf-8", "replace")
        stable = "call_" + hashlib.sha256(seed).hexdigest()[:24]
        self.append(ToolCall(index, stable, name, arguments, provider_id, invalid, opaque))

    def end(
        self, finish: FinishReason, raw: str | None, *, usage: Usage | None = None, message: str | None = None
    ) -> None:
        if self.ended:
            return
        self.start()
        if usage is not None:
            self.append(UsageReport(usage))
        self.append(StreamEnd(finish, raw, message, self.model if self.model != self._first else None))
        self.ended = True

    def fail(
        self,
        error: UpstreamError,
        finish: FinishReason = "error",
        raw: str | None = None,
        *,
        usage: Usage | None = None,
    ) -> None:
        """End the answer with an error; ``usage`` holds the counts known so far."""
        if self.ended:
            return
        if usage is not None:
            self.append(UsageReport(usage))
        self.append(StreamFailed(error.info(), finish, raw))
        self.ended = True

    def interrupt(self, *, usage: Usage | None = None) -> None:
        """End an answer whose body ended before the provider ended it."""
        broken, unbegun = "The answer broke off before its end.", "The connection ended before an answer began."
        self.fail(StreamInterrupted(broken if self.started else unbegun), "incomplete", usage=usage)


def require_room(parts: int) -> None:
    """Raise ``AnswerTooLarge`` for more than ``MAX_PARTS`` parts, of which no event may tell yet."""
    if parts > MAX_PARTS:
        raise AnswerTooLarge(f"The answer has more than {MAX_PARTS} parts.")


class Reading:
    """A dialect's reader of the decoded pieces of one answer; it writes to ``answer`` and may end it.

    ``words`` is the meaning of the dialect's error words, ``absent`` that of a count which is left out, ``usage`` the
    provider's own counts so far.
    """

    words: ClassVar[ErrorWords]
    absent: ClassVar[int | None] = None

    def __init__(self) -> None:
        self.answer = Answer()
        self.usage: dict[str, Any] | None = None
        self.doubt: dict[str, Any] | None = None

    def value(self, event: str, value: Any) -> None:
        """Read the JSON value of one server-sent event."""
        raise NotImplementedError

    def whole(self, value: dict[str, Any]) -> None:
        """Read one JSON object that was (or is an element of) the whole body."""
        raise NotImplementedError

    def done(self) -> None:
        """Read the end marker ``[DONE]``; where a dialect has none of its own, some gateways add it."""
        self.end()

    def end(self) -> None:
        """Judge a body that ended before the answer: decide whether that was its end."""
        if self.doubt is not None:
            self.refuse(self.doubt)
        else:
            self.answer.interrupt(usage=self.counted("partial"))

    def fail(self, error: UpstreamError, finish: FinishReason = "error", raw: str | None = None) -> None:
        """End an answer that cannot be read on, with what is known of it."""
        self.answer.fail(error, finish, raw, usage=self.counted("partial"))

    def refuse(self, value: Any) -> None:
        """End the answer with the error that ``value`` describes."""
        self.fail(error_of_fields(fields_of(value), self.words))

    def unknown(self, event: str, value: Any) -> None:
        """Read a value that is no piece of an answer.

        An error is believed at once where the event or a member says so; other words only where no answer ends.
        """
        if event == "error" or (type(value) is dict and is_error(value)):
            self.refuse(value)
        elif type(value) is dict and fields_of(value).message:
            self.doubt = value

    def count_in(self, usage: Any) -> None:
        """Take in what the provider counts so far: totals, never increments. A later one corrects an earlier one."""
        if type(usage) is dict and usage:
            known = self.usage
            if known and (known.keys() - usage.keys() or not all(usage.values()) or dict in map(type, usage.values())):
                usage = _corrected(known, usage)
            self.usage = usage

    def counted(self, source: UsageSource) -> Usage | None:
        """Return the counts so far, ``None`` where the provider gave none."""
        return None if self.usage is None else usage_of(self.usage, source, self.absent)


def is_error(value: dict[str, Any]) -> bool:
    """Tell whether the object says that something failed; some servers put an empty error beside a good answer."""
    error = value.get("error")
    return any(error.values()) if isinstance(error, dict) else bool(error)


def _corrected(earlier: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Return the counts of both; zero and nothing say nothing about what was counted before."""
    new = {name: figure for name, figure in later.items() if figure not in (None, 0, "0") or name not in earlier}
    inner = {
        name: _corrected(earlier[name], figure)
        for name, figure in new.items()
        if isinstance(figure, dict) and isinstance(earlier.get(name), dict)
    }
    return {**earlier, **new, **inner}


def usage_of(raw: dict[str, Any], source: UsageSource = "provider", absent: int | None = None) -> Usage:
    """Return the counts of a provider's own object. The names tell whose they are: servers borrow each other's.

    OpenAI's input includes cached tokens and its output includes reasoning. Some servers (xAI) count reasoning beside
    the completion; they are known by their sum: total = prompt + completion + reasoning.

    Anthropic's input, cache reads and cache writes are three disjoint parts of what was sent. Databricks sends the
    fields of its cache beside OpenAI's for every model: 0 has no meaning there. ``iterations`` are the rounds that are
    billed; the figures beside them are those of the last one (platform.claude.com, "Compaction").
    Of Gemini's counts, prompt (with cache) and tool-use prompt are disjoint, and so are candidates and thoughts. The
    format leaves out counts that are zero: an ``absent`` one is 0 (a blocked prompt has no counts at all).
    """
    flat = raw
    for name in _DETAILS if dict in map(type, raw.values()) else ():
        flat = {**flat, **{key: value for key, value in mapping(raw.get(name)).items() if value is not None}}
    found: list[int | None] = [None] * len(_COUNTS)
    ranks = [2 * _LAST] * len(_COUNTS)
    for name, value in flat.items():
        if (place := _PLACES.get(name)) is not None and (number := count(value)) is not None:
            slot, rank = place[0], place[1] if number else place[1] + _LAST
            if rank < ranks[slot]:
                ranks[slot], found[slot] = rank, number
    sent, generated, total, cached, reasoning, read, written = found
    if not _GOOGLE.isdisjoint(raw) or (absent is not None and sent is generated is None):
        sent = (sent or 0) + (count(raw.get("toolUsePromptTokenCount")) or 0)
        generated = (generated or 0) + (reasoning or 0)
    elif "prompt_tokens" in raw:
        read, written = read or None, written or None
    elif sent is not None:
        sent += (read or 0) + (written or 0)
    if reasoning and sent is not None and generated is not None and total == sent + generated + reasoning:
        generated += reasoning
    usage = Usage(
        input_tokens=sent,
        output_tokens=generated,
        cached_input_tokens=read if cached is None else cached,
        cache_write_tokens=count(flat.get("cache_write_tokens")) if written is None else written,
        reasoning_tokens=reasoning,
        total_tokens=total,
        source=source,
        raw=raw,
    )
    rounds = [usage_of(one) for one in sequence(raw["iterations"]) if type(one) is dict] if "iterations" in raw else []
    if not rounds:
        return usage
    billed = {}
    for name in _SUMMED:
        last, *each = (getattr(one, name) for one in (usage, *rounds))
        if any(figure is not None for figure in (last, *each)):
            billed[name] = max(last or 0, sum(filter(None, each)))
    both = billed.get("input_tokens", 0) + billed.get("output_tokens", 0)
    return msgspec.structs.replace(usage, **billed, total_tokens=both)
