"""Tool calls that arrive in fragments, with all the ways in which servers number them."""

from typing import Any

from providers_app.dialects.answer import Answer
from providers_app.wire import payload


class _Draft:
    __slots__ = ("name", "number", "pieces", "provider_id")

    def __init__(self, number: int, provider_id: str | None, name: str) -> None:
        self.number = number
        self.provider_id = provider_id
        self.name = name
        self.pieces: list[str] = []


class ToolCallDrafts:
    """Assembles the calls of one answer.

    Fragments belong together by ``index``. A new id at an index that has another id begins a new call (some servers
    number every call 0). Without an index the id decides, and without both it is the last call, unless that one is
    whole and the fragment names a function again.
    """

    __slots__ = ("_answer", "_by_index", "_drafts")

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._drafts: list[_Draft] = []
        self._by_index: dict[int, _Draft] = {}

    def __bool__(self) -> bool:
        return bool(self._drafts)

    def fragment(self, raw: Any) -> None:
        """One element of ``tool_calls``, or a legacy ``function_call``."""
        if not isinstance(raw, dict):
            return
        function = raw.get("function")
        body = function if isinstance(function, dict) else raw
        given_id = raw.get("id")
        provider_id = str(given_id) if given_id not in (None, "") else None
        name = payload.text(body.get("name"))
        draft = self._find(payload.count(raw.get("index")), provider_id, name)
        if provider_id and not draft.provider_id:
            draft.provider_id = provider_id
        if name and name != draft.name and not any(draft.pieces):
            draft.name += name  # a name may come in pieces, or be repeated in every fragment
        piece = body.get("arguments")
        if isinstance(piece, dict):
            piece = payload.encode(piece).decode()
        piece = payload.text(piece)
        draft.pieces.append(piece)
        self._answer.call_delta(draft.number, draft.name, piece, draft.provider_id)

    def emit(self, *, cut: bool) -> None:
        """The whole calls, when the provider has ended the answer; ``cut`` says that it ended for want of length."""
        for draft in self._drafts:
            arguments, invalid = payload.arguments("".join(draft.pieces))
            if cut and not arguments and invalid is None:
                invalid = payload.NO_ARGUMENTS
            self._answer.call(draft.number, draft.name, arguments, provider_id=draft.provider_id, invalid=invalid)

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
            if name and any(draft.pieces) and payload.arguments("".join(draft.pieces))[1] is None:
                draft = None
        if draft is None:
            draft = _Draft(self._answer.next_call(), provider_id, name)
            self._drafts.append(draft)
        if index is not None:
            self._by_index[index] = draft
        return draft
