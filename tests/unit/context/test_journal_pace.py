"""When the journal's next round begins: soon after news, at once while endings wait, seldom in silence."""

from typing import Any, cast
from uuid import uuid4

import pytest
from django.utils import timezone

from context_app.streams import journal as journal_module
from context_app.streams.journal import IDLE_CLOSE_S, MAX_ENDINGS, QUIET_POLL_S, Journal
from context_app.streams.live import Ending, LiveStream
from context_app.streams.rounds import Piece
from tests.unit.context.streams_kit import Kit, until, watch, words

INTERVAL_S = 0.07


class Alarm:
    """An event of ``threading`` that only notes for how long it was waited for."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.cleared = 0

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    def clear(self) -> None:
        self.cleared += 1


class Paced:
    """A journal without its thread."""

    def __init__(self) -> None:
        nothing: Any = lambda *_: None  # noqa: E731
        self.journal = Journal("here", INTERVAL_S, cast(Any, None), committed=nothing, cancelled=nothing, lost=nothing)
        self.halt, self.wake = Alarm(), Alarm()
        self.journal._halt, self.journal._wake = cast(Any, self.halt), cast(Any, self.wake)

    def after(self, *pieces: Piece) -> tuple[list[float], list[float]]:
        """How long it waits for the stop alone, and how long for anything."""
        self.journal._pause_after(list(pieces))
        assert self.wake.cleared, "the next call of it counts"
        return self.halt.waits, self.wake.waits


@pytest.fixture
def paced() -> Paced:
    return Paced()


def ending() -> Ending:
    return Ending(state="complete", result={}, chunks=(), at=timezone.now())


def piece(ends: bool = False) -> Piece:
    return Piece(LiveStream(uuid4()), 1, 1, b"[1]", ending() if ends else None, False)


def running(paced: Paced, *events: bytes, ends: bool = False) -> None:
    live = LiveStream(uuid4())
    live.append(list(events))
    live.finish = ending if ends else None
    paced.journal._streams[live.id] = live


def test_after_a_round_with_news_a_whole_interval_passes(paced: Paced) -> None:
    assert paced.after(piece()) == ([INTERVAL_S], [])


@pytest.mark.parametrize(("events", "ends"), [((b"1",), False), ((), True), ((b"1",), True)])
def test_what_came_during_a_round_is_taken_after_an_interval(paced: Paced, events: Any, ends: bool) -> None:
    running(paced, *events, ends=ends)
    assert paced.after() == ([INTERVAL_S], [])


def test_in_silence_it_looks_for_stops_and_without_streams_seldom(paced: Paced) -> None:
    assert paced.after() == ([], [IDLE_CLOSE_S])
    running(paced)
    assert paced.after() == ([], [IDLE_CLOSE_S, QUIET_POLL_S])


def test_while_endings_wait_the_next_round_begins_at_once(paced: Paced) -> None:
    ends = [piece(ends=True) for _ in range(MAX_ENDINGS)]
    assert paced.after(*ends, piece()) == ([], [])
    assert paced.after(*ends[1:], piece()) == ([INTERVAL_S], [])


def test_while_it_stops_only_news_or_a_moment_is_waited_for(paced: Paced) -> None:
    paced.journal._stopping = True
    assert paced.after(piece()) == ([], [0.01])
    paced.journal._pause(3.0, whole=True)
    assert paced.halt.waits == []


async def test_the_connection_is_closed_once_nothing_runs_for_a_while(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "IDLE_CLOSE_S", 0.01)
    dropped: list[int] = []
    drop = kit.runtime.journal._drop_connection

    def dropping() -> None:
        dropped.append(len(kit.runtime.running()))
        drop()

    monkeypatch.setattr(kit.runtime.journal, "_drop_connection", dropping)
    live = await kit.begin(words(3))
    await watch(live.id)
    await until(lambda: bool(dropped))
    assert set(dropped) == {0}
