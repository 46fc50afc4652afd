"""Time and packets: silence, pauses, one byte at a time, leaving, cancelling, many at once; and the preview."""

import asyncio
import json

import pytest

from providers_app import conf, errors, loop, provider
from providers_app.types.events import Event, StreamEnd, StreamFailed, TextDelta
from tests.vendors.script import expected_text
from tests.waiting import put_forward
from tests.wire.vendors.connected import SETTINGS, WEATHER, Vendor, calls_of, text_of

EXPECTED = expected_text("Hello there.")
HALF = EXPECTED[: len(EXPECTED) // 3]


def waited_in_vain() -> None:
    """What the provider's loop waits for has not come in time."""
    loop.current().call_soon_threadsafe(put_forward, SETTINGS.idle_timeout_s)


async def test_silence_ends_with_a_timeout_and_closes_upstream(vendor: Vendor) -> None:
    await vendor.connect()
    events: list[Event] = []
    async for event in provider.stream_chat(vendor.slug, "main", "Hello there.", model=f"{vendor.model}-silence"):
        events.append(event)
        if isinstance(event, TextDelta) and text_of(events).startswith(HALF):
            waited_in_vain()
    assert isinstance(events[-1], StreamFailed)
    assert events[-1].error.code == "idle_timeout"
    assert text_of(events).startswith(HALF)
    entry = await vendor.ledger.disconnect()
    assert entry.model == f"{vendor.model}-silence"


async def test_no_answer_at_all_is_a_timeout(vendor: Vendor) -> None:
    asked = asyncio.create_task(vendor.stream("hang"))
    await vendor.ledger.until(lambda ledger: len(ledger.of_model(f"{vendor.model}-hang")) == 1)
    waited_in_vain()
    with pytest.raises(errors.UpstreamTimeout):
        await asked
    await vendor.ledger.disconnect()


async def test_a_pause_shorter_than_the_limit_is_no_failure(vendor: Vendor) -> None:
    conf.configure(SETTINGS.model_copy(update={"idle_timeout_s": 30}))
    assert text_of(await vendor.stream("pause-200")) == EXPECTED


@pytest.mark.parametrize("script", ["one-byte", "one-byte-comments"])
async def test_one_byte_per_packet_gives_the_same_answer(vendor: Vendor, script: str) -> None:
    assert text_of(await vendor.stream(script)) == EXPECTED


async def test_one_byte_per_packet_gives_the_same_tool_calls(vendor: Vendor) -> None:
    whole = calls_of(await vendor.stream("tools", tools=[WEATHER]))
    cut = calls_of(await vendor.stream("tools-one-byte", tools=[WEATHER]))
    assert [call.arguments for call in cut] == [call.arguments for call in whole]


async def test_an_answer_that_is_held_has_all_of_its_text_and_no_end_until_it_is_let_go(vendor: Vendor) -> None:
    await vendor.connect()
    events: list[Event] = []
    async for event in provider.stream_chat(vendor.slug, "main", "Hello there.", model=f"{vendor.model}-held"):
        events.append(event)
        if isinstance(event, TextDelta) and text_of(events) == EXPECTED:
            await asyncio.sleep(0.05)
            assert vendor.ledger[-1].finished_at is None
            vendor.server.release()
    assert isinstance(events[-1], StreamEnd) and text_of(events) == EXPECTED


async def test_leaving_the_stream_closes_it_upstream(vendor: Vendor) -> None:
    await vendor.connect()
    stream = provider.stream_chat(vendor.slug, "main", "Hello", model=f"{vendor.model}-held")
    async for event in stream:
        if isinstance(event, TextDelta):
            break
    assert vendor.ledger[-1].disconnected_at is None
    await stream.aclose()
    assert (await vendor.ledger.disconnect()).finished_at is None


async def test_cancelling_the_task_closes_it_upstream(vendor: Vendor) -> None:
    await vendor.connect()
    began = asyncio.Event()

    async def read() -> None:
        async for event in provider.stream_chat(vendor.slug, "main", "Hello", model=f"{vendor.model}-held"):
            if isinstance(event, TextDelta):
                began.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(began.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await vendor.ledger.disconnect()).finished_at is None


async def test_the_preview_is_what_is_sent_to_the_byte_and_hides_the_key(vendor: Vendor) -> None:
    await vendor.connect()
    prepared = await provider.preview_request(vendor.slug, "main", "Hello there.", model=vendor.model)
    assert len(vendor.ledger) == 0
    assert vendor.key not in str(prepared.headers) + prepared.url
    await vendor.stream()
    assert json.loads(prepared.body) == vendor.ledger[-1].body
    assert int(vendor.ledger[-1].headers["content-length"]) == len(prepared.body)


async def test_the_loopback_address_is_refused_without_the_allow_list(vendor: Vendor) -> None:
    await vendor.connect()
    conf.configure(SETTINGS.model_copy(update={"allowed_private_hosts": ()}))
    with pytest.raises(errors.AddressRefused):
        await vendor.stream()
    with pytest.raises(errors.AddressRefused):
        await vendor.connect("second")
    assert len(vendor.ledger) == 0


async def test_many_streams_at_once_do_not_mix(vendor: Vendor) -> None:
    await vendor.connect()

    async def one(number: int) -> str:
        source = provider.stream_chat(vendor.slug, "main", f"Number {number}.", model=f"{vendor.model}-held")
        return text_of([event async for event in source])

    async def all_running() -> None:
        await vendor.ledger.until(lambda ledger: sum(entry.sent_frames > 0 for entry in ledger) == 12)
        vendor.server.release()

    *texts, _ = await asyncio.gather(*(one(number) for number in range(12)), all_running())
    assert texts == [expected_text(f"Number {number}.") for number in range(12)]
