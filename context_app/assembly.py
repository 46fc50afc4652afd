"""Assemble messages from the chunks of a context. Pure: no database, no clock.

Rules, in this order:

1. The chunks whose ``not_sent`` is empty are sent, each once (``context_app.sending`` decides it). A result stands
   behind the run of parallel calls that its own belongs to.
2. System text keeps its place. Notes, files and summaries become text of the role they carry (user unless system).
3. Neighbours of one role become parts of one message.
4. Reasoning stands in front of what it led to, with its origin: the request takes out what is not for its provider.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, zip_longest
from operator import itemgetter
from typing import Any

import msgspec

from context_app.models import ContextChunk
from context_app.sending import BLOCKS, CallKey, arguments_of, call_key
from context_app.tool_intents import intent_of_chunk
from providers_app.types.chat import (
    BlockPart,
    ImagePart,
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from providers_app.types.events import Origin


def build_messages(chunks: Iterable[ContextChunk]) -> tuple[Message, ...]:
    """Return the messages of the next request by the rules above. ``chunks`` must be in their order."""
    outgoing = [chunk for chunk in chunks if not chunk.not_sent]
    results: defaultdict[CallKey, list[ContextChunk]] = defaultdict(list)
    for chunk in reversed(outgoing):
        if chunk.kind == "tool_result":
            results[call_key(chunk)].append(chunk)
    parts: list[tuple[Role, Part]] = []
    owed: list[Part] = []  # results wait until the run of parallel calls that they answer is complete
    used: set[str] = set()
    for chunk, following in zip_longest(outgoing, outgoing[1:]):
        if chunk.kind == "tool_result":
            continue
        if chunk.kind != "tool_call":
            role = _role(chunk)
            parts += [(role, part) for part in _of(chunk, *_parts(chunk))]
            continue
        call_id = _unique(chunk, used)
        call = _of(chunk, *_reasoning_parts(chunk), _call_part(chunk, call_id))
        parts += [("assistant", part) for part in call]
        if found := results[call_key(chunk)]:
            owed += _of(found[-1], _result_part(chunk, found.pop(), call_id))
        if following is None or following.kind != "tool_call":
            parts += [("tool", part) for part in owed]
            owed = []
    groups = groupby(parts, key=itemgetter(0))
    return tuple(Message(role, tuple(part for _, part in group)) for role, group in groups)


def _of(chunk: ContextChunk, *parts: Part) -> list[Part]:
    return [msgspec.structs.replace(part, source=str(chunk.id)) for part in parts]


def _role(chunk: ContextChunk) -> Role:
    if chunk.kind in {"system", "user", "assistant"}:
        return chunk.kind  # type: ignore[return-value]
    if chunk.kind == "image" or chunk.kind in BLOCKS:
        return "user" if chunk.role == "user" else "assistant"
    return "system" if chunk.role == "system" else "user"


def _parts(chunk: ContextChunk) -> Sequence[Part]:
    data = chunk.metadata
    if chunk.kind in BLOCKS:
        block = BlockPart(str(data.get("kind") or ""), data["data"], _origin(chunk, data.get("origin")))
        return (*_reasoning_parts(chunk), block)
    if chunk.kind == "image":
        origin = _origin(chunk, data.get("origin"))
        given = str(data.get("media_type") or "image/png"), None, data.get("url"), str(data.get("ref") or "")
        return (*_reasoning_parts(chunk), ImagePart(*given, origin, data.get("opaque")))
    if chunk.kind == "assistant":
        opaque = chunk.metadata.get("opaque")
        text = TextPart(chunk.content, opaque, _origin(chunk, chunk.metadata.get("origin")) if opaque else None)
        return (*_reasoning_parts(chunk), text)
    name = chunk.metadata.get("name")
    if chunk.kind == "file" and name:
        return (TextPart(f"# {name}\n\n{chunk.content}"),)
    return (TextPart(chunk.content),)


def _reasoning_parts(chunk: ContextChunk) -> list[Part]:
    """Return earlier reasoning with its provider's opaque data; some providers take the bare text back."""
    return [
        ReasoningPart(str(item.get("text", "")), item.get("opaque") or None, _origin(chunk, item))
        for item in chunk.metadata.get("reasoning") or ()
        if isinstance(item, Mapping)
    ]


def _origin(chunk: ContextChunk, given: Any) -> Origin | None:
    """Return the origin that is stored with a part, else its chunk's."""
    for source in (given, chunk.provenance):
        if isinstance(source, Mapping) and source.get("provider"):
            return Origin(str(source["provider"]), source.get("model") or None, source.get("session") or None)
    return None


def _call_part(chunk: ContextChunk, call_id: str) -> ToolCallPart:
    data = chunk.metadata
    return ToolCallPart(
        call_id,
        str(data["name"]),
        arguments_of(chunk) or {},
        data.get("provider_id"),
        data.get("opaque"),
        _origin(chunk, data.get("origin")),
        intent_of_chunk(chunk),
    )


def _result_part(call: ContextChunk, result: ContextChunk, call_id: str) -> ToolResultPart:
    name = str(call.metadata["name"])
    return ToolResultPart(call_id, name, result.content, is_error=bool(result.metadata.get("is_error")))


def _unique(chunk: ContextChunk, used: set[str]) -> str:
    """Return the call's id, or one derived from the chunk if an earlier call of this request has it too (old rows)."""
    call_id = str(chunk.metadata.get("call_id") or "")
    if not call_id or call_id in used:
        call_id = f"call_{chunk.id.hex}"
    used.add(call_id)
    return call_id


def with_user_text(messages: tuple[Message, ...], text: str) -> tuple[Message, ...]:
    """Return ``messages`` with one more user text, joined to a user message at the end as a chunk would be."""
    part = TextPart(text)
    if messages and messages[-1].role == "user":
        return (*messages[:-1], Message("user", (*messages[-1].parts, part)))
    return (*messages, Message("user", (part,)))
