"""An answer that breaks off goes on: by itself where that is exact, else as it is asked to, against strict servers."""

import random
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from providers_app import conf, errors, loop, provider
from providers_app.dialects.anthropic_messages import AnthropicMessages
from providers_app.dispatch import lanes
from providers_app.resilience.checkpoint import Buffer, StreamCheckpoint
from providers_app.streaming import fold
from providers_app.types.continuing import Continuing
from providers_app.types.events import (
    Event,
    StreamContinued,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
    ToolCall,
    UsageReport,
)
from tests.vendors import anthropic, openai
from tests.vendors.chat.kinds import KINDS, KindVendor
from tests.vendors.chat.vendor import VALID_KEY
from tests.vendors.script import SAID, STRIPE
from tests.vendors.server import VendorServer
from tests.wire.vendors.connected import WEATHER, Vendor, calls_of, text_of
from tests.wire.vendors.memory_store import MemorySessions

QUESTION = "How do I put Stripe into FastAPI?"
OLDER = "claude-haiku-4-5"
PREFIXED = ("vllm", "llama_cpp", "mistral", "deepseek")
CUTS = ("truncate", "truncate-clean", "reset", "midstream-error")


@pytest.fixture
def vendor(request: pytest.FixtureRequest, store: MemorySessions) -> Vendor:
    """Anthropic with a model that takes a prefix, OpenAI, or a compatible server of one kind."""
    name = request.param
    if name == "anthropic":
        server = request.getfixturevalue("anthropic_server")
        return Vendor("anthropic", server, anthropic.VALID_KEY, OLDER, None, store)
    if name == "openai":
        return Vendor("openai", request.getfixturevalue("openai_server"), openai.VALID_KEY, "gpt-5.6", None, store)
    return Vendor("remote", request.getfixturevalue("kinds")[name].fresh(), VALID_KEY, "local-large", None, store)


@pytest.fixture(scope="module")
def kinds() -> Iterator[dict[str, VendorServer]]:
    """One server of each kind."""
    running = {name: VendorServer(KindVendor(KINDS[name]), path="/v1").start() for name in KINDS}
    yield running
    for server in running.values():
        server.stop()


async def connect(vendor: Vendor, name: str) -> None:
    settings = {"server": name} if vendor.slug == "remote" else None
    await provider.create_session(
        vendor.slug, "api_key", name="main", api_key=vendor.key, base_url=vendor.server.base_url, settings=settings
    )


async def rested() -> None:
    """Forget the requests of the last minute, of which a fifth may go on with others."""
    lanes.current().budgets.clear()
    lanes.current()._routes.clear()


async def stream(vendor: Vendor, fault: str, messages: Any = QUESTION, **more: Any) -> list[Event]:
    await loop.hand_over(rested())
    model = f"{vendor.model}-{fault}" if fault else vendor.model
    return [event async for event in provider.stream_chat(vendor.slug, "main", messages, model=model, **more)]


def joined(events: list[Event]) -> tuple[Event, ...]:
    """The events with runs of text joined: what looks like the beginning of a key is held for a moment."""
    buffer = Buffer(len(events))
    for event in events:
        buffer.add(event)
    return buffer.events()


def ends(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, StreamEnd | StreamFailed)]


def seams(events: list[Event]) -> list[StreamContinued]:
    return [event for event in events if isinstance(event, StreamContinued)]


async def broken(vendor: Vendor, fault: str, **more: Any) -> tuple[list[Event], StreamCheckpoint]:
    """The events of an answer that breaks off and does not go on, and its last checkpoint."""
    seen: list[StreamCheckpoint] = []
    events = await stream(vendor, fault, checkpoint_callback=seen.append, enable_stream_replay=False, **more)
    return events, seen[-1]


def in_turn(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("vendor", "name"), [(name, name) for name in names], indirect=["vendor"])


@in_turn("anthropic", *PREFIXED)
@pytest.mark.parametrize("cut", CUTS)
async def test_behind_its_own_text_an_answer_goes_on_by_itself(vendor: Vendor, name: str, cut: str) -> None:
    await connect(vendor, name)
    for at in random.Random(f"{name} {cut}").sample(range(1000), 4):
        vendor.ledger.clear()
        events = await stream(vendor, f"times-1-{cut}-at-{at}")
        assert text_of(events) == STRIPE, (at, events, [(e.status, e.body["messages"][1:]) for e in vendor.ledger])
        assert [type(event) for event in ends(events)] == [StreamEnd]
        assert sum(isinstance(event, StreamStart) for event in events) == 1
        if len(vendor.ledger) == 1:
            continue  # the end had come already
        (seam,) = seams(events)
        assert seam.way == "prefix" and 0 < seam.at <= len(STRIPE) and seam.reason
        assert text_of(events[: events.index(seam)]) == STRIPE[: seam.at]
        assert len(vendor.ledger) == 2
        usage = fold(events).usage
        assert usage is not None and len(usage.raw["rounds"]) == 2 and usage.source in ("partial", "estimated")


@in_turn("openai")
@pytest.mark.parametrize("cut", ["truncate", "truncate-clean", "reset"])
async def test_a_stored_response_is_read_on_to_the_byte(vendor: Vendor, name: str, cut: str) -> None:
    await connect(vendor, name)
    whole = await stream(vendor, "reasoning", resumable=True, reasoning_effort="high")
    for at in random.Random(cut).sample(range(1000), 5):
        vendor.ledger.clear()
        asked = {"resumable": True, "reasoning_effort": "high"}
        events = await stream(vendor, f"times-2-reasoning-{cut}-at-{at}", **asked)
        shown = [event for event in events if not isinstance(event, StreamContinued | StreamStart)]
        assert joined(shown) == joined(whole[1:]), "the very same events"
        found, expected = fold(events), fold(whole)
        assert (found.text, found.reasoning_text) == (STRIPE, expected.reasoning_text)
        assert found.usage == expected.usage, "one answer, counted once"
        assert len(vendor.ledger.of_model(f"gpt-5.6-times-2-reasoning-{cut}-at-{at}")) == 1 + len(seams(events))
        assert {seam.way for seam in seams(events)} <= {"cursor"}
        body = vendor.ledger[0].body
        assert (body["background"], body["store"]) == (True, True)


@in_turn("openai")
async def test_tool_calls_of_a_stored_response_come_once_each(vendor: Vendor, name: str) -> None:
    await connect(vendor, name)
    for at in range(0, 1000, 90):
        events = await stream(vendor, f"times-1-tools-reset-at-{at}", tools=[WEATHER], resumable=True)
        calls = calls_of(events)
        assert len(calls) == 2 and all(call.invalid_arguments is None for call in calls)
        assert [call.index for call in calls] == [0, 1] and len({call.id for call in calls}) == 2
        assert fold(events).finish_reason == "tool_calls"


@in_turn("openai")
async def test_without_being_asked_nothing_is_stored_and_nothing_goes_on(vendor: Vendor, name: str) -> None:
    await connect(vendor, name)
    events = await stream(vendor, "reset")
    assert isinstance(events[-1], StreamFailed) and not seams(events)
    assert [entry.path for entry in vendor.ledger] == ["/v1/responses"]
    body = vendor.ledger[0].body
    assert body["store"] is False and "background" not in body


@in_turn("openai")
async def test_a_response_that_gets_no_turn_is_cancelled(vendor: Vendor, name: str) -> None:
    await connect(vendor, name)
    with pytest.raises(errors.UpstreamTimeout):
        await stream(vendor, "queued", resumable=True, timeout=0.3)
    await vendor.ledger.until(lambda ledger: any(entry.path.endswith("/cancel") for entry in ledger))
    *_, stored = vendor.server.vendor.background.responses.values()  # type: ignore[attr-defined]
    assert stored.cancelled


@in_turn("openai")
async def test_leaving_a_stored_response_cancels_it_at_the_provider(vendor: Vendor, name: str) -> None:
    await connect(vendor, name)
    source = provider.stream_chat("openai", "main", QUESTION, model="gpt-5.6-held", resumable=True)
    async for event in source:
        if isinstance(event, TextDelta):
            break
    await source.aclose()
    await vendor.ledger.until(lambda ledger: any(entry.path.endswith("/cancel") for entry in ledger))
    vendor.server.release()


@in_turn("anthropic", *PREFIXED)
async def test_at_most_so_many_requests_go_on_with_one_answer(vendor: Vendor, name: str) -> None:
    await connect(vendor, name)
    with conf.use(conf.current().model_copy(update={"max_continuations": 2})):
        events = await stream(vendor, "reset-at-300")
    assert isinstance(events[-1], StreamFailed) and len(ends(events)) == 1
    assert len(vendor.ledger) == 3
    assert [seam.way for seam in seams(events)] == ([] if name == "mistral" else ["prefix", "prefix"]), (
        "its echo was cut"
    )
    assert STRIPE.startswith(text_of(events)) and len(text_of(events)) > 20


@in_turn("anthropic", "mistral")
async def test_switched_off_an_answer_ends_where_it_broke(vendor: Vendor, name: str) -> None:
    await connect(vendor, name)
    events = await stream(vendor, "times-1-reset", enable_stream_replay=False)
    assert isinstance(events[-1], StreamFailed) and len(vendor.ledger) == 1
    with conf.use(conf.current().model_copy(update={"enable_stream_replay": False})):
        assert isinstance((await stream(vendor, "times-1-reset-at-400"))[-1], StreamFailed)
    with conf.use(conf.current().model_copy(update={"max_buffer_events": 1})):
        assert isinstance((await stream(vendor, "times-1-reset-at-500"))[-1], StreamFailed)
    assert len(vendor.ledger) == 3


@in_turn("anthropic")
async def test_a_call_that_was_cut_is_asked_for_again_and_one_that_was_whole_is_not(vendor: Vendor, name: str) -> None:
    await connect(vendor, name)
    counted = set()
    for at in range(0, 1000, 45):
        events = await stream(vendor, f"times-1-saytools-reset-at-{at}", tools=[WEATHER])
        calls = calls_of(events)
        counted.add((len(calls), type(events[-1])))
        assert all(call.invalid_arguments is None for call in calls)
        assert len({(call.name, str(call.arguments)) for call in calls}) == len(calls), "no call twice"
        assert text_of(events) == (SAID if isinstance(events[-1], StreamEnd) else text_of(events))
        if isinstance(events[-1], StreamFailed):
            assert len(calls) >= 1, "what goes on behind a whole call might call it again"
            continue
        assert len(calls) == 2 and [call.index for call in calls] in ([0, 1], [1, 2])
    assert counted >= {(2, StreamEnd), (1, StreamFailed)}


@in_turn("anthropic")
async def test_while_it_thinks_a_model_is_not_prefilled(vendor: Vendor, name: str) -> None:
    await connect(vendor, name)
    events = await stream(vendor, "times-1-reset", reasoning_effort="high", max_output_tokens=9000)
    assert isinstance(events[-1], StreamFailed) and len(vendor.ledger) == 1


@pytest.mark.parametrize("spaced", ["", "-spaced"])
@pytest.mark.parametrize("again", ["", "-again-0", "-again-6", "-again-40"])
@pytest.mark.parametrize(
    ("vendor", "name", "model"),
    [
        ("anthropic", "anthropic", "claude-opus-5"),
        ("openai", "openai", "gpt-5.6"),
        ("groq", "groq", "local-large"),
        ("ollama", "ollama", "local-large"),
    ],
    indirect=["vendor"],
)
async def test_a_model_that_is_asked_to_go_on_leaves_no_gap_and_no_repetition(
    vendor: Vendor, name: str, model: str, again: str, spaced: str
) -> None:
    await connect(vendor, name)
    vendor.model = model
    for at in random.Random(f"{name}{again}{spaced}").sample(range(150, 950), 3):
        events, checkpoint = await broken(vendor, f"times-1-reset-at-{at}{again}{spaced}")
        assert isinstance(events[-1], StreamFailed) and checkpoint.ended == events[-1]
        assert checkpoint.text == text_of(events) and checkpoint.last_index == len(events)
        more = [event async for event in provider.continue_from_checkpoint(checkpoint, policy="instruct")]
        joined = text_of([*events, *more])
        if spaced or again:
            assert "".join(joined.split()) == "".join(STRIPE.split())
        else:
            assert joined == STRIPE
        assert isinstance(more[-1], StreamEnd) and [seam.way for seam in seams(more)] == ["instruct"]
        assert not any(isinstance(event, StreamStart) for event in more)
        usage = [event.usage for event in more if isinstance(event, UsageReport)][-1]
        parts = usage.raw["rounds"]
        assert len(parts) == 2 and usage.input_tokens


@in_turn("anthropic")
async def test_a_new_consumer_gets_what_was_before_and_then_the_rest(vendor: Vendor, name: str) -> None:
    await connect(vendor, name)
    events, checkpoint = await broken(vendor, "times-1-reset-at-400")
    again = [event async for event in provider.resume_from_checkpoint(checkpoint, replay=True)]
    result = fold(again)
    assert (result.text, result.complete, [seam.way for seam in result.continued]) == (STRIPE, True, ["prefix"])
    assert result.continued[0].at == len(text_of(events)) and result.response_id == fold(events).response_id


@in_turn("openai")
async def test_a_checkpoint_in_the_middle_goes_on_by_its_cursor(vendor: Vendor, name: str) -> None:
    await connect(vendor, name)
    seen: list[StreamCheckpoint] = []
    more = {"resumable": True, "checkpoint_callback": seen.append, "checkpoint_events": 5, "tools": [WEATHER]}
    whole = await stream(vendor, "tools-slow-2", **more)
    assert len(seen) > 3 and [one.last_index for one in seen] == sorted(one.last_index for one in seen)
    for checkpoint in seen[:-1]:
        rest = [event async for event in provider.continue_from_checkpoint(checkpoint)]
        shown = [event for event in rest if not isinstance(event, StreamContinued)]
        before, after = whole[: checkpoint.last_index], whole[checkpoint.last_index :]
        assert [bare(event) for event in shown] == [bare(event) for event in after]
        assert len(calls_of([*before, *rest])) == 2
    with pytest.raises(errors.CannotContinue, match="cursor"):
        events = provider.continue_from_checkpoint(seen[0], policy="prefix")
        await anext(events)


def bare(event: Event) -> Any:
    """An event without the id that Maestro gives a call in each request."""
    return (event.index, event.name, event.arguments) if isinstance(event, ToolCall) else event


@in_turn("anthropic")
async def test_a_restart_answers_anew_and_stop_is_refused(vendor: Vendor, name: str) -> None:
    await connect(vendor, name)
    _, checkpoint = await broken(vendor, "times-1-reset-at-600")
    again = [event async for event in provider.continue_from_checkpoint(checkpoint, policy="restart", replay=True)]
    assert text_of(again) == STRIPE and isinstance(again[0], StreamStart) and not seams(again)
    with pytest.raises(errors.CannotContinue):
        await anext(provider.continue_from_checkpoint(checkpoint, policy="stop"))
    with pytest.raises(errors.InvalidRequest, match="no policy"):
        provider.continue_from_checkpoint(checkpoint, policy="fly")  # type: ignore[arg-type]


@in_turn("anthropic")
async def test_a_prefix_that_the_model_refuses_ends_with_the_break_itself(
    vendor: Vendor, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connect(vendor, name)
    vendor.model = "claude-opus-5"
    monkeypatch.setattr(AnthropicMessages, "continuing", lambda dialect, chat: Continuing(ways=("prefix",)))
    events = await stream(vendor, "times-1-reset")
    assert isinstance(events[-1], StreamFailed) and events[-1].error.code == "stream_interrupted"
    assert not seams(events) and [entry.status for entry in vendor.ledger] == [200, 400]


@in_turn("anthropic")
async def test_an_answer_that_its_limit_cut_can_go_on(vendor: Vendor, name: str) -> None:
    await connect(vendor, name)
    seen: list[StreamCheckpoint] = []
    events = await stream(vendor, "", max_output_tokens=20, checkpoint_callback=seen.append)
    assert isinstance(events[-1], StreamEnd) and events[-1].finish_reason == "length"
    for _ in range(40):
        more = [event async for event in provider.continue_from_checkpoint(seen[-1], checkpoint_callback=seen.append)]
        events += more
        if isinstance(more[-1], StreamEnd) and more[-1].finish_reason == "stop":
            break
    assert text_of(events) == STRIPE


@in_turn("openai")
@pytest.mark.parametrize("at", [10, 40, 80, 610])
async def test_a_seam_survives_a_second_break_in_the_words_that_the_model_repeats(
    vendor: Vendor, name: str, at: int
) -> None:
    await connect(vendor, name)
    events, checkpoint = await broken(vendor, "times-1-reset-at-600", resumable=True)
    model = f"gpt-5.6-times-1-reset-at-{at}"
    request = msgspec.structs.replace(checkpoint.request, model=model)
    again = msgspec.structs.replace(checkpoint, model=model, request=request)
    await loop.hand_over(rested())
    seen: list[StreamCheckpoint] = []
    source = provider.continue_from_checkpoint(again, policy="instruct", checkpoint_callback=seen.append)
    more = [event async for event in source]
    assert text_of([*events, *more]) == STRIPE and isinstance(more[-1], StreamEnd)
    assert [entry.method for entry in vendor.ledger] == ["POST", "POST", "GET"]
    assert seams(more)[0].way == "instruct" and len(fold([*events[:-1], *more]).usage.raw["rounds"]) == 2  # type: ignore[union-attr]
    kept = {one.response_id for one in seen if one.sequence is not None}
    assert fold(events).response_id not in kept, "a cursor is one of the response that is being read"
