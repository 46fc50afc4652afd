"""What one round of the journal takes of each running stream, and what it leaves for the next."""

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from context_app.streams import rounds, spool
from context_app.streams.live import EVENT_BYTES, Ending, LiveStream
from context_app.streams.rounds import Piece, gather

NOW = 1000.0


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The round is at ``NOW``; no heartbeat is due."""
    monkeypatch.setattr(rounds, "time", SimpleNamespace(monotonic=lambda: NOW))


def running(*events: bytes, ends: bool = False) -> LiveStream:
    live = LiveStream(uuid4())
    live.heartbeat = NOW
    live.append(list(events))
    if ends:
        live.finish = ending
    return live


def ending() -> Ending:
    return Ending(state="complete", result={}, chunks=(), at=timezone.now())


def taken(pieces: list[Piece]) -> list[tuple[int, int, list[bytes], bool]]:
    """Of each piece the numbers of its events, the events, and whether the stream ends."""
    return [
        (piece.first, piece.last, spool.split(piece.payload) if piece.payload else [], piece.ending is not None)
        for piece in pieces
    ]


def stored(pieces: list[Piece]) -> None:
    for piece in pieces:
        piece.live.committed = piece.last
        if piece.ending is not None:
            piece.live.finish = None


def test_what_is_new_is_taken_once_with_the_ending() -> None:
    live = running(b"1", b"2", b"3", ends=True)
    live.committed = 1
    pieces = gather([live])
    assert taken(pieces) == [(2, 3, [b"2", b"3"], True)]
    stored(pieces)
    assert gather([live]) == []


def test_a_single_event_and_an_ending_without_one_are_taken() -> None:
    live = running(b"1")
    pieces = gather([live])
    assert taken(pieces) == [(1, 1, [b"1"], False)]
    stored(pieces)
    live.finish = ending
    assert taken(gather([live])) == [(2, 1, [], True)]


@pytest.mark.parametrize(("ago", "due"), [(0, False), (rounds.HEARTBEAT_S - 0.01, False), (rounds.HEARTBEAT_S, True)])
def test_a_stream_without_news_is_in_a_round_when_its_heartbeat_is_due(ago: float, due: bool) -> None:
    live = running()
    live.heartbeat = NOW - ago
    assert [(piece.heartbeat, piece.last, piece.payload) for piece in gather([live])] == [(True, 0, b"")] * due


def test_news_between_two_heartbeats_writes_none() -> None:
    assert [piece.heartbeat for piece in gather([running(b"1")])] == [False]


def test_an_answer_beyond_one_segment_goes_on_in_the_next_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "MAX_PAYLOAD", 4)
    live = running(b"11", b"22", b"33", b"44", b"5", ends=True)
    found = []
    while pieces := gather([live]):
        found += taken(pieces)
        stored(pieces)
    assert found == [(1, 2, [b"11", b"22"], False), (3, 4, [b"33", b"44"], False), (5, 5, [b"5"], True)]


@pytest.mark.parametrize(("room", "second"), [(3, []), (4, [(1, 1, [b"2"], True)])])
def test_a_round_that_is_full_leaves_the_other_streams_for_the_next(
    monkeypatch: pytest.MonkeyPatch, room: int, second: Any
) -> None:
    monkeypatch.setattr(rounds, "MAX_ROUND", room)
    first, other = running(b"1", ends=True), running(b"2", ends=True)
    assert taken(gather([first, other])) == [(1, 1, [b"1"], True), *second]
    stored(gather([first]))
    assert taken(gather([first, other])) == [(1, 1, [b"2"], True)]


def test_a_stream_without_room_still_shows_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "MAX_ROUND", 0)
    live = running(b"1", b"2", ends=True)
    live.heartbeat = 0.0
    assert taken(gather([live])) == [(1, 0, [], False)]


def test_only_so_many_streams_end_in_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "MAX_ENDINGS", 2)
    streams = [running(b"1", ends=True) for _ in range(5)]
    ends = []
    while pieces := gather(streams):
        ends.append([piece.ending is not None for piece in pieces])
        stored(pieces)
    assert ends == [[True, True, False, False, False], [True, True], [True]]


@pytest.mark.parametrize(("limit", "both"), [(EVENT_BYTES + 1, False), (EVENT_BYTES + 2, True)])
def test_endings_of_large_answers_are_written_one_by_one(
    monkeypatch: pytest.MonkeyPatch, limit: int, both: bool
) -> None:
    monkeypatch.setattr(rounds, "MAX_ENDING_BYTES", limit)
    pieces = gather([running(b"1", ends=True), running(b"2", ends=True)])
    assert [piece.ending is not None for piece in pieces] == [True, both]


def test_ordinary_answers_that_end_at_once_are_stored_in_one_round() -> None:
    streams = [running(*[b"1" * 1000] * 20, ends=True) for _ in range(10)]
    assert [(len(events), ends) for _, _, events, ends in taken(gather(streams))] == [(20, True)] * 10


def test_an_ending_that_cannot_be_made_is_a_failure_of_maestro(caplog: pytest.LogCaptureFixture) -> None:
    live = running(b"1")
    live.finish = lambda: 1 / 0  # type: ignore[assignment,return-value]
    (piece,) = gather([live])
    made = piece.ending
    assert made is not None and (made.state, made.chunks) == ("failed", ())
    assert made.result == {
        "complete": False,
        "finish_reason": "error",
        "error": {
            "code": "internal_error",
            "message": "The answer could not be stored because of an error in Maestro.",
        },
    }
    assert str(live.id) in caplog.text
