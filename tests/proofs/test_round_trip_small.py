"""The round trip at a size for every run; ``make proofs`` runs 10,000 transcripts. And: would it notice?"""

from typing import Any

import pytest

from providers_app.dialects import tool_forms
from providers_app.types.chat import Message, TextPart, ToolCallPart, ToolResultPart
from tests.proofs import round_trip
from tests.proofs.transcripts import Step, Transcript


def test_transcripts_come_through_every_form_and_home_again() -> None:
    lines: list[str] = []
    assert round_trip.run(200, lines.append)
    assert "| transcripts | 200 |" in lines


CALLS = [ToolCallPart(f"call_{n}" + "x" * 60, "look", {"n": n}) for n in range(2)]
TRANSCRIPT = Transcript(
    messages=(
        Message("user", (TextPart("q"),)),
        Message("assistant", tuple(CALLS)),
        Message("tool", tuple(ToolResultPart(call.id, "look", f"result {n}") for n, call in enumerate(CALLS))),
        Message("user", (TextPart("r"),)),
    ),
    flow=[("user", "q"), Step(CALLS, [("result 0", False), ("result 1", False)]), ("user", "r")],
    stored=True,
)


def test_the_check_passes_what_is_right_and_notices_ids_that_become_one(monkeypatch: pytest.MonkeyPatch) -> None:
    round_trip.check_transcript(TRANSCRIPT)

    def cut_off(self: tool_forms.CallIds, call: Any) -> tuple[bool, str]:
        return False, call.id[-40:]

    monkeypatch.setattr(tool_forms.CallIds, "of", cut_off)
    with pytest.raises(Exception):  # noqa: B017  the strict server's Violation, or our own comparison
        round_trip.check_transcript(TRANSCRIPT)


def test_the_check_notices_results_that_changed_places() -> None:
    swapped = Transcript(TRANSCRIPT.messages, [*TRANSCRIPT.flow], stored=True)
    swapped.flow[1] = Step(CALLS, [("result 1", False), ("result 0", False)])
    with pytest.raises(AssertionError):
        round_trip.check_transcript(swapped)
