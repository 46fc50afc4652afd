"""Recorded traffic of real providers gives what a correct client reports: whole, byte by byte, and cut at random.

The folders are ``../shared/recordings`` or what ``MAESTRO_RECORDINGS`` names, and the one beside it that ends with
``-2``. Where they are missing, this module is not collected, and ``test_fixtures.py`` holds every dialect to recorded
answers of our own making, as it always does.
"""

import os
import random
from collections.abc import AsyncIterator

import pytest

from providers_app import dialects, streaming
from providers_app.types.events import StreamEnd, StreamFailed
from tests.wire import recordings
from tests.wire.cutting import events_of, pieces, single_bytes
from tests.wire.recordings import Recording

# What does not hold, and why; each of them must still miss in exactly these points.
ROUNDS = (
    "The expectation is the last round alone. The answer's usage.iterations holds two, a compaction (the same kind of "
    "request with input_tokens of its own) and the message, and the provider bills both."
)
KNOWN_MISSES = {
    "anthropic/messages-stream-compaction-01": ({"usage"}, ROUNDS),
    "anthropic/stream-vercel-anthropic-anthropic-compaction-1": ({"usage"}, ROUNDS),
    "azure/chat-plain-prompt-filtered-01": (
        {"complete"},
        "The expectation calls an error complete; its own description says that complete means without one.",
    ),
    "openai/responses-stream-quota-failed-01": (
        {"complete"},
        "The expectation calls a failed response complete; its own description says complete means without an error.",
    ),
}
BYTE_BY_BYTE_LIMIT = 50_000
RANDOM_CUTS = 5
SEED = int(os.environ.get("WIRE_TEST_SEED", "20261120"))
ALL = recordings.all_recordings()
ANSWERED = [one for one in ALL if one.status < 400]


def _names(cases: list[Recording]) -> list[str]:
    return [case.name for case in cases]


def _misses(recording: Recording, differences: list[str]) -> None:
    allowed, why = KNOWN_MISSES.get(recording.name, (set(), ""))
    found = {difference.split(":")[0] for difference in differences}
    assert found == allowed, f"seed {SEED}; known: {allowed or 'none'} {why}\n" + "\n".join(differences)


@pytest.mark.parametrize("recording", ALL, ids=_names(ALL))
async def test_recorded_answer_gives_its_expectation(recording: Recording) -> None:
    whole = streaming.parse_response(
        "remote", recording.body, recording.status, recording.headers, dialect=recording.dialect
    )
    _misses(recording, recordings.differences(recording, whole))
    if recording.status >= 400:
        return

    async def chunks() -> AsyncIterator[bytes]:
        rng = random.Random(f"{SEED}/{recording.name}")
        for piece in pieces(recording.body, (rng.randrange(len(recording.body) + 1) for _ in range(RANDOM_CUTS))):
            yield piece

    cut = await streaming.collect(streaming.parse_stream("remote", chunks(), dialect=recording.dialect))
    _misses(recording, recordings.differences(recording, cut))
    assert cut == whole, f"seed {SEED}"


@pytest.mark.parametrize("recording", ANSWERED, ids=_names(ANSWERED))
def test_recorded_answer_byte_by_byte_gives_the_same_events(recording: Recording) -> None:
    dialect = dialects.by_name(recording.dialect)
    whole = events_of(dialect, [recording.body])
    assert sum(isinstance(event, StreamEnd | StreamFailed) for event in whole) == 1
    assert isinstance(whole[-1], StreamEnd | StreamFailed)
    if len(recording.body) <= BYTE_BY_BYTE_LIMIT:
        assert events_of(dialect, single_bytes(recording.body)) == whole
    assert events_of(dialect, pieces(recording.body, [len(recording.body) // 2])) == whole


@pytest.mark.parametrize("recording", ANSWERED, ids=_names(ANSWERED))
def test_recorded_answer_cut_off_is_never_a_clean_end_of_less(recording: Recording) -> None:
    dialect = dialects.by_name(recording.dialect)
    whole = streaming.fold(events_of(dialect, [recording.body]))
    rng = random.Random(f"{SEED}/{recording.name}/off")
    for _ in range(8):
        at = rng.randrange(len(recording.body))
        part = streaming.fold(events_of(dialect, [recording.body[:at]]))
        assert whole.text.startswith(part.text), f"seed {SEED}, cut off at {at}"
        if part.complete:
            same = (part.text, part.tool_calls, part.finish_reason) == (
                whole.text,
                whole.tool_calls,
                whole.finish_reason,
            )
            assert same, f"seed {SEED}, cut off at {at}"


def test_at_least_nine_in_ten_recordings_hold(capsys: pytest.CaptureFixture[str]) -> None:
    assert ALL, f"there are no recordings in {recordings.ROOT}"
    held = len(ALL) - len(KNOWN_MISSES)
    with capsys.disabled():
        print(f"\nrecordings: {len(ALL)} run, {held} hold, {len(KNOWN_MISSES)} known misses; seed {SEED}")
    assert held >= 0.9 * len(ALL)
    assert set(KNOWN_MISSES) <= {one.name for one in ALL}
