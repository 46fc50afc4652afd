"""Continue on the page by a cursor: what the provider still has of an answer is read from there, in any process."""

from collections.abc import Iterator

import pytest

from context_app.models import Stream
from context_app.services import turns
from context_app.streams.runner import SHUTDOWN
from context_app.streams.runtime import current
from context_app.streams.transcript import decode
from providers_app import conf, provider
from providers_app.types.events import StreamContinued, ToolCall
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk, state_of
from tests.unit.context.streams_kit import until, watch
from tests.unit.context.test_going_on import choose, go_on, html_of, standing
from tests.vendors import openai
from tests.vendors.script import STRIPE
from tests.vendors.server import VendorServer
from tests.wire.vendors.connected import WEATHER

QUESTION = "How do I put Stripe into FastAPI?"


@pytest.fixture
def near() -> Iterator[None]:
    """The servers of this machine may be reached."""
    with conf.use(conf.current().model_copy(update={"allowed_private_hosts": ("127.0.0.1",)})):
        yield


@pytest.fixture
async def asked(desk: Desk, near: None, openai_server: VendorServer) -> dict[str, str]:
    """The session of a key at OpenAI, in a chat whose answers are to go on exactly."""
    made = await provider.create_session(
        "openai", "api_key", name="gpt", api_key=openai.VALID_KEY, base_url=openai_server.base_url, owner=desk.user
    )
    await choose(desk, "exact")
    return {"session": made.id}


async def broken(desk: Desk, asked: dict[str, str], fault: str) -> tuple[turns.Started, str]:
    """A turn whose answer broke off and did not go on by itself, and its text."""
    with conf.use(conf.current().model_copy(update={"max_continuations": 0})):
        started, seen = await desk.answer(QUESTION, model=f"gpt-5.6-{fault}", **asked)
    assert state_of(seen) == "failed" and STRIPE.startswith(seen.text) and seen.text != STRIPE
    return started, seen.text


@pytest.mark.both
async def test_the_rest_of_the_same_answer_is_read_and_the_transcript_says_so(
    desk: Desk, asked: dict[str, str], openai_server: VendorServer
) -> None:
    started, before = await broken(desk, asked, "times-1-reset-at-500")
    assert 'data-continue="' in await html_of(desk, started.turn_id)
    assert (await desk.turn(started.turn_id)).stream.result["resumable"] is True  # type: ignore[union-attr]
    await choose(desk, "auto")  # what was asked for is in the answer, not in the chat's choice of now
    openai_server.ledger.clear()
    _, seen = await go_on(desk, started.turn_id)
    assert (state_of(seen), seen.text) == ("complete", STRIPE), "byte for byte"
    (seam,) = [event for event in map(decode, seen.events) if isinstance(event, StreamContinued)]
    assert (seam.way, seam.at) == ("cursor", len(before))
    assert [entry.method for entry in openai_server.ledger] == ["GET"], "the model is not asked again"
    _, answer = await standing(desk)
    assert answer.content == STRIPE and [one["way"] for one in answer.metadata["seams"]] == ["cursor"]
    drawn = await html_of(desk, started.turn_id)
    assert "the provider sent the rest of the same answer" in drawn and "data-continue" not in drawn
    usage = (await desk.turn(started.turn_id)).stream.result["usage"]  # type: ignore[union-attr]
    assert usage["source"] == "provider" and "rounds" not in usage["raw"], "one answer, counted once"


async def test_an_answer_that_is_gone_goes_on_in_the_next_way_and_the_transcript_says_which(
    desk: Desk, asked: dict[str, str], openai_server: VendorServer
) -> None:
    started, _ = await broken(desk, asked, "times-1-reset-at-500")
    openai_server.vendor.background.responses.clear()  # type: ignore[attr-defined]
    _, seen = await go_on(desk, started.turn_id)
    assert (state_of(seen), seen.text) == ("complete", STRIPE)
    assert [one["way"] for one in (await standing(desk))[1].metadata["seams"]] == ["instruct"]
    assert "the model was asked to continue" in await html_of(desk, started.turn_id)


async def test_behind_a_whole_tool_call_the_rest_is_offered_and_read_and_no_call_comes_twice(
    desk: Desk, asked: dict[str, str], openai_server: VendorServer
) -> None:
    with conf.use(conf.current().model_copy(update={"max_continuations": 0})):
        model = "gpt-5.6-times-1-tools-reset-at-700"
        started, seen = await desk.answer(QUESTION, model=model, tools=[WEATHER], **asked)
    assert state_of(seen) == "failed" and [chunk.kind for chunk in await standing(desk)] == ["user", "tool_call"]
    assert 'data-continue="' in await html_of(desk, started.turn_id)
    _, seen = await go_on(desk, started.turn_id)
    assert state_of(seen) == "complete"
    assert [chunk.kind for chunk in await standing(desk)] == ["user", "tool_call", "tool_call"]
    calls = [event for event in map(decode, seen.events) if isinstance(event, ToolCall)]
    assert [call.index for call in calls] == [0, 1] and len({call.id for call in calls}) == 2


async def test_a_chat_that_is_set_to_ask_the_model_asks_it(
    desk: Desk, asked: dict[str, str], openai_server: VendorServer
) -> None:
    started, _ = await broken(desk, asked, "times-1-reset-at-500")
    await choose(desk, "instruct")
    _, seen = await go_on(desk, started.turn_id)
    assert seen.text == STRIPE and [entry.method for entry in openai_server.ledger] == ["POST", "POST"]


async def test_an_answer_whose_events_were_dropped_has_no_cursor(
    desk: Desk, asked: dict[str, str], openai_server: VendorServer
) -> None:
    started, _ = await broken(desk, asked, "times-1-reset-at-500")
    await in_store(lambda: Stream.objects.filter(pk=started.stream_id).update(pruned_at="2026-01-01T00:00:00Z"))
    _, seen = await go_on(desk, started.turn_id)
    assert seen.text == STRIPE and [entry.method for entry in openai_server.ledger] == ["POST", "POST"]


async def test_an_answer_that_the_server_left_when_it_stopped_is_read_on_one_that_a_person_stopped_is_not(
    desk: Desk, asked: dict[str, str], openai_server: VendorServer
) -> None:
    kept = openai_server.vendor.background.responses  # type: ignore[attr-defined]
    started = await running(desk, asked)
    current().cancel(started.stream_id, SHUTDOWN)
    left = await watch(started.stream_id)
    assert state_of(left) == "interrupted" and not any(one.cancelled for one in kept.values())
    openai_server.release()
    _, seen = await go_on(desk, started.turn_id)
    assert (state_of(seen), seen.text) == ("complete", STRIPE)
    assert [one["way"] for one in (await standing(desk))[1].metadata["seams"]] == ["cursor"]

    started = await running(desk, asked)
    await turns.stop(owner=desk.user, stream_id=started.stream_id)
    await openai_server.ledger.until(lambda ledger: any(entry.path.endswith("/cancel") for entry in ledger))
    stopped = await watch(started.stream_id)
    assert state_of(stopped) == "cancelled"
    assert (await desk.turn(started.turn_id)).stream.result["resumable"] is False  # type: ignore[union-attr]
    openai_server.release()


async def running(desk: Desk, asked: dict[str, str]) -> turns.Started:
    """A turn whose answer has text, but not its end."""
    started = await desk.send(QUESTION, model="gpt-5.6-slow-40", **asked)

    def begun() -> bool:
        live = current().find(started.stream_id)
        return live is not None and live.accepted > 12

    await until(begun)
    return started
