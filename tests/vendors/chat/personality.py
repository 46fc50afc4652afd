"""What makes one compatible server another one: which requests it refuses, and how it writes its answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.vendors.asgi import Reply
from tests.vendors.chat.checks import ASSISTANT, FIELDS, ROLES
from tests.vendors.openai.errors import Refused
from tests.vendors.plan import Plan
from tests.vendors.replies import json_reply, sse
from tests.vendors.shapes import Check, anything, array, obj, tagged, text

Chunk = dict[str, Any]
MESSAGE = "The engine broke while it generated."
ERROR = {"message": MESSAGE, "type": "server_error", "param": None, "code": "internal_error"}


def body_check(
    *without: str, more: Mapping[str, Check] | None = None, said: Mapping[str, Check] | None = None
) -> Check:
    """The shape of a request: the common fields ``without`` some and with ``more``; ``said``: of assistant messages."""
    fields = {name: check for name, check in FIELDS.items() if name not in without} | dict(more or {})
    message = tagged("role", {**ROLES, "assistant": obj({"role": anything}, {**ASSISTANT, **(said or {})})})
    return obj({"model": text(at_least=1), "messages": array(message, at_least=1)}, fields)


def nothing(body: Chunk) -> None:
    """Refuses no request."""


def as_it_is(chunk: Chunk) -> Chunk:
    """Writes what the others write."""
    return chunk


def as_told(reply: Reply) -> Reply:
    """Words its refusals as OpenAI does."""
    return reply


def broken(plan: Plan) -> list[bytes]:
    """An error and ``[DONE]`` after it, as vLLM does."""
    return [sse({"error": ERROR}), b"data: [DONE]\n\n"]


def no_entry(model_id: str, window: int) -> Chunk:
    """An entry of the list that says nothing but the id."""
    return {"id": model_id, "object": "model", "created": 1_780_000_000, "owned_by": "somebody"}


@dataclass(frozen=True)
class Personality:
    """One kind of server.

    ``body`` is the shape of its requests, ``judge`` refuses what the shape allows, ``ask`` rewrites the request before
    it is answered (what it ignores). ``chunk`` rewrites each streamed chunk and ``whole`` a whole answer, both may
    change in place. ``usage``: ``asked`` in a chunk of its own when asked for, ``always`` in the last chunk, ``each``
    in every chunk. ``cut`` is how it breaks in the middle. ``entry`` is a line of its list (``None``: it has no list).
    ``native`` are further endpoints by method and path. ``keep_alive`` precedes the answer, ``refusal`` words its
    refusals. ``prefix`` is the field of an assistant's last message by which the answer goes on behind it; at
    ``prefix_path`` alone, where there is one. Without the field such a message is refused.
    """

    name: str
    server: str
    key: bool = True
    body: Check = field(default_factory=body_check)
    judge: Callable[[Chunk], None] = nothing
    ask: Callable[[Chunk], Chunk] = as_it_is
    chunk: Callable[[Chunk], Chunk] = as_it_is
    whole: Callable[[Chunk], Chunk] = as_it_is
    call_id: Callable[[int], str] = lambda number: f"call_{number:08d}"
    whole_calls: bool = False
    usage: str = "asked"
    done: bool = True
    cut: Callable[[Plan], list[bytes]] = broken
    entry: Callable[[str, int], Chunk] | None = no_entry
    native: Mapping[tuple[str, str], Callable[[Chunk], Chunk]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    keep_alive: tuple[bytes, ...] = ()
    refusal: Callable[[Reply], Reply] = as_told
    prefix: str = ""
    prefix_path: str = ""


def check_prefix(kind: Personality, body: Chunk, path: str) -> None:
    """Refuse a beginning of the answer that is not marked as one, or at the wrong address. Raises ``Refused``."""
    last = body["messages"][-1]
    marked = [message for message in body["messages"] if message.get("prefix")]
    if not kind.prefix:
        return
    if (path == kind.prefix_path and not marked) or (marked and kind.prefix_path not in ("", path)):
        refuse(400, {"error": {"message": "prefix is not supported here", "type": "invalid_request_error"}})
    if (last["role"] == "assistant") != bool(marked) or (marked and marked != [last]):
        said = f"Expected last role User or Tool (or Assistant with prefix True) for serving but got {last['role']}"
        refuse(400, {"object": "error", "message": said, "type": "invalid_request_message_order", "code": "3230"})


def refuse(status: int, payload: Any) -> None:
    """Raises ``Refused`` with this body."""
    raise Refused(json_reply(status, payload))


def renamed(holder: Chunk, before: str, after: str) -> None:
    """Another name for a field of a delta or message, where it is there."""
    if before in holder:
        holder[after] = holder.pop(before)


def in_choices(change: Callable[[Chunk], None]) -> Callable[[Chunk], Chunk]:
    """Change the delta or message of every choice."""

    def rewrite(chunk: Chunk) -> Chunk:
        for choice in chunk.get("choices", ()):
            change(choice.get("delta") or choice.get("message") or {})
        return chunk

    return rewrite
