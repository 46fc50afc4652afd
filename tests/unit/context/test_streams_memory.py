"""What a running answer holds in memory, and when it lets go of it."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from context_app.streams import live as live_module
from context_app.streams.reader import Ended
from context_app.streams.transcript import Transcript
from providers_app.dispatch import budget
from providers_app.types.events import Event, StreamEnd, TextDelta
from tests.unit.context.streams_kit import Kit, until, watch, words


async def test_a_large_ending_is_read_from_the_database_and_leaves_the_memory(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "KEPT_BYTES", 500)
    live = await kit.begin(words(50))
    seen = await watch(live.id)
    assert isinstance(seen.last, Ended) and seen.last.result["text"] == seen.text
    assert live.released and live.ending is None and live.finish is None
    assert live.share not in budget.running.shares


async def test_an_ending_that_cannot_be_made_ends_the_answer_all_the_same(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Transcript, "ending", lambda self, at: 1 / 0)
    live = await kit.begin(words(3))
    seen = await watch(live.id)
    assert isinstance(seen.last, Ended) and seen.last.state == "failed"
    assert seen.last.result["error"]["code"] == "internal_error"
    assert "could not be made" in caplog.text


async def test_what_an_answer_holds_is_counted_and_given_back(kit: Kit) -> None:
    gate = asyncio.Event()

    async def held() -> AsyncGenerator[Event, None]:
        yield TextDelta("x" * 10_000)
        yield TextDelta("y")
        await gate.wait()
        yield StreamEnd("stop")

    live = await kit.begin(held)
    await until(lambda: live.accepted == 2)
    assert live.share.kept > 20_000, "in the tail, and for the ending"
    live.share.waits = True
    await until(lambda: live.share.kept < 15_000)
    gate.set()
    assert (await watch(live.id)).text == "x" * 10_000 + "y"
    await until(lambda: live.share not in budget.running.shares)
