"""A conversation made fit for a wire format, deterministically: the same history always gives the same bytes.

1. Every tool result moves directly behind the assistant message with its call, in the order of the calls.
2. A call without a result gets one that says so; a result without a call is dropped (either would be refused).
3. Neighbouring messages of one role become one; empty text disappears.
4. Reasoning stays only for the provider that gave it out.
5. Tool-call ids take the form that the wire accepts, the same for a call and its result, unique in the whole history.
6. Where the wire wants a user's message first and the person left it out, a line that says so stands in its place.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Literal

import msgspec

from providers_app.types.chat import ImagePart, Message, Part, TextPart, ToolCallPart, ToolResultPart

INTERRUPTED_RESULT = "This tool call was interrupted and has no result."
LEFT_OUT = "(What came before was left out.)"
_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class IdForm(msgspec.Struct, frozen=True):
    """Which tool-call ids a wire accepts (``pattern``), and how others are replaced: prefix and hash of ``length``."""

    pattern: str
    prefix: str = "call_"
    length: int = 24


OPENAI_IDS = IdForm(r"[\x21-\x7e]{1,40}")
ANTHROPIC_IDS = IdForm(r"[a-zA-Z0-9_-]{1,64}", "toolu_")
NINE_ALPHANUMERICS = IdForm(r"[a-zA-Z0-9]{9}", "", 9)


class Turn(msgspec.Struct):
    """One message as the wire has it; a ``tool`` turn holds only results, in the order of the calls before it."""

    role: Literal["system", "user", "assistant", "tool"]
    parts: list[Part]


def wire_turns(messages: Iterable[Message], ids: IdForm, family: str) -> list[Turn]:
    """The turns that ``messages`` amount to, for the provider ``family``, which takes back only its own reasoning."""
    turns: list[Turn] = []
    waiting: dict[str, list[tuple[Turn, int, ToolCallPart]]] = {}
    used: set[str] = set()
    for message in messages:
        parts, calls = _sorted_parts(message, waiting, family)
        role = message.role if message.role != "tool" else "user"
        if parts or calls:
            previous = turns[-1] if turns else None
            if previous is not None and previous.role == role:
                previous.parts += parts
            else:
                previous = Turn(role, list(parts))
                turns.append(previous)
            if calls:
                turns.append(_with_calls(previous, calls, ids, used, waiting))
    return turns


def _sorted_parts(
    message: Message, waiting: dict[str, list[tuple[Turn, int, ToolCallPart]]], family: str
) -> tuple[list[Part], list[ToolCallPart]]:
    """What stays in the message, and its calls. Results go to the turn that waits for them."""
    parts: list[Part] = []
    calls: list[ToolCallPart] = []
    for part in message.parts:
        if isinstance(part, ToolResultPart):
            places = waiting.get(part.call_id)
            if places:
                turn, at, call = places.pop()
                turn.parts[at] = ToolResultPart(call.id, call.name, part.content, part.is_error)
        elif isinstance(part, ToolCallPart):
            if message.role == "assistant":
                calls.append(part)
        elif isinstance(part, TextPart):
            _add_text(parts, part, message.role)
        elif isinstance(part, ImagePart) or (message.role == "assistant" and family and part.provider == family):
            parts.append(part)
    return parts, calls


def _add_text(parts: list[Part], part: TextPart, role: str) -> None:
    last = parts[-1] if parts else None
    if role == "assistant" and isinstance(last, TextPart) and last.opaque is None and part.opaque is None:
        parts[-1] = TextPart(last.text + part.text)  # pieces of one answer
    elif part.text or part.opaque:
        parts.append(part)


def _with_calls(
    turn: Turn,
    calls: list[ToolCallPart],
    ids: IdForm,
    used: set[str],
    waiting: dict[str, list[tuple[Turn, int, ToolCallPart]]],
) -> Turn:
    results = Turn("tool", [])
    for at, call in enumerate(calls):
        wired = msgspec.structs.replace(call, id=_wire_id(call.provider_id or call.id, ids, used))
        turn.parts.append(wired)
        results.parts.append(ToolResultPart(wired.id, wired.name, INTERRUPTED_RESULT, True))
        waiting.setdefault(call.id, []).append((results, at, wired))
    return results


def _wire_id(candidate: str, ids: IdForm, used: set[str]) -> str:
    chosen, attempt = candidate, 0
    while chosen in used or not re.fullmatch(ids.pattern, chosen):
        number = int.from_bytes(hashlib.sha256(f"{candidate}\0{attempt}".encode("utf-8", "replace")).digest(), "big")
        digits = []
        for _ in range(ids.length):
            number, digit = divmod(number, 62)
            digits.append(_BASE62[digit])
        chosen = ids.prefix + "".join(digits)
        attempt += 1
    used.add(chosen)
    return chosen


def joined_text(parts: Iterable[Part]) -> str:
    """The text of the parts, with a blank line between them."""
    return "\n\n".join(part.text for part in parts if isinstance(part, TextPart) and part.text)


def leading_system(turns: list[Turn], *, everywhere: bool = False) -> tuple[str, list[Turn]]:
    """The system text in front (or ``everywhere``), and the turns without it."""
    taken = [turn for turn in (turns if everywhere else turns[:1]) if turn.role == "system"]
    text = "\n\n".join(filter(None, (joined_text(turn.parts) for turn in taken)))
    rest = [turn for turn in turns if not any(turn is one for one in taken)]
    return text, merged_neighbours(rest)


def opened_by_user(turns: list[Turn]) -> list[Turn]:
    """The turns, with a user's turn in front of an assistant's: excluding the first question must not break a chat."""
    opening: list[Part] = [TextPart(LEFT_OUT)]
    return [Turn("user", opening), *turns] if turns and turns[0].role == "assistant" else turns


def merged_neighbours(turns: list[Turn]) -> list[Turn]:
    """The turns with neighbours of one role joined; ``tool`` turns stay apart."""
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role and turn.role != "tool":
            merged[-1] = Turn(turn.role, merged[-1].parts + turn.parts)
        else:
            merged.append(turn)
    return merged
