"""The limit a minute of a person over two processes that share it through a real Redis."""

import asyncio
from typing import Any

import pytest
import redis

from providers_app import conf, errors, provider
from providers_app.dispatch import lanes
from providers_app.dispatch.people import People
from providers_app.dispatch.shared import Limits
from providers_app.registry.settings import ProvidersConfig
from providers_app.types.session_limits import NO_OWN_LIMITS
from tests.unit.providers.test_lanes import Server, ask, text
from tests.unit.providers.test_person_limits import USED
from tests.unit.providers.test_shared_lanes import Processes, processes, server, sharing  # noqa: F401
from tests.waiting import eventually, until

pytestmark = pytest.mark.usefixtures("on_loop", "sessions")
LIMITS = Limits(2.0, 1000.0)


@pytest.fixture
def limited(sharing: ProvidersConfig) -> Any:  # noqa: F811
    changed = {"requests_per_minute_per_person": LIMITS.requests, "tokens_per_minute_per_person": LIMITS.tokens}
    with conf.use(sharing.model_copy(update=changed)) as used:
        yield used


async def together(redis_url: str, wanted: tuple[float, float]) -> None:
    """Wait until so many requests and tens of tokens are left to all processes."""

    def left() -> tuple[float, float]:
        found = redis.Redis.from_url(redis_url).hmget("maestro:limits:person:1", "requests", "tokens")
        return round(float(found[0] or -1), 0), round(float(found[1] or -1), -1)

    await eventually(lambda: asyncio.to_thread(left), lambda found: found == wanted)


@pytest.mark.usefixtures("limited")
async def test_a_person_has_one_limit_in_all_processes(server: Server, processes: Processes) -> None:  # noqa: F811
    for number in (0, 1):
        assert processes[number] and text(await ask(owner=1)) == "Hi"
    with pytest.raises(errors.PersonLimitReached) as caught:
        await ask(owner=1, timeout=5)
    assert server.asked == 2 and caught.value.retry_after is not None and 20 < caught.value.retry_after <= 30
    own = processes.now.people.allowance("1", LIMITS)
    assert own.requests.level(asyncio.get_running_loop().time()) >= 1.0, "what is refused costs nothing here either"


@pytest.mark.usefixtures("limited")
async def test_the_tokens_that_were_used_are_settled_for_all_processes(
    server: Server,  # noqa: F811
    processes: Processes,  # noqa: F811
    redis_url: str,
) -> None:
    server.script = [USED]
    assert processes[0] and text(await ask(owner=1)) == "Hi"
    await together(redis_url, (1, 500))


@pytest.mark.usefixtures("limited")
async def test_what_was_not_sent_comes_back_for_all_processes(
    processes: Processes,  # noqa: F811
    redis_url: str,
) -> None:
    nobody = "http://127.0.0.1:9/v1"
    await provider.create_session("remote", "api_key", name="gone", api_key="sk-local-1234567890", base_url=nobody)
    with pytest.raises(errors.ConnectionFailed):
        assert processes[0] and await [
            event async for event in provider.stream_chat("remote", "gone", "Hello", model="m", owner=1)
        ]
    await together(redis_url, (2, 1000))


async def test_who_waits_for_other_processes_and_leaves_gives_back(
    server: Server,  # noqa: F811
    processes: Processes,  # noqa: F811
    sharing: ProvidersConfig,  # noqa: F811
    redis_url: str,
) -> None:
    with conf.use(sharing.model_copy(update={"requests_per_minute_per_person": 1.0})):
        assert processes[0] and text(await ask(owner=1)) == "Hi"
        assert processes[1]
        waiting = asyncio.create_task(ask(owner=1, timeout=300))
        level = redis.Redis.from_url(redis_url).hget
        where = "maestro:limits:person:1", "requests"
        await eventually(lambda: asyncio.to_thread(level, *where), lambda found: float(found) < -0.5)
        waiting.cancel()
        await until(waiting.done)
        await eventually(lambda: asyncio.to_thread(level, *where), lambda found: float(found) > -0.5)
        assert server.asked == 1, "the other process held it back"


async def test_without_redis_each_process_counts_for_itself(
    server: Server,  # noqa: F811
    processes: Processes,  # noqa: F811
    sharing: ProvidersConfig,  # noqa: F811
) -> None:
    conf.share_through("redis://127.0.0.1:9/0")
    processes.each = [lanes.Lanes(), lanes.Lanes()]
    with conf.use(sharing.model_copy(update={"requests_per_minute_per_person": 1.0})):
        for number in (0, 1):
            assert processes[number] and text(await ask(owner=1)) == "Hi"
            with pytest.raises(errors.PersonLimitReached):
                await ask(owner=1, timeout=5)
        assert server.asked == 2


class Elsewhere:
    """What processes share, as a request sees it: counts what is given back."""

    def __init__(self, away: str) -> None:
        self.away, self.given = away, 0.0

    async def reserve(self, account: str, limits: Limits, tokens: float, patience_s: float) -> float:
        return 0.0

    def give(self, account: str, limits: Limits, *, requests: float = 0, tokens: float = 0) -> None:
        self.given += requests


@pytest.mark.parametrize(("away", "given"), [("", 1), ("Connection refused", 0)])
async def test_what_was_taken_while_redis_was_away_is_not_given_back_to_it(
    sharing: ProvidersConfig,  # noqa: F811
    away: str,
    given: int,
) -> None:
    shared: Any = Elsewhere(away)
    with conf.use(sharing.model_copy(update={"requests_per_minute_per_person": 1.0})):
        reserved = People(shared).reserved(1, NO_OWN_LIMITS, lambda: 10)
        assert reserved is not None
        await reserved.admit(5)
        shared.away = ""
        reserved.end(None, sent=False)
        assert shared.given == given
