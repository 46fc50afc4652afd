"""An answer of which only the stored events are left is read on from the provider that keeps it, against its server."""

import random
from typing import Any

import pytest

from providers_app import conf, errors, loop, provider
from providers_app.checkpoints import checkpoint_of
from providers_app.resilience.checkpoint import StreamCheckpoint
from providers_app.streaming import fold
from providers_app.types.events import Event, StreamContinued, StreamEnd, StreamFailed, StreamStart, TextDelta
from tests.vendors import openai
from tests.vendors.script import STRIPE
from tests.vendors.server import VendorServer
from tests.wire.vendors.connected import WEATHER, Vendor, calls_of, text_of
from tests.wire.vendors.memory_store import MemorySessions
from tests.wire.vendors.test_going_on import QUESTION, joined, rested, seams, stream

REASONED: dict[str, Any] = {"reasoning_effort": "high"}


@pytest.fixture
async def vendor(openai_server: VendorServer, store: MemorySessions) -> Vendor:
    found = Vendor("openai", openai_server, openai.VALID_KEY, "gpt-5.6", None, store)
    await found.connect()
    return found


async def broken(vendor: Vendor, fault: str, **more: Any) -> list[Event]:
    """The events of an answer in the background that broke off, as they would be stored."""
    return await stream(vendor, fault, resumable=True, enable_stream_replay=False, **more)


async def checkpoint(vendor: Vendor, fault: str, events: list[Event], **more: Any) -> StreamCheckpoint:
    model = f"{vendor.model}-{fault}"
    return await checkpoint_of("openai", "main", QUESTION, events, model=model, **more)


def paths(vendor: Vendor) -> list[str]:
    return [f"{entry.method} {entry.path}" for entry in vendor.ledger]


@pytest.mark.parametrize("cut", ["truncate", "truncate-clean", "reset"])
@pytest.mark.parametrize("replay", [True, False])
async def test_what_is_missing_is_read_to_the_byte(vendor: Vendor, cut: str, replay: bool) -> None:
    whole = await stream(vendor, "reasoning", resumable=True, **REASONED)
    for at in random.Random(cut).sample(range(1000), 4):
        fault = f"times-1-reasoning-{cut}-at-{at}"
        events = await broken(vendor, fault, **REASONED)
        if isinstance(events[-1], StreamEnd):
            continue
        assert fold(events).resumable
        vendor.ledger.clear()
        made = await checkpoint(vendor, fault, events, **REASONED)
        more = [event async for event in provider.continue_from_checkpoint(made, replay=replay)]
        shown = [*([] if replay else events[:-1]), *more]
        (seam,) = seams(shown)
        assert (seam.way, seam.at) == ("cursor", len(text_of(events))) and seam.reason
        assert joined([one for one in shown if not isinstance(one, StreamContinued | StreamStart)]) == joined(whole[1:])
        assert sum(isinstance(one, StreamStart) for one in shown) == 1
        result = fold(shown)
        assert (result.text, result.complete, result.resumable) == (STRIPE, True, False)
        assert result.usage == fold(whole).usage, "one answer, counted once"
        assert paths(vendor) == [f"GET /v1/responses/{result.response_id}"], "the answer is asked for, not the model"


async def test_behind_whole_tool_calls_nothing_else_goes_on(vendor: Vendor) -> None:
    counted = set()
    for at in range(100, 1000, 150):
        fault = f"times-1-tools-reset-at-{at}"
        events = await broken(vendor, fault, tools=[WEATHER])
        if isinstance(events[-1], StreamEnd):
            continue
        counted.add(len(calls_of(events)))
        made = await checkpoint(vendor, fault, events, tools=[WEATHER])
        more = [event async for event in provider.continue_from_checkpoint(made)]
        calls = calls_of([*events, *more])
        assert [call.index for call in calls] == [0, 1] and fold(more).finish_reason == "tool_calls"
        assert all(call.invalid_arguments is None for call in calls)
    assert counted >= {0, 1}


async def test_an_answer_that_the_provider_dropped_goes_on_in_the_next_way(vendor: Vendor) -> None:
    fault = "times-1-reset-at-400"
    events = await broken(vendor, fault)
    vendor.server.vendor.background.responses.clear()  # type: ignore[attr-defined]
    made = await checkpoint(vendor, fault, events)
    shown = [event async for event in provider.continue_from_checkpoint(made, replay=True)]
    assert (text_of(shown), [seam.way for seam in seams(shown)]) == (STRIPE, ["instruct"])
    _, read, again = vendor.ledger
    assert [(entry.method, entry.status) for entry in (read, again)] == [("GET", 404), ("POST", 200)]
    assert "background" not in again.body, "that is not asked for any more"
    with pytest.raises(errors.NotFound):
        await anext(provider.continue_from_checkpoint(made, policy="cursor"))


async def test_another_answer_under_the_same_id_is_never_joined_to_it(vendor: Vendor) -> None:
    fault = "times-1-reset-at-400"
    events = await broken(vendor, fault)
    spoiled = [
        TextDelta(event.text.swapcase()) if isinstance(event, TextDelta) and event.text.strip() else event
        for event in events
    ]
    made = await checkpoint(vendor, fault, spoiled)
    shown = [event async for event in provider.continue_from_checkpoint(made, replay=True)]
    assert [seam.way for seam in seams(shown)] == ["instruct"]
    assert text_of(shown).startswith(text_of(spoiled)) and isinstance(shown[-1], StreamEnd)


async def test_a_second_break_goes_on_by_itself_from_where_it_is(vendor: Vendor) -> None:
    fault = "times-2-reset-at-600"
    events = await broken(vendor, fault)
    made = await checkpoint(vendor, fault, events)
    await loop.hand_over(rested())
    shown = [event async for event in provider.continue_from_checkpoint(made, replay=True)]
    assert text_of(shown) == STRIPE and {seam.way for seam in seams(shown)} == {"cursor"}
    assert sum(isinstance(event, StreamStart) for event in shown) == 1
    with conf.use(conf.current().model_copy(update={"max_continuations": 0})):
        fault = "times-2-reset-at-300"
        events = await broken(vendor, fault)
        made = await checkpoint(vendor, fault, events)
        again = [event async for event in provider.continue_from_checkpoint(made, replay=True)]
    assert isinstance(again[-1], StreamFailed) and text_of(again) == text_of(events)[: len(text_of(again))]
    assert len(text_of(again)) >= len(text_of(events)), "nothing that was shown is lost"


async def test_an_answer_that_ended_or_was_stopped_has_no_cursor(vendor: Vendor) -> None:
    events = await broken(vendor, "times-1-reset-at-400")
    assert (await checkpoint(vendor, "x", events)).cursor is not None
    stopped = StreamFailed(events[-1].error, "cancelled")  # type: ignore[union-attr]
    failed = StreamFailed(events[-1].error, "error", "failed")  # type: ignore[union-attr]
    other = StreamContinued("instruct", 3)
    for left in (
        [*events[:-1], stopped],
        [*events[:-1], failed],
        [*events[:-1], StreamEnd("length")],
        [*events, other],
    ):
        assert (await checkpoint(vendor, "x", left)).cursor is None and not fold(left).resumable
    plain = await stream(vendor, "reset-at-400")
    assert (await checkpoint(vendor, "x", plain)).cursor is None
