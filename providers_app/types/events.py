"""The closed union of events that a streamed answer consists of, for every provider alike.

In order: ``StreamStart``, any number of deltas, calls, citations and usage reports, then exactly one of
``StreamEnd`` (the provider ended the answer) or ``StreamFailed`` (it broke, or was cut).
"""

from typing import Any, Literal

import msgspec

from providers_app.types.advice import Advice
from providers_app.types.intent import ToolIntent, scoped

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "pause", "error", "cancelled", "incomplete"]
ContinuedBy = Literal["cursor", "prefix", "instruct", "restart"]
UsageSource = Literal["provider", "estimated", "partial"]


class Origin(msgspec.Struct, frozen=True):
    """The source of a part of an answer: signatures, encrypted reasoning and ids are sent back there alone.

    ``model`` is the name as in the request, ``session`` an id; ``None``: not known, which binds to nothing.
    """

    provider: str
    model: str | None = None
    session: str | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """The tokens that an answer consumed, in one meaning for every provider.

    ``input_tokens`` is everything that was sent, cache reads and cache writes included; ``output_tokens`` is everything
    that was generated, reasoning included. The cached, cache-write and reasoning tokens are parts of those two.
    ``None``: the provider did not say. ``source``: the ``provider``'s final figures, ``partial`` (the stream broke
    after provisional ones) or ``estimated`` by Maestro. ``raw`` keeps the provider's own object.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_input_tokens: int | None = None
    cache_write_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None
    source: UsageSource = "provider"
    raw: dict[str, Any] = msgspec.field(default_factory=dict)


class ErrorInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An error as data: what a page, a frame or a log may show of a ``ProviderError``.

    ``code`` is Maestro's and stable; ``type`` and ``upstream_code`` are the provider's own words for it. ``status`` is
    the HTTP status (``None`` for an error inside a 200), ``retry_after`` seconds to wait (``None`` when unknown).
    """

    code: str
    message: str
    type: str | None = None
    status: int | None = None
    retry_after: float | None = None
    hint: str = ""
    upstream_code: str | None = None


class LeftRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route of an alias that did not answer: its session (by name), its model, and why.

    ``code`` and ``message`` are those of the error that it was left with.
    """

    provider: str
    session: str
    model: str
    code: str
    message: str


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """The choice that an alias made: the session (name and id) and model that answered, and the routes left before."""

    alias: str
    provider: str
    session: str
    session_id: str
    model: str
    left: tuple[LeftRoute, ...] = ()


class _Event(msgspec.Struct, frozen=True, tag_field="type", omit_defaults=True):
    """Encoded, an event has its ``type`` and the fields that differ from their defaults."""


class StreamStart(_Event, frozen=True, tag="stream_start"):
    """The provider (``origin``) accepted the request and began to answer; ``advice`` says what was changed in it.

    ``context_id`` is the stored context that was sent, if there is one, ``routing`` the choice that an alias made.
    ``resumable``: the provider keeps the answer for a while, and sends it again under its ``response_id``.
    """

    model: str | None = None
    response_id: str | None = None
    advice: tuple[Advice, ...] = ()
    origin: Origin | None = None
    context_id: str | None = None
    routing: Routing | None = None
    resumable: bool = False


class TextDelta(_Event, frozen=True, tag="text_delta"):
    """A piece of the answer's text.

    ``opaque`` is what the provider attached to it and wants back (there may be no text). ``refusal``: it is the model's
    refusal, which providers keep apart from an answer. ``aside``: it is shown but no text of the answer (a blank line
    between blocks that are separate on the wire, the transcript of a recording).
    """

    text: str
    opaque: dict[str, Any] | None = None
    refusal: bool = False
    aside: bool = False


class ReasoningDelta(_Event, frozen=True, tag="reasoning_delta"):
    """A piece of reasoning or its summary; ``part`` numbers those of one answer, ``opaque`` is as in ``TextDelta``."""

    text: str = ""
    part: int = 0
    opaque: dict[str, Any] | None = None


class ToolCallDelta(_Event, frozen=True, tag="tool_call_delta"):
    """A piece of a tool call's arguments as raw JSON text; ``index`` numbers the calls of one answer, from 0."""

    index: int
    name: str
    arguments: str
    provider_id: str | None = None


class ToolCall(_Event, frozen=True, tag="tool_call"):
    """A whole tool call that the caller is asked to run.

    ``id`` is Maestro's own, unique over all answers; ``provider_id`` the provider's (``None`` where it sends none).
    ``invalid_arguments`` is the raw text where it is no JSON object: ``arguments`` is then empty, and the call must not
    be run. ``intent_error``: the model stated an intent that is none; ``intent`` is then the tool's or the rule's.
    """

    index: int
    id: str
    name: str
    arguments: dict[str, Any]
    provider_id: str | None = None
    invalid_arguments: str | None = None
    opaque: dict[str, Any] | None = None
    intent: ToolIntent = ToolIntent()
    intent_error: ErrorInfo | None = None

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "intent", scoped(self.intent, self.name))


class Citation(_Event, frozen=True, tag="citation"):
    """A source of the answer and the cited passage, as far as given; ``data`` is the provider's own description."""

    data: dict[str, Any]
    url: str = ""
    title: str = ""
    quote: str = ""


class ServerToolEvent(_Event, frozen=True, tag="server_tool"):
    """A block (``data``) of a tool that the provider ran itself, or of its result; it goes back there unchanged."""

    kind: str
    data: dict[str, Any]


class GeneratedFile(_Event, frozen=True, tag="generated_file"):
    """A picture, a recording or a file that the model made. ``kind`` is the provider's word for the block.

    ``data`` holds its bytes only until they are in the media store; from then on ``ref`` names them there. ``url`` is
    the address where a provider gives one instead of the bytes. ``problem`` says why the bytes could not be kept.
    ``width`` and ``height`` are in pixels, 0 where they are not known. ``opaque`` as in ``TextDelta``.
    """

    media_type: str
    ref: str = ""
    kind: str = ""
    name: str = ""
    size: int = 0
    url: str = ""
    problem: str = ""
    opaque: dict[str, Any] | None = None
    data: bytes = b""
    width: int = 0
    height: int = 0


class OpaqueBlock(_Event, frozen=True, tag="opaque_block"):
    """A block of a kind that Maestro does not know: kept as it is, and sent back to the provider that made it."""

    kind: str
    data: dict[str, Any]


class UsageReport(_Event, frozen=True, tag="usage"):
    """Token counts so far; a later report replaces an earlier one."""

    usage: Usage


class StreamContinued(_Event, frozen=True, tag="stream_continued"):
    """The answer had broken off here, and what follows goes on with it, in the ``way`` that it was continued in.

    ``at`` is how many characters of its text came before; ``reason`` is the message of the error that broke it.
    """

    way: ContinuedBy
    at: int = 0
    reason: str = ""


class StreamEnd(_Event, frozen=True, tag="stream_end"):
    """The provider ended the answer.

    ``finish_reason_raw`` is its own word for why, ``message`` its explanation if any. ``model`` is who answered, where
    a fallback of the provider made it another than at the start.
    """

    finish_reason: FinishReason
    finish_reason_raw: str | None = None
    message: str | None = None
    model: str | None = None


class StreamFailed(_Event, frozen=True, tag="stream_failed"):
    """The answer broke: an error from the provider, a lost connection, or an end without an end marker.

    ``finish_reason`` is ``error``, ``incomplete`` (cut), ``cancelled``, or what the provider gave before the error.
    """

    error: ErrorInfo
    finish_reason: FinishReason = "error"
    finish_reason_raw: str | None = None


Event = (
    StreamStart
    | TextDelta
    | ReasoningDelta
    | ToolCallDelta
    | ToolCall
    | Citation
    | ServerToolEvent
    | GeneratedFile
    | OpaqueBlock
    | UsageReport
    | StreamContinued
    | StreamEnd
    | StreamFailed
)
