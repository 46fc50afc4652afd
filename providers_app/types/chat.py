"""Requests to a model, their results, and stored contexts with their pieces (``Chunk``) and questions."""

from typing import Any, Literal

import msgspec

from providers_app.types import events
from providers_app.types.advice import Advice
from providers_app.types.continuing import Cursor
from providers_app.types.intent import ToolIntent, scoped

Role = Literal["system", "user", "assistant", "tool"]


class _Part(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of the parts. ``source`` is the id of the chunk that a part comes from; it never reaches a provider."""

    source: str = ""


class TextPart(_Part, frozen=True, tag="text"):
    """Plain text; ``opaque`` is what its ``origin`` attached to it and alone gets back (a Gemini thought signature)."""

    text: str
    opaque: dict[str, Any] | None = None
    origin: events.Origin | None = None


class ImagePart(_Part, frozen=True, tag="image"):
    """A picture: inline (base64), by ``url``, or by ``ref`` of the owner's media store; a model's has an ``origin``."""

    media_type: str = "image/png"
    data: str | None = None
    url: str | None = None
    ref: str = ""
    origin: events.Origin | None = None
    opaque: dict[str, Any] | None = None


class FilePart(_Part, frozen=True, tag="file"):
    """A document (a PDF, or text), either inline (``data`` is base64) or by ``url``; ``name`` is its file name."""

    media_type: str = "application/pdf"
    data: str | None = None
    url: str | None = None
    name: str = ""


class AudioPart(_Part, frozen=True, tag="audio"):
    """A recording; ``data`` is base64. ``media_type`` is ``audio/wav``, ``audio/mpeg`` ..."""

    media_type: str
    data: str


class ReasoningPart(_Part, frozen=True, tag="reasoning"):
    """Earlier reasoning of the model; it is sent back to its ``origin`` alone, and without one not at all."""

    text: str
    opaque: dict[str, Any] | None = None
    origin: events.Origin | None = None


class ToolCallPart(_Part, frozen=True, tag="tool_call"):
    """A tool call the assistant made; without an ``intent`` it has that of the rule.

    ``id`` is Maestro's and pairs it with its ``ToolResultPart``; ``provider_id`` is the id that ``origin`` gave it.
    """

    id: str
    name: str
    arguments: dict[str, Any]
    provider_id: str | None = None
    opaque: dict[str, Any] | None = None
    origin: events.Origin | None = None
    intent: ToolIntent = ToolIntent()

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "intent", scoped(self.intent, self.name))


class BlockPart(_Part, frozen=True, tag="block"):
    """A block in the provider's own form (a server tool, its result, an unknown kind), sent back to its ``origin``."""

    kind: str
    data: dict[str, Any]
    origin: events.Origin | None = None


class ToolResultPart(_Part, frozen=True, tag="tool_result"):
    """The answer of a tool to the call with the same ``call_id``; ``media`` are pictures and documents it gave."""

    call_id: str
    name: str
    content: str
    is_error: bool = False
    media: tuple[ImagePart | FilePart, ...] = ()


Part = TextPart | ImagePart | FilePart | AudioPart | ReasoningPart | BlockPart | ToolCallPart | ToolResultPart


class Message(msgspec.Struct, frozen=True):
    """One message of a conversation; a plain text message is ``Message("user", (TextPart("..."),))``."""

    role: Role
    parts: tuple[Part, ...]


class Tool(msgspec.Struct, frozen=True):
    """A function the model may call; ``parameters`` is a JSON Schema object.

    ``intent`` is what its calls are for. Where none is declared, ``read_only`` and ``destructive`` decide the risk.
    ``ask_intent`` lets the model state the intent of each call (see ``providers_app.types.intent_rules``).
    """

    name: str
    description: str = ""
    parameters: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None
    intent: ToolIntent | None = None
    read_only: bool | None = None
    destructive: bool | None = None
    ask_intent: bool = False


class ToolChoice(msgspec.Struct, frozen=True):
    """``auto``, ``none``, ``required``, or ``tool`` with the ``name`` of the one to call."""

    mode: Literal["auto", "none", "required", "tool"] = "auto"
    name: str | None = None


class JsonSchema(msgspec.Struct, frozen=True):
    """The shape that the answer's text must have."""

    name: str
    schema: dict[str, Any]
    strict: bool = True


class ChatParams(msgspec.Struct, frozen=True, kw_only=True):
    """Sampling and output parameters; ``None`` leaves the provider's default, ``extra`` is merged into the body."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    parallel_tool_calls: bool | None = None
    response_schema: JsonSchema | None = None
    extra: dict[str, Any] = msgspec.field(default_factory=dict)


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The input from which a dialect builds one request body.

    ``strict``: refuse parameters that would not be sent as they are. ``asked`` is who is asked: parts with another
    origin are not replayed. ``notes`` is where a dialect tells what it does to parts that have a ``source``.
    ``context_id`` is the stored context that ``messages`` begin with.

    ``resumable`` asks for an answer that can be resumed by a ``cursor``, where the provider makes such. ``prefilled``:
    the last message is the beginning of the answer, which goes on right behind it.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()
    params: ChatParams = ChatParams()
    stream: bool = True
    strict: bool = False
    asked: events.Origin | None = None
    notes: list[Advice] = []
    context_id: str | None = None
    resumable: bool = False
    prefilled: bool = False
    cursor: Cursor | None = None


class ResultToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A tool call in a ``ChatResult``."""

    id: str
    name: str
    arguments: dict[str, Any]
    provider_id: str | None = None
    invalid_arguments: str | None = None
    intent: ToolIntent = ToolIntent()
    intent_error: events.ErrorInfo | None = None

    def __post_init__(self) -> None:
        msgspec.structs.force_setattr(self, "intent", scoped(self.intent, self.name))


class ChatResult(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer. ``complete`` is true only when the provider ended it itself, without an error.

    ``text`` is the model's words as they came, its blocks joined without a space: what a program reads on (JSON, code,
    sentences that a provider cuts to cite within them). ``shown_text`` is for people.
    ``refusal`` is its text where the provider keeps it apart. ``advice`` says what was changed in the request, or is
    doubtful. ``images`` are files of other types too. ``parts`` is the answer as it has to stand in the next request,
    reasoning included. ``continued`` names each place where the answer had broken off and goes on, ``routing`` is the
    choice that an alias made. ``resumable``: what is missing of it can be read from the provider, which keeps it.
    """

    text: str = ""
    reasoning_text: str = ""
    tool_calls: tuple[ResultToolCall, ...] = ()
    finish_reason: events.FinishReason = "incomplete"
    finish_reason_raw: str | None = None
    usage: events.Usage | None = None
    model: str | None = None
    response_id: str | None = None
    complete: bool = False
    error: events.ErrorInfo | None = None
    refusal: str | None = None
    advice: tuple[Advice, ...] = ()
    citations: tuple[events.Citation, ...] = ()
    server_tools: tuple[events.ServerToolEvent, ...] = ()
    images: tuple[events.GeneratedFile, ...] = ()
    opaque: tuple[events.OpaqueBlock, ...] = ()
    parts: tuple[Part, ...] = ()
    context_id: str | None = None
    continued: tuple[events.StreamContinued, ...] = ()
    routing: events.Routing | None = None
    resumable: bool = False

    @property
    def shown_text(self) -> str:
        """The text as the page shows it: separate blocks a blank line apart, with transcripts and a refusal's text."""
        blocks = (part.text.strip("\n") for part in self.parts if isinstance(part, TextPart))
        return "\n\n".join(filter(None, blocks))

    @property
    def message(self) -> Message:
        """The assistant's message to go on with: before the results of its tools, or before the next question."""
        return Message("assistant", self.parts)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary with the field names above, without ``parts``."""
        result: dict[str, Any] = msgspec.to_builtins(self)
        del result["parts"]
        return result


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of a context. ``not_sent`` is the code of the reason why it is not sent next (empty: it is).

    ``intent`` is that of a tool call (never ``None`` there); ``intent_error`` quotes what a model stated that is none.
    """

    id: str
    order: int
    role: str
    kind: str
    content: str
    tokens: int
    pinned: bool
    excluded: bool
    not_sent: str = ""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    intent: ToolIntent | None = None
    intent_error: str = ""


class StoredContext(msgspec.Struct, frozen=True, kw_only=True):
    """A stored conversation. ``session`` is the id of that of its last request; times are seconds since the epoch.

    ``chunks`` and ``tokens`` count what is not deleted.
    """

    id: str
    title: str
    session: str | None
    model: str
    pinned: bool
    archived: bool
    created_at: float
    updated_at: float
    chunks: int
    tokens: int


class NewTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A question in a stored context; without a ``context_id``, in a new one. ``alias`` is the id of one, or empty.

    ``messages`` are the new ones, ``system`` becomes the context's system text, ``options`` are further arguments of
    ``stream_chat``.
    """

    context_id: str | None
    session: str
    model: str | None
    messages: tuple[Message, ...]
    system: str
    params: dict[str, Any]
    options: dict[str, Any]
    alias: str = ""
