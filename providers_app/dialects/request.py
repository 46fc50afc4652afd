"""Shared steps of building a request: normalise the conversation for the wire, encode it as bytes.

Deterministic: the same history always gives the same bytes.

1. Every tool result moves directly behind the assistant message with its call, in the order of the calls. It answers
   the first call of its id without a result in the newest message that made one; a second result is dropped.
2. A call without a result gets one that says so; a result without a call is dropped (either would be refused).
3. Neighbouring messages of one role become one; empty text disappears.
4. Reasoning, blocks in a provider's own form, and what it attached to text, calls and pictures stay only for the
   origin that gave them out. A picture that a model made stands in front of the next user's message, unless the wire
   takes it back in its place.
5. Tool-call ids take the form that the wire accepts, the same for a call and its result, unique in the whole history
   (``tool_forms``).
6. Where the wire wants a user's message first and the person left it out, a line that says so stands in its place.
"""

from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

import msgspec

from providers_app.dialects.media import dropped, kind_of, note
from providers_app.dialects.tool_forms import CallIds, IdForm
from providers_app.errors import UnsupportedContent
from providers_app.types.advice import Advice
from providers_app.types.chat import (
    BlockPart,
    ChatRequest,
    ImagePart,
    Part,
    ReasoningPart,
    TextPart,
    Tool,
    ToolCallPart,
    ToolResultPart,
)
from providers_app.types.events import Origin
from providers_app.types.intent_rules import INTENT_PROPERTY
from providers_app.wire import payload

INTERRUPTED_RESULT = "This tool call was interrupted and has no result."
LEFT_OUT = "(What came before was left out.)"
OTHER_ACCOUNT = "made by another account"
BOUND = "Signatures, encrypted reasoning and blocks of another account are not sent: only that account can read them."
_NO_PLACE = "this API does not take it back"
P = TypeVar("P", TextPart, ImagePart, ToolCallPart)


class Replay(msgspec.Struct, frozen=True):
    """Rule by which ``provider`` (its slug; empty: none) takes back what it attached to an answer.

    That is bound to the login that gave it out, and with ``same_model`` to the model too; another would refuse it.
    ``pictures``: an assistant's message may hold the pictures that the model made. ``fits`` tells of reasoning and
    blocks of the right origin whether the format has a place for them.
    """

    provider: str
    same_model: bool = False
    pictures: bool = False
    fits: Callable[[ReasoningPart | BlockPart], bool] = lambda _: True

    def refusal(self, origin: Origin | None, chat: ChatRequest) -> str:
        """Return why what came from ``origin`` does not go back with this request; empty, it does."""
        if not self.provider:
            return _NO_PLACE
        if origin is None:
            return "it is not known who made it"
        if origin.provider != self.provider:
            return "made by another provider"
        asked = chat.asked or Origin(self.provider, chat.model)
        if self.same_model and origin.model not in (None, asked.model):
            return "made by another model"
        mine = asked.session is None or origin.session in (None, asked.session)
        return "" if mine else OTHER_ACCOUNT


class Turn(msgspec.Struct):
    """One message as the wire has it; a ``tool`` turn holds only results, in the order of the calls before it.

    A call keeps its ``provider_id`` only where its wire id is that very id, given by the provider that is asked.
    """

    role: Literal["system", "user", "assistant", "tool"]
    parts: list[Part]


class _Place(msgspec.Struct):
    """The place of a call's result; ``message`` numbers the message that made the call."""

    message: int
    results: Turn
    at: int
    call: ToolCallPart
    answered: bool = False


class Conversation:
    """The conversation of ``chat`` for a provider with these ``ids`` and this ``replay``."""

    def __init__(self, chat: ChatRequest, ids: IdForm, replay: Replay) -> None:
        self._chat, self._replay = chat, replay
        self._ids = CallIds(ids, replay.provider, chat.asked.session if chat.asked is not None else None)
        self._turns: list[Turn] = []
        self._places: dict[str, list[_Place]] = {}
        self._pictures: list[Part] = []

    def turns(self) -> list[Turn]:
        """Return its turns as the wire has them. Raise ``UnsupportedContent``."""
        for number, message in enumerate(self._chat.messages):
            parts = self._sorted_parts(message.role, message.parts)
            role = message.role if message.role != "tool" else "user"
            if role == "user" and self._pictures and parts:
                for picture in self._pictures:
                    note(self._chat, picture, "part_moved", "Picture moved in front of your next message.")
                parts, self._pictures = [*self._pictures, *parts], []
            if not parts:
                continue
            turn = self._turns[-1] if self._turns else None
            if turn is not None and turn.role == role:
                turn.parts += parts
            else:
                turn = Turn(role, parts)
                self._turns.append(turn)
            if any(isinstance(part, ToolCallPart) for part in parts):
                self._turns.append(self._with_calls(turn, number))
        for picture in self._pictures:
            dropped(self._chat, picture, "no message of yours follows")
        for place in (one for places in self._places.values() for one in places if not one.answered):
            note(self._chat, place.call, "part_inserted", "A result is added that says that the call has none.")
        return self._turns

    def _sorted_parts(self, role: str, given: tuple[Part, ...]) -> list[Part]:
        """Return the parts that stay in the message. Results go to the turn that waits for them."""
        parts: list[Part] = []
        for part in given:
            if isinstance(part, TextPart):
                _add_text(parts, self._unbound(part) if part.opaque is not None else part, role)
            elif isinstance(part, ToolResultPart):
                self._answer(part)
            elif isinstance(part, ToolCallPart):
                if role == "assistant":
                    parts.append(part)
            elif isinstance(part, ReasoningPart | BlockPart):
                why = self._replay.refusal(part.origin, self._chat) if role == "assistant" else _NO_PLACE
                if not why and self._replay.fits(part):
                    parts.append(part)
                else:
                    dropped(self._chat, part, why or _NO_PLACE)
                    self._say_bound(part, why)
            elif role == "assistant" and isinstance(part, ImagePart):
                place = parts if self._replay.pictures else self._pictures
                place.append(self._unbound(part))
            elif role == "assistant":
                raise UnsupportedContent(f"An assistant's message may hold no {kind_of(part)}.")
            else:
                parts.append(part)
        return parts

    def _unbound(self, part: P) -> P:
        """Return the part without what its provider attached to it, if that does not go back."""
        if part.opaque is None or not (why := self._replay.refusal(part.origin, self._chat)):
            return part
        if part.opaque.keys() - {INTENT_PROPERTY}:
            note(self._chat, part, "part_dropped", f"Signature not sent: {why}.")
            self._say_bound(part, why)
        return msgspec.structs.replace(part, opaque=None)

    def _say_bound(self, part: Part, why: str) -> None:
        """Tell once of parts that belong to no chunk: the account changed, and with it what it alone can read."""
        if why == OTHER_ACCOUNT and not part.source and not any(item.what == BOUND for item in self._chat.notes):
            told = Advice(level="warning", field="messages", what=BOUND, code="part_dropped")
            self._chat.notes.append(told)

    def _answer(self, result: ToolResultPart) -> None:
        places = self._places.get(result.call_id) or []
        place = next((one for one in places if one.message == places[-1].message and not one.answered), None)
        if place is None:
            dropped(self._chat, result, "it answers no open tool call")
        else:
            place.answered = True
            place.results.parts[place.at] = msgspec.structs.replace(result, call_id=place.call.id, name=place.call.name)

    def _with_calls(self, turn: Turn, number: int) -> Turn:
        """Give the calls of a turn their wire form; return the turn of their results, all of them still missing."""
        results = Turn("tool", [])
        for position, part in enumerate(turn.parts):
            if not isinstance(part, ToolCallPart):
                continue
            own, wire_id = self._ids.of(part)
            if not own and wire_id != part.id:
                note(self._chat, part, "part_renamed", f"The id of the tool call is sent as {wire_id}.")
            wired = msgspec.structs.replace(self._unbound(part), id=wire_id, provider_id=wire_id if own else None)
            turn.parts[position] = wired
            self._places.setdefault(part.id, []).append(_Place(number, results, len(results.parts), wired))
            results.parts.append(ToolResultPart(wired.id, wired.name, INTERRUPTED_RESULT, True))
        return results


def _add_text(parts: list[Part], part: TextPart, role: str) -> None:
    last = parts[-1] if parts else None
    if role == "assistant" and isinstance(last, TextPart) and last.opaque is None and part.opaque is None:
        parts[-1] = msgspec.structs.replace(last, text=last.text + part.text)  # pieces of one answer
    elif part.text or part.opaque:
        parts.append(part)


def joined_text(parts: Iterable[Part]) -> str:
    """Join the text of the parts, with a blank line between them."""
    return "\n\n".join(part.text for part in parts if isinstance(part, TextPart) and part.text)


def leading_system(chat: ChatRequest, turns: list[Turn], *, everywhere: bool = False) -> tuple[str, list[Turn]]:
    """Return the system text in front (or ``everywhere``), and the turns without it, neighbours of one role joined."""
    taken = [turn for turn in (turns if everywhere else turns[:1]) if turn.role == "system"]
    for part in (part for turn in taken for part in turn.parts if turn is not turns[0]):
        note(chat, part, "part_moved", "System text moved to the beginning of the request.")
    rest = [turn for turn in turns if turn.role != "system"] if everywhere else turns[len(taken) :]
    merged: list[Turn] = []
    for turn in rest:  # ``tool`` turns stay apart
        if merged and merged[-1].role == turn.role != "tool":
            merged[-1] = Turn(turn.role, merged[-1].parts + turn.parts)
        else:
            merged.append(turn)
    return joined_text(part for turn in taken for part in turn.parts), merged


def opened_by_user(chat: ChatRequest, turns: list[Turn]) -> list[Turn]:
    """Put a user's turn in front of an assistant's: excluding the first question must not break a chat."""
    if not turns or turns[0].role != "assistant":
        return turns
    note(chat, turns[0].parts[0], "part_inserted", f"A line is added in front: {LEFT_OUT}")
    return [Turn("user", [TextPart(LEFT_OUT)]), *turns]


def to_bytes(body: dict[str, Any], extra: dict[str, Any], unsupported: frozenset[str] = frozenset()) -> bytes:
    """Encode ``body`` with ``extra`` merged into it and without the ``unsupported`` top-level fields.

    Objects are merged key by key; anything else in ``extra`` replaces, and is sent even when it is unsupported.
    """
    kept = {name: value for name, value in body.items() if value is not None and name not in unsupported}
    return payload.encode(_merged(kept, extra) if extra else kept)


def _merged(base: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for name, value in extra.items():
        present = result.get(name)
        result[name] = _merged(present, value) if isinstance(present, dict) and isinstance(value, dict) else value
    return result


def described(tool: Tool, parameters: str, *, strict: bool = True) -> dict[str, Any]:
    """Return a tool as most formats write it: its schema under ``parameters``, ``strict`` where the format knows it."""
    text = {"description": tool.description} if tool.description else {}
    asked = {"strict": tool.strict} if strict and tool.strict is not None else {}
    return {"name": tool.name, **text, parameters: schema(tool.parameters), **asked}


def schema(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return a tool's JSON Schema with the top level that every provider insists on."""
    whole = parameters.get("type") == "object" and "properties" in parameters
    return parameters if whole else {"type": "object", "properties": {}, **parameters}
