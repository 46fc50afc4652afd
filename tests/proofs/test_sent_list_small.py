"""The proof of the sent list at a size for every run; ``make proofs`` checks 1,000 contexts. And: would it notice?"""

from collections.abc import Callable
from typing import Any

import pytest

from context_app import sending
from context_app.models import ContextChunk
from providers_app.dialects import request
from tests.proofs import sent_list


def test_what_is_marked_as_sent_is_in_the_bytes_and_nothing_else() -> None:
    lines: list[str] = []
    assert sent_list.run(150, lines.append)
    assert "| contexts | 150 |" in lines


def _without_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "note", lambda *_: None)


def _to_another_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request.Replay, "refusal", lambda *_: "")


def _blank_is_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    own = sending._own_reason

    def wrong(chunk: ContextChunk) -> str:
        return "" if (reason := own(chunk)) == "blank" else reason

    monkeypatch.setattr(sending, "_own_reason", wrong)


def _no_stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "completed", list)


def _merged_texts_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def lossy(parts: list[Any], part: Any, role: str) -> None:
        parts[:] = [part]

    monkeypatch.setattr(request, "_add_text", lossy)


@pytest.mark.parametrize(
    "fault",
    [_without_notes, _to_another_account, _blank_is_marked, _no_stand_ins, _merged_texts_lost],
    ids=lambda fault: fault.__name__,
)
def test_a_fault_is_noticed(fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)
    with pytest.raises(AssertionError):
        sent_list.run(150, print, shrink=False)
