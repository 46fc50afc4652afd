"""Assembly of fragments: choices and tool calls under any numbering, ``<think>`` tags inside the text, reasoning."""

from typing import Any

import msgspec

from providers_app.dialects.answer import Answer, require_room
from providers_app.errors import AnswerTooLarge
from providers_app.wire import payload

MAX_NAME = 1000
MAX_JUDGED = 64 * 1024
"""Characters of arguments that are tried, with each further fragment, for being whole."""
MAX_BLANK = 4096
"""Characters of white space that may stand in front of a tag."""


class OneChoice:
    """Finds the choices that make up the one answer that was asked for, once they differ in their index.

    Some servers count it up by chunk. Where an index comes again after another, or beside others in one chunk, it is
    that of a further answer (n > 1), which is not read. Until that is known, a choice of another index that begins like
    an answer, with its role, is held.
    """

    __slots__ = ("_index", "_many", "_seen", "held")

    def __init__(self, index: Any) -> None:
        self._index = index
        self._many = False
        self._seen: set[str] = set()
        self.held: list[dict[str, Any]] = []

    def is_read(self, choice: dict[str, Any], *, alone: bool, ended: bool) -> bool:
        """Tell whether the choice is read now; ``alone`` in its chunk, ``ended``: after the finish reason."""
        index = choice.get("index")
        own = index is None or index == self._index
        if self._many or own or not alone or str(index) in self._seen:
            self._many = True
            self.held.clear()
            return own
        self._seen.add(str(index))
        delta = choice.get("delta")
        begins = not isinstance(delta, dict) or bool(delta.get("role"))
        if (self.held or begins) and not ended:
            require_room(len(self.held))
            self.held.append(choice)
        return not (self.held or begins or ended)


class _Draft(msgspec.Struct):
    number: int
    provider_id: str | None
    name: str
    pieces: list[str] = []
    size: int = 0
    opaque: dict[str, Any] | None = None


class ToolCallDrafts:
    """Assembles the calls of one answer.

    Fragments belong together by ``index``. A new id at an index that has another id begins a new call (some servers
    number every call 0). Without an index the id decides, and without both it is the last call, unless that one is
    whole and the fragment names a function again. A fragment without id and name never begins a further call.
    """

    __slots__ = ("_answer", "_by_index", "_drafts")

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._drafts: list[_Draft] = []
        self._by_index: dict[int, _Draft] = {}

    def __bool__(self) -> bool:
        return bool(self._drafts)

    def fragment(self, raw: Any) -> None:
        """Add one element of ``tool_calls``, or a legacy ``function_call``."""
        if not isinstance(raw, dict):
            return
        function = raw.get("function")
        body = function if isinstance(function, dict) else raw
        provider_id = str(raw["id"]) if raw.get("id") not in (None, "") else None
        name = payload.text(body.get("name"))
        draft = self._find(payload.count(raw.get("index")), provider_id, name)
        if provider_id and not draft.provider_id:
            draft.provider_id = provider_id
        if name and name != draft.name and not any(draft.pieces):
            draft.name += name  # a name may come in pieces, or be repeated in every fragment
            if len(draft.name) > MAX_NAME:
                raise AnswerTooLarge(f"The answer names a tool with more than {MAX_NAME} characters.")
        piece = body.get("arguments")
        if isinstance(piece, dict):
            piece = payload.encode(piece).decode()
        piece = payload.text(piece)
        draft.pieces.append(piece)
        draft.size += len(piece)
        if isinstance(raw.get("extra_content"), dict):
            draft.opaque = {"extra_content": raw["extra_content"]}  # Gemini's thought signature
        self._answer.call_delta(draft.number, draft.name, piece, draft.provider_id)

    def whole(self, number: int, raw: Any) -> None:
        """Take the final form of the call with this number among those of the answer, which repeats its fragments."""
        call = payload.mapping(raw)
        known = [draft for draft in self._drafts if draft.provider_id and draft.provider_id == call.get("id")]
        draft = known[0] if known else self._drafts[number] if number < len(self._drafts) else None
        given = payload.mapping(call.get("function", call)).get("arguments")
        if draft is None:
            self.fragment(raw)
        elif given and payload.arguments(given)[1] is None:
            draft.pieces = [payload.said(given)]

    def emit(self, *, cut: bool) -> None:
        """Emit the whole calls of an ended answer; ``cut`` means that it ended for lack of length."""
        for draft in self._drafts:
            arguments, invalid = payload.arguments("".join(draft.pieces), cut=cut)
            self._answer.call(draft.number, draft.name, arguments, draft.provider_id, invalid, draft.opaque)

    def _find(self, index: int | None, provider_id: str | None, name: str) -> _Draft:
        draft: _Draft | None = None
        if index is not None:
            draft = self._by_index.get(index)
            if draft is not None and provider_id and draft.provider_id and provider_id != draft.provider_id:
                draft = None
        elif provider_id:
            draft = next((known for known in self._drafts if known.provider_id == provider_id), None)
        elif self._drafts:
            draft = self._drafts[-1]
            # So much is not read once more with every fragment: from then on it is one call.
            if name and 0 < draft.size <= MAX_JUDGED and payload.object_in("".join(draft.pieces).encode()) is not None:
                draft = None
        if draft is None and self._drafts and not provider_id and not name:
            return self._drafts[-1]
        if draft is None:
            draft = _Draft(self._answer.next_call(), provider_id, name)
            self._drafts.append(draft)
        if index is not None:
            self._by_index[index] = draft
        return draft


_OPEN = "<think>"
_CLOSE = "</think>"


class ThinkTags:
    """Splits text that arrives in pieces; a tag may be cut anywhere.

    Only a tag at the very start of the answer counts as one, since an answer may well talk about tags. ``opened`` is
    for models whose template already wrote the opening tag.
    """

    __slots__ = ("_held", "_state")

    def __init__(self, *, opened: bool = False) -> None:
        self._held = ""
        self._state = "inside" if opened else "before"

    def feed(self, piece: str) -> list[tuple[bool, str]]:
        """Pairs of (is reasoning, text), none empty."""
        if self._state == "gap":  # the line breaks between the closing tag and the answer
            piece = piece.lstrip("\n")
            self._state = "after" if piece else "gap"
        if self._state in ("gap", "after"):
            return [(False, piece)] if piece else []
        found: list[tuple[bool, str]] = []
        self._held += piece
        if self._state == "before":
            start = self._held.lstrip()
            if start.startswith(_OPEN):
                self._held, self._state = start.removeprefix(_OPEN), "inside"
            elif not _OPEN.startswith(start) or len(self._held) > MAX_BLANK:
                self._state = "after"
                return self.close()
        if self._state == "inside":
            thought, tag, rest = self._held.partition(_CLOSE)
            if tag:
                self._state, self._held = "gap", ""
                found += [(True, thought), *self.feed(rest)]
            else:
                keep = _tail(thought)
                self._held = thought[len(thought) - keep :]
                found.append((True, thought[: len(thought) - keep]))
        return [(is_reasoning, text) for is_reasoning, text in found if text]

    def close(self) -> list[tuple[bool, str]]:
        """Return the text that was held back in case it became a tag."""
        held, self._held = self._held, ""
        return [(self._state == "inside", held)] if held else []


def _tail(text: str) -> int:
    """Return the number of characters at the end that could begin the closing tag."""
    return next((size for size in range(min(len(text), len(_CLOSE) - 1), 0, -1) if _CLOSE.startswith(text[-size:])), 0)


_DETAIL_TEXT = {"reasoning.text": "text", "reasoning.summary": "summary"}


def merged_details(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``reasoning_details`` as they must be sent back: neighbouring pieces of one kind and index joined."""
    merged: list[dict[str, Any]] = []
    pieces: list[str] = []
    joined_field: str | None = None
    for item in items:
        field = _DETAIL_TEXT.get(payload.text(item.get("type")))
        last = merged[-1] if merged else {}
        if field is None or field != joined_field or last.get("index") != item.get("index"):
            if joined_field:
                last[joined_field] = "".join(pieces)
            merged.append(dict(item))
            pieces, joined_field = [], field
        else:
            last.update({key: value for key, value in item.items() if value is not None})
        if field:
            pieces.append(payload.text(item.get(field)))
    if joined_field:
        merged[-1][joined_field] = "".join(pieces)
    return merged
