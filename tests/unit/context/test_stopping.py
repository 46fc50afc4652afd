"""Stop in every state of a request: upstream is closed, nothing more is sent, and the usage says where it is from."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from context_app.models import Stream
from context_app.services import turns
from providers_app import conf, measures, provider
from providers_app.dispatch import lanes
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk
from tests.unit.context.streams_kit import watch
from tests.vendors.chat import VALID_KEY
from tests.vendors.server import VendorServer
from tests.waiting import until

LONG_S = 600.0
MODELS = {
    "in the queue": "local-large",
    "before the first byte": "local-large-hang",
    "in the middle": "local-large-held",
    "before a retry": "local-large-status-429-retry-after-60",
}


@pytest.fixture(autouse=True)
def patient() -> Iterator[None]:
    """One retry, and so much time for everything that only Stop ends a request."""
    times = {"request_timeout_s": LONG_S, "idle_timeout_s": LONG_S, "queue_timeout_seconds": LONG_S}
    hosts = {"allowed_private_hosts": ("127.0.0.1",)}
    measures.here.clear()
    with conf.use(conf.current().model_copy(update={"max_retries": 1, **times, **hosts})):
        yield


def waiting() -> int:
    return sum(door.lane.queue.size for door in lanes.current().doors.values())


def retries() -> float:
    return sum(n for key, n in measures.here.snapshot().counters.items() if key[0] == measures.RETRIES.name)


def begun(desk: Desk) -> bool:
    return any(live.accepted > 2 for live in desk.kit.runtime.running())


REACHED: dict[str, Callable[[Desk, VendorServer], bool]] = {
    "in the queue": lambda desk, server: waiting() == 1,
    "before the first byte": lambda desk, server: len(server.ledger) == 1,
    "in the middle": lambda desk, server: begun(desk),
    "before a retry": lambda desk, server: retries() == 1,
}


async def by_service(desk: Desk, session: str, model: str, reached: Callable[[], Awaitable[None]]) -> None:
    """Ask as the chat page does, and press Stop."""
    started = await desk.send("Tell me more.", session=session, model=model)
    await reached()
    await turns.stop(owner=desk.user, stream_id=started.stream_id)
    await watch(started.stream_id)


async def by_leaving(desk: Desk, session: str, model: str, reached: Callable[[], Awaitable[None]]) -> None:
    """Ask from Python, and close the stream; one that waits for an event is closed by cancelling the wait."""
    stream = provider.stream_chat("remote", session, "Tell me more.", model=model, store=True, owner=desk.user)

    async def read() -> None:
        async for _ in stream:
            pass

    task = asyncio.create_task(read())
    await reached()
    task.cancel()
    await asyncio.wait([task])
    await stream.aclose()


async def connect(desk: Desk, server: VendorServer) -> str:
    """The id of a session that sends one request at a time."""
    fields: dict[str, Any] = {"api_key": VALID_KEY, "base_url": server.base_url, "owner": desk.user}
    one = {"max_concurrent_requests": "1"}
    return str((await provider.create_session("remote", "api_key", name="box", settings=one, **fields)).id)


@pytest.mark.parametrize("stop", [by_service, by_leaving])
@pytest.mark.parametrize("state", MODELS)
async def test_stop_ends_the_request_wherever_it_is(
    desk: Desk, chat_server: VendorServer, state: str, stop: Callable[..., Awaitable[None]]
) -> None:
    session = await connect(desk, chat_server)
    first = None
    if state == "in the queue":
        first = await desk.send(session=session, model="local-large-held")
        await until(lambda: begun(desk))

    async def reached() -> None:
        await until(lambda: REACHED[state](desk, chat_server))

    await stop(desk, session, MODELS[state], reached)
    stream = await in_store(lambda: Stream.objects.order_by("-created_at")[0])
    assert (stream.state, stream.result["finish_reason"]) == ("cancelled", "cancelled")
    usage = stream.result["usage"]
    if state in ("before the first byte", "in the middle"):
        assert (await chat_server.ledger.disconnect()).finished_at is None
        assert usage["source"] == "estimated" and usage["input_tokens"]
        assert bool(usage["output_tokens"]) is bool(stream.result["text"]) is (state == "in the middle")
    else:
        assert usage is None, "the provider took nothing"
    assert len(chat_server.ledger) == 1, "nothing is sent after Stop"
    if first is not None:
        await until(lambda: waiting() == 0)
        assert chat_server.ledger[0].disconnected_at is None
        chat_server.release()
        await watch(first.stream_id)
    await until(lambda: not any(door.busy for door in lanes.current().doors.values()))


async def test_what_the_provider_counted_before_stop_is_partial(desk: Desk, anthropic_server: VendorServer) -> None:
    from tests.vendors.anthropic import VALID_KEY as KEY

    fields: dict[str, Any] = {"api_key": KEY, "base_url": anthropic_server.base_url, "owner": desk.user}
    session = await provider.create_session("anthropic", "api_key", name="main", **fields)

    async def reached() -> None:
        await until(lambda: begun(desk))

    await by_service(desk, str(session.id), "claude-haiku-4-5-held", reached)
    stream = await in_store(lambda: Stream.objects.order_by("-created_at")[0])
    assert (stream.state, stream.result["usage"]["source"]) == ("cancelled", "partial")
    assert (await anthropic_server.ledger.disconnect()).finished_at is None
