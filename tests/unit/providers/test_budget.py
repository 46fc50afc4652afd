"""The memory of running answers: who has to pause, who never does, and that somebody always goes on."""

import asyncio
from collections.abc import Iterator

import pytest

from providers_app import conf
from providers_app.dispatch import budget
from providers_app.dispatch.budget import Budget, Share
from providers_app.errors import AnswerTooLarge

MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def limits() -> Iterator[None]:
    """Eight MiB, of which three are given out before answers pause."""
    with conf.use(conf.current().model_copy(update={"max_running_bytes": 8 * MIB, "idle_timeout_s": 0.01})):
        yield


def holding(budget: Budget, *sizes: float) -> list[Share]:
    shares = [Share(kept=int(size * MIB)) for size in sizes]
    for share in shares:
        budget.full(share)
    return shares


def test_nobody_pauses_while_there_is_room() -> None:
    running = Budget()
    assert [running.full(share) for share in holding(running, 1, 1, 0.9)] == [False] * 3


def test_of_the_large_ones_only_the_oldest_goes_on_and_small_ones_never_pause() -> None:
    running = Budget()
    shares = holding(running, 0.1, 2, 2, 0.7)
    assert [running.full(share) for share in shares] == [False, False, True, False]
    assert [share.waits for share in shares] == [False, True, True, False]


def test_what_an_answer_held_is_there_for_others_once_it_left() -> None:
    running = Budget()
    for share in holding(running, 2, 2):
        running.leave(share)
    running.leave(Share(counted=8 * MIB))
    large, small = holding(running, 2, 0.9)
    assert (running.full(large), large.waits, small.waits) == (False, False, False)
    more = holding(running, 0.2)[0]
    running.full(large)
    assert large.waits and not more.waits


def test_the_next_one_goes_on_when_the_oldest_left_or_became_small() -> None:
    running = Budget()
    first, second, third = holding(running, 2, 2, 2)
    running.leave(first)
    running.leave(first)
    assert [running.full(second), running.full(third)] == [False, True]
    second.kept = 0
    running.full(second)
    assert running.full(third) is False


def test_what_the_reader_and_the_runner_hold_is_counted_once_each() -> None:
    running = Budget()
    first, second = holding(running, 1, 1)
    first.wire = second.wire = MIB
    assert [running.full(first), running.full(second)] == [False, True]


async def test_an_answer_that_paused_goes_on_when_there_is_room_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "PAUSE_S", 0)
    with conf.use(conf.current().model_copy(update={"idle_timeout_s": 60})):
        running = Budget()
        first, second = holding(running, 2, 2)
        waiting = asyncio.create_task(running.pause(second))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        running.leave(first)
        await waiting


async def test_an_answer_that_paused_for_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "PAUSE_S", 0)
    running = Budget()
    _, second = holding(running, 2, 2)
    with pytest.raises(AnswerTooLarge, match="use the memory"):
        await running.pause(second)


def test_freed_memory_can_be_given_back_on_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    budget.give_back()
    monkeypatch.setattr(budget, "_libc", None)
    budget.give_back()
