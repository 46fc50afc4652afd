"""Requests of two processes that share limits and circuits through a real Redis; each has lanes of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import redis

from providers_app import conf, errors, loop, provider
from providers_app.dispatch import lanes, shared
from providers_app.registry.settings import ProvidersConfig
from providers_app.resilience.breaker import BreakerState
from providers_app.types.events import Event
from tests.unit.providers.test_lanes import LIMITED, Server, ask, refused, text
from tests.waiting import eventually, until

pytestmark = pytest.mark.usefixtures("on_loop", "sessions")


@pytest.fixture
def sharing(redis_url: str, loopback: ProvidersConfig, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProvidersConfig]:
    redis.Redis.from_url(redis_url).flushall()
    monkeypatch.setattr(shared, "WATCH_S", 0.02)
    monkeypatch.setattr(shared, "SOCKET_S", 20.0)
    conf.share_through(redis_url)
    with conf.use(loopback):
        yield loopback
    conf.share_through("")


class Processes:
    """The lanes of two processes, of which one at a time takes the requests of this loop."""

    def __init__(self) -> None:
        self.each = [lanes.Lanes(), lanes.Lanes()]
        self.now = self.each[0]

    def __getitem__(self, number: int) -> lanes.Lanes:
        self.now = self.each[number]
        return self.now

    def circuit(self, number: int) -> BreakerState:
        (found,) = self.each[number].breakers.values()
        return found.state


@pytest.fixture
async def processes(sharing: ProvidersConfig, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Processes]:
    both = Processes()
    monkeypatch.setattr(lanes, "current", lambda: both.now)
    yield both
    await loop.shutdown()  # no more looks at Redis
    for each in both.each:
        await each.close()


@pytest.fixture
async def server(raw_server: Callable[..., Awaitable[str]], processes: Processes) -> Server:
    made = Server()
    url = await raw_server(made.answer)
    await provider.create_session("remote", "api_key", name="box", api_key="sk-local-1234567890", base_url=url)
    made.asked = 0
    return made


async def test_a_limit_of_a_minute_is_one_for_all_processes(
    server: Server, processes: Processes, sharing: ProvidersConfig
) -> None:
    with conf.use(sharing.model_copy(update={"requests_per_minute": 2.0})):
        for number in (0, 1):
            assert processes[number] and text(await ask()) == "Hi"
        with pytest.raises(errors.LimitReached) as caught:
            await ask(timeout=5)
        assert server.asked == 2 and caught.value.retry_after is not None and 20 < caught.value.retry_after <= 30
        (door,) = processes.now.doors.values()
        clock = asyncio.get_running_loop()
        assert door.lane.slots.used == 0 and door.lane.requests.level(clock.time()) >= 1.0, "nothing was taken of it"


async def test_what_a_request_did_not_use_comes_back_for_the_other_process(
    server: Server, processes: Processes, sharing: ProvidersConfig
) -> None:
    with conf.use(sharing.model_copy(update={"tokens_per_minute": 3000.0})):
        assert processes[0] and text(await ask(max_output_tokens=10)) == "Hi"
        server.script = [refused(500)]
        with pytest.raises(errors.ServerError):
            await ask(max_output_tokens=10)
        assert processes[1] and text(await ask(max_output_tokens=10)) == "Hi"


async def test_a_request_waits_for_its_turn_among_all_processes_and_gives_it_back_when_it_is_cancelled(
    server: Server, processes: Processes, sharing: ProvidersConfig
) -> None:
    with conf.use(sharing.model_copy(update={"requests_per_minute": 600.0})):
        assert processes[0] and text(await ask()) == "Hi"
        (door,) = processes.now.doors.values()
        assert door._shared is not None
        door._shared.pause("remote/" + door.session, shared.Limits(600.0, None), 30)
        assert processes[1].shared is not None
        await until(lambda: processes.now.shared and processes.now.shared.away == "")
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(ask())
        await until(lambda: any(each.lane.slots.used for each in processes.now.doors.values()))
        assert server.asked == 1, "the other process was told to wait"
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert not any(each.busy for each in processes.now.doors.values())


async def test_a_limit_that_one_process_is_told_holds_the_other_one_back(
    server: Server, processes: Processes, redis_url: str
) -> None:
    server.script = [LIMITED, LIMITED.replace(b"remaining-requests: 0", b"remaining-requests: 59")]
    assert processes[0] and text(await ask()) == "Hi"
    client = redis.Redis.from_url(redis_url)
    await eventually(lambda: asyncio.to_thread(client.keys, "maestro:limits:*"), bool)
    assert processes[1] and text(await ask()) == "Hi", "it knows of no limit yet"
    with pytest.raises(errors.LimitReached):
        await ask(timeout=0.2)
    assert server.asked == 2


async def test_a_circuit_that_one_process_opens_is_open_in_the_other_and_probed_once(
    server: Server, processes: Processes
) -> None:
    assert processes[1] and text(await ask()) == "Hi"
    server.script = [refused(500)] * 5
    for _ in range(5):
        with pytest.raises(errors.ServerError):
            assert processes[0] and await ask()
    await until(lambda: processes.circuit(1) is BreakerState.OPEN)
    asked = server.asked
    with pytest.raises(errors.CircuitOpen, match="5 of 5 requests"):
        assert processes[1] and await ask()
    assert server.asked == asked

    server.script = [server.hold]
    assert processes[0]

    async def probing() -> asyncio.Task[list[Event]] | None:
        """Ask until a probe is due, by the clock of both."""
        asking = asyncio.create_task(ask())
        await until(lambda: server.held or asking.done())
        return asking if server.held else asking.exception() and None

    probe = await eventually(probing, bool)
    assert probe is not None
    with pytest.raises(errors.CircuitOpen):
        assert processes[1] and await ask()
    assert server.asked == asked + 1, "one process probes"
    assert processes[0]
    server.held[0].set()
    assert text(await probe) == "Hi"
    await until(lambda: processes.circuit(1) is BreakerState.CLOSED)
    assert processes[1] and text(await ask()) == "Hi"


async def test_closing_a_circuit_by_hand_closes_it_everywhere(server: Server, processes: Processes) -> None:
    assert processes[1] and text(await ask()) == "Hi"
    server.script = [refused(500)] * 5
    for _ in range(5):
        with pytest.raises(errors.ServerError):
            assert processes[0] and await ask()
    await until(lambda: processes.circuit(1) is BreakerState.OPEN)
    await until(lambda: processes.each[0]._elsewhere)  # both have seen that it is known to be open
    (circuit,) = processes.each[1].breakers.values()
    circuit.close()
    await until(lambda: processes.circuit(0) is BreakerState.CLOSED)


async def test_without_redis_each_process_goes_on_by_itself(
    server: Server, processes: Processes, sharing: ProvidersConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    conf.share_through("redis://127.0.0.1:9/0")
    processes.each = [lanes.Lanes(), lanes.Lanes()]
    with conf.use(sharing.model_copy(update={"requests_per_minute": 1.0})):
        for number in (0, 1):
            assert processes[number] and text(await ask()) == "Hi"
        assert server.asked == 2
