"""A running answer in memory: its numbers, what of it is held, shown and dropped, and the readers that it wakes."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from context_app.streams import live as live_module
from context_app.streams.live import EVENT_BYTES, Ending, LiveStream, Waiter, fitting
from providers_app.dispatch.budget import running


@pytest.fixture
def live() -> Iterator[LiveStream]:
    made = LiveStream(uuid4())
    yield made
    running.leave(made.share)


def shown(live: LiveStream, count: int, size: int = 10) -> list[bytes]:
    """Append ``count`` events of ``size`` bytes, which are safe and stored at once."""
    events = [bytes([97 + number % 26]) * size for number in range(count)]
    assert live.append(events)
    live.committed = live.last
    live.accept(live.last)
    return events


def ending() -> Ending:
    return Ending(state="complete", result={}, chunks=(), at=timezone.now())


@pytest.mark.parametrize(
    ("sizes", "most", "count"),
    [((3, 3, 3), 9, 3), ((3, 3, 3), 8, 2), ((3, 3, 3), 6, 2), ((9, 1), 3, 1), ((1,), 0, 1), ((0, 0), 0, 2)],
)
def test_as_many_events_fit_as_have_no_more_bytes_and_always_one(sizes: Any, most: int, count: int) -> None:
    assert fitting([b"x" * size for size in sizes], most) == count


def test_a_new_stream_has_nothing_and_lets_events_in(live: LiveStream) -> None:
    assert (live.last, live.spooled, live.accepted, live.committed) == (0, 0, 0, 0)
    assert (live.stored, live.released, live.fenced) == (False, False, False)
    assert live.visible(0, 10, 1000) == [] and live.share.kept == 0
    assert live.append([b"a"]) and live.last == 1


def test_what_it_holds_is_counted_to_the_byte(live: LiveStream) -> None:
    live.append([b"abc", b"de"], text=1000)
    assert live.share.kept == 5 + 2 * EVENT_BYTES + 1000
    live.append([b"f"])
    assert live.share.kept == 6 + 3 * EVENT_BYTES, "the text of now, not of before"
    live.append([])
    assert (live.last, live.share.kept) == (3, 6 + 3 * EVENT_BYTES)


def test_nothing_enters_a_fenced_stream(live: LiveStream) -> None:
    live.append([b"a"])
    live.fence()
    assert live.append([b"b"]) is False
    assert (live.last, live.between(1, 9)) == (1, [b"a"])


def test_only_accepted_events_are_visible_and_none_twice(live: LiveStream) -> None:
    live.append([b"a", b"b", b"c", b"d"])
    assert live.visible(0, 10, 1000) == []
    live.accept(3)
    live.accept(2)
    assert live.accepted == 3, "what was shown stays shown"
    assert live.visible(0, 10, 1000) == [b"a", b"b", b"c"]
    assert live.visible(1, 1, 1000) == [b"b"] and live.visible(1, 10, 2) == [b"b", b"c"]
    assert live.visible(1, 10, 1) == [b"b"] and live.visible(3, 10, 1000) == []
    assert live.between(2, 4) == [b"b", b"c", b"d"] and live.between(4, 4) == [b"d"]


def test_memory_keeps_what_is_small_and_halves_what_is_large(live: LiveStream, monkeypatch: pytest.MonkeyPatch) -> None:
    each = 10 + EVENT_BYTES
    monkeypatch.setattr(live_module, "TAIL_BYTES", 4 * each)
    events = shown(live, 4)
    live.trim()
    assert live.between(1, 4) == events and live.visible(0, 9, 1000) == events, "exactly the limit is kept"
    events += shown(live, 1)
    live.trim()
    assert live.share.kept == 2 * each, "down to half of the limit, so that not every event trims"
    assert live.between(3, 5) is None and live.visible(2, 9, 1000) is None
    assert live.between(4, 5) == events[3:] and live.between(5, 5) == events[4:]
    assert live.visible(3, 9, 1000) == events[3:] and live.visible(4, 9, 1000) == events[4:]
    assert live.visible(3, 1, 1000) == events[3:4] and live.visible(5, 9, 1000) == []
    assert live.between(4, 4) == events[3:4]
    live.append([b"z"], text=7)
    assert live.share.kept == 2 * each + 1 + EVENT_BYTES + 7
    assert live.between(4, 6) == [*events[3:], b"z"] and live.visible(4, 9, 1000) == events[4:]


def test_what_is_trimmed_again_goes_on_from_what_is_left(live: LiveStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "TAIL_BYTES", 4 * (10 + EVENT_BYTES))
    for _ in range(3):
        last = shown(live, 5)
        live.trim()
    assert live.last == 15 and live.between(14, 15) == last[3:] and live.between(13, 15) is None
    live.append([b"new" * 100])
    live.trim()
    assert live.between(16, 16) == [b"new" * 100] and live.between(15, 16) is None, "it is not stored yet"


def test_the_text_of_an_answer_stays_counted_when_its_events_go(live: LiveStream) -> None:
    live.append([b"x" * 10, b"y" * 10], text=500)
    live.committed = 2
    live.accept(2)
    live.share.waits = True
    live.trim()
    assert live.share.kept == 500 and live.between(2, 2) is None, "of an answer that pauses nothing is kept"


@pytest.mark.parametrize(("committed", "accepted"), [(1, 3), (3, 1)])
def test_what_is_not_both_stored_and_shown_is_never_dropped(live: LiveStream, committed: int, accepted: int) -> None:
    live.append([b"x" * 10, b"y" * 10, b"z" * 10])
    live.committed = committed
    live.accept(accepted)
    live.share.waits = True
    live.trim()
    assert live.between(2, 3) == [b"y" * 10, b"z" * 10] and live.between(1, 3) is None
    assert live.share.kept == 2 * (10 + EVENT_BYTES)


def test_an_ordinary_answer_stays_in_memory_while_it_runs_and_when_it_ends(live: LiveStream) -> None:
    events = shown(live, 100, size=1000)
    live.trim()
    assert live.between(1, 100) == events
    made = ending()
    live.end(made)
    assert (live.stored, live.released, live.ending) == (True, False, made)
    assert live.visible(0, 100, 10**6) == events


@pytest.mark.parametrize("beyond", [0, 1])
def test_of_an_ending_beyond_the_limit_nothing_stays(
    live: LiveStream, monkeypatch: pytest.MonkeyPatch, beyond: int
) -> None:
    shown(live, 2)
    running.full(live.share)
    monkeypatch.setattr(live_module, "KEPT_BYTES", live.share.kept - beyond)
    live.finish = ending
    live.end(ending())
    assert live.stored and live.finish is None and live.share not in running.shares
    assert live.released == bool(beyond) and (live.ending is None) == bool(beyond)
    assert (live.visible(0, 9, 1000) is None) == bool(beyond) and live.visible(2, 9, 1000) == []


async def test_a_reader_wakes_for_news_for_the_end_and_for_the_release(live: LiveStream) -> None:
    waiter = Waiter()
    live.join(waiter)

    async def woken() -> bool:
        await waiter.wait(0)
        rang = waiter._event.is_set()
        waiter.reset()
        return rang

    assert not await woken()
    live.append([b"a", b"b"])
    live.accept(1)
    assert waiter._event.is_set(), "at once on its own loop"
    assert await woken() and not await woken()
    live.accept(1)
    assert not await woken(), "nothing new"
    await asyncio.to_thread(live.accept, 2)
    await asyncio.wait_for(waiter._event.wait(), 60)
    assert await woken()
    live.end(ending())
    assert await woken()
    live.release()
    assert await woken()
    live.leave(waiter)
    live.wake()
    assert not await woken()
