"""The question of a turn with what it brings along, and how it is made of the messages that a program sends. Pure."""

import json
from typing import Any

import msgspec

from context_app import tokens
from providers_app.chat import request
from providers_app.chat.counting import IMAGE_TOKENS
from providers_app.errors import EmptyPrompt, InvalidRequest, UnsupportedContent
from providers_app.types.chat import (
    BlockPart,
    ImagePart,
    Message,
    NewTurn,
    Part,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)

Columns = dict[str, Any]
PICTURE = "Attached image"
MAX_PARAMS_BYTES = 64 * 1024
MAX_TOOLS_BYTES = 512 * 1024


class Offer(msgspec.Struct, frozen=True):
    """The tools of a turn and the choice among them: its columns ``tools`` and ``tool_choice``."""

    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = ToolChoice()

    @property
    def tokens(self) -> int:
        """About how many tokens the tools take in the request."""
        return tokens.estimate(msgspec.json.encode(self.tools).decode()) if self.tools else 0


def offer_of(tools: request.ToolsInput | None, tool_choice: request.ToolChoiceInput | None) -> Offer:
    """Return the offer with these tools. Raises ``InvalidRequest``."""
    parsed = request.parse_tools(tools)
    check_stored("tools", parsed, MAX_TOOLS_BYTES)
    return Offer(parsed, request.parse_tool_choice(tool_choice, parsed))


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question in a chat, with the columns of its turn; an empty field takes the chat's.

    The rest is what a program may add: the chat's ``system`` text, ``before`` (columns of chunks in front of the
    question), ``pictures`` (likewise, of the question itself), ``results`` (call id, and columns of the chunk, of tools
    that ran), ``options`` (further arguments of ``provider.stream_chat``, not stored), and ``alone``: no other answer
    may run in the chat.
    """

    text: str
    session: str | None = None
    model: str | None = None
    params: dict[str, Any] | None = None
    client_id: str = ""
    offer: Offer = Offer()
    system: str = ""
    before: tuple[dict[str, Any], ...] = ()
    pictures: tuple[dict[str, Any], ...] = ()
    results: tuple[tuple[str, dict[str, Any]], ...] = ()
    options: dict[str, Any] = {}
    alone: bool = False


def check_stored(name: str, value: Any, max_bytes: int) -> None:
    """Raise ``InvalidRequest`` for an argument that cannot be stored as JSON of at most ``max_bytes``."""
    try:
        encoded = msgspec.json.encode(value)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"{name} cannot be written as JSON: {error}.") from None
    if len(encoded) > max_bytes:
        raise InvalidRequest(f"{name} has {len(encoded):,} bytes; at most {max_bytes:,} are taken.")
    if b"\\u0000" in encoded:
        raise InvalidRequest(f"{name} holds a NUL character, which cannot be stored.")


def question_of(turn: NewTurn) -> Question:
    """Return the question of a turn: the last message, where it is a user's text; the others stand in front of it.

    Raises ``InvalidRequest`` for messages that end with neither a question nor the result of a tool,
    ``UnsupportedContent`` for documents, recordings and the media of tools. The metadata of inline pictures hold their
    base64 as ``data``, until it is in the media store.
    """
    *earlier, last = turn.messages
    if last.role not in ("user", "tool"):
        raise InvalidRequest("The last message must be a user's, or the result of a tool.")
    chunks: list[Columns] = []
    for message in turn.messages if last.role == "tool" else earlier:
        chunks += _chunks(message)
    own = {chunk["metadata"]["call_id"] for chunk in chunks if chunk["kind"] == "tool_call"}
    answers = [chunk for chunk in chunks if chunk["kind"] == "tool_result" and chunk["metadata"]["call_id"] not in own]
    asked = [] if last.role == "tool" else _chunks(last)
    pictures = tuple(chunk for chunk in asked if chunk["kind"] == "image")
    text = "".join(str(chunk["content"]) for chunk in asked if chunk["kind"] != "image")
    if not text.strip() and not pictures and last.role == "user":
        raise EmptyPrompt("There is nothing to send.")
    check_stored("params", turn.params, MAX_PARAMS_BYTES)
    options = dict(turn.options)
    return Question(
        text=text,
        session=f"alias:{turn.alias}" if turn.alias else turn.session,
        model=turn.model,
        params=msgspec.to_builtins(turn.params) or None,
        offer=offer_of(options.pop("tools"), options.pop("tool_choice")),
        system=turn.system,
        before=tuple(chunk for chunk in chunks if chunk not in answers),
        pictures=pictures,
        results=tuple((chunk["metadata"]["call_id"], chunk) for chunk in answers),
        options=options,
        alone=True,
    )


def _chunks(message: Message) -> list[Columns]:
    """Return the columns of the chunks that hold a message; reasoning lies with what it led to."""
    found: list[Columns] = []
    reasoning: list[Columns] = []
    for part in message.parts:
        if isinstance(part, ReasoningPart):
            reasoning.append({"text": part.text, "opaque": part.opaque, **_noted(part)})
            continue
        kind, content, metadata = _stored(message.role, part)
        if reasoning:
            metadata["reasoning"], reasoning = reasoning, []
        if kind == message.role and found and found[-1]["kind"] == kind and not metadata:
            found[-1]["content"] += content
            continue
        found.append({"kind": kind, "role": message.role, "content": content, "metadata": metadata})
        if isinstance(part, ToolCallPart):
            found[-1]["intent"] = msgspec.to_builtins(part.intent)
        elif isinstance(part, ImagePart):
            found[-1]["tokens"] = IMAGE_TOKENS
    return found


def _stored(role: str, part: Part) -> tuple[str, str, Columns]:
    """Return kind, text and metadata of the chunk that holds a part."""
    match part:
        case TextPart():
            return role, _clean(part.text), {"opaque": part.opaque, "origin": _noted(part)} if part.opaque else {}
        case ToolCallPart():
            metadata: Columns = {"call_id": part.id, "name": part.name, "arguments": part.arguments}
            metadata |= {"provider_id": part.provider_id, "opaque": part.opaque, "origin": _noted(part)}
            return "tool_call", _clean(json.dumps(part.arguments, ensure_ascii=False, indent=2)), metadata
        case ToolResultPart() if not part.media:
            metadata = {"call_id": part.call_id, "name": part.name, "is_error": part.is_error}
            return "tool_result", _clean(part.content), metadata
        case ImagePart():
            given = {"data": part.data, "url": part.url, "ref": part.ref, "opaque": part.opaque}
            metadata = {name: value for name, value in given.items() if value} | {"media_type": part.media_type}
            return "image", PICTURE, metadata | {"name": PICTURE, "origin": _noted(part)}
        case BlockPart():
            return "block", part.kind, {"kind": part.kind, "data": part.data, "origin": _noted(part)}
        case _:
            what = "A stored context takes no documents, recordings or media of tools."
            raise UnsupportedContent(what, hint="Send them without store=True.")


def _noted(part: Any) -> Columns:
    return {} if part.origin is None else {k: v for k, v in msgspec.structs.asdict(part.origin).items() if v}


def _clean(text: str) -> str:
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
