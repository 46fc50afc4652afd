"""The limit a minute of a person, over several sessions: charged once, given back where nothing was sent."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from providers_app import conf, errors, provider
from providers_app.dispatch import lanes, people, shared
from providers_app.registry.settings import ProvidersConfig
from providers_app.types.session_limits import PersonLimits
from tests.unit.providers.test_aliases import Pair, ask, pair, settings, text  # noqa: F401
from tests.unit.providers.test_lanes import OK, refused
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("on_loop", "settings", "sessions")
USED = OK.replace(b"data: [DONE]", b'data: {"id":"1","choices":[],"usage":{"prompt_tokens":400,"completion_tokens":100,'
                  b'"total_tokens":500}}\n\ndata: [DONE]')  # fmt: skip


@pytest.fixture
def limited(settings: ProvidersConfig) -> Iterator[ProvidersConfig]:  # noqa: F811
    changed = settings.model_copy(
        update={"requests_per_minute_per_person": 2.0, "tokens_per_minute_per_person": 1000.0, "max_retries": 0}
    )
    with conf.use(changed):
        yield changed


async def by(session: str, owner: int = 1, **options: Any) -> str:
    given = {"model": "m", "owner": owner, "timeout": 0.5} | options
    return text([event async for event in provider.stream_chat("remote", session, "Hello", **given)])


def left(person: str = "1") -> tuple[float, float]:
    used = conf.current()
    limits = shared.Limits(used.requests_per_minute_per_person, used.tokens_per_minute_per_person)
    allowance, now = lanes.current().people.allowance(person, limits), asyncio.get_running_loop().time()
    return round(allowance.requests.level(now), 1), round(allowance.tokens.level(now), -1)


async def test_a_person_is_limited_over_all_sessions_with_the_time_to_come_back(
    pair: Pair,  # noqa: F811
    limited: ProvidersConfig,
) -> None:
    assert await by("box") == await by("spare") == "Hi"
    with pytest.raises(errors.PersonLimitReached) as caught:
        await by("box")
    assert caught.value.retry_after == pytest.approx(30, abs=1) and caught.value.http_status == 429
    assert pair.first.asked == 1 and left()[0] == pytest.approx(0.0, abs=0.1), "what is refused costs nothing"


async def test_another_person_has_a_limit_of_their_own(pair: Pair, limited: ProvidersConfig) -> None:  # noqa: F811
    assert await by("box") == await by("spare") == "Hi"
    url = pair.store.all()[0][0].base_url
    await provider.create_session(
        "remote", "api_key", name="hers", api_key="sk-local-1234567890", base_url=url, owner=2
    )
    assert await by("hers", owner=2) == "Hi"


async def test_the_tokens_that_were_used_are_charged_once(pair: Pair, limited: ProvidersConfig) -> None:  # noqa: F811
    pair.first.script = [USED]
    assert await by("box") == "Hi"
    assert left() == (1.0, 500.0)


async def test_an_alias_that_tries_two_routes_is_charged_once(pair: Pair, limited: ProvidersConfig) -> None:  # noqa: F811
    pair.first.script, pair.second.script = [refused(500)], [USED]
    assert text(await ask(owner=1)) == "Hi"
    assert (pair.first.asked, pair.second.asked) == (1, 1) and left() == (1.0, 500.0)


async def test_what_was_not_sent_is_given_back(pair: Pair, limited: ProvidersConfig) -> None:  # noqa: F811
    nobody = "http://127.0.0.1:9/v1"
    await provider.create_session("remote", "api_key", name="gone", api_key="sk-local-1234567890", base_url=nobody)
    with pytest.raises(errors.ConnectionFailed):
        await by("gone", timeout=20)
    assert left() == (2.0, 1000.0)


async def test_who_waits_and_leaves_gives_back(pair: Pair, limited: ProvidersConfig) -> None:  # noqa: F811
    with conf.use(limited.model_copy(update={"requests_per_minute_per_person": 1.0})):
        assert await by("box") == "Hi"
        waiting = asyncio.create_task(by("spare", timeout=300))
        await until(lambda: left()[0] < -0.5)
        waiting.cancel()
        await until(waiting.done)
        assert left()[0] > -0.1 and pair.second.asked == 0


async def test_lists_and_counts_are_not_limited(pair: Pair, limited: ProvidersConfig) -> None:  # noqa: F811
    for _ in range(4):
        assert (await provider.count_tokens("remote", "box", "Hello", model="m")).n
    assert left() == (2.0, 1000.0)


async def test_a_person_may_have_other_limits_than_the_installation_or_none(
    pair: Pair,  # noqa: F811
    limited: ProvidersConfig,
) -> None:
    pair.change("box", own=PersonLimits(requests_per_minute=1.0, tokens_per_minute=0.0))
    assert await by("box") == "Hi"
    with pytest.raises(errors.PersonLimitReached):
        await by("box")
    pair.change("box", own=PersonLimits(requests_per_minute=0.0))
    for _ in range(4):
        assert await by("box") == "Hi"
    assert people.limits_of(PersonLimits(requests_per_minute=0.0)) == shared.Limits(None, 1000.0), (
        "blank is as all have"
    )


async def test_a_person_may_be_limited_where_nobody_else_is(pair: Pair) -> None:  # noqa: F811
    for name in ("box", "spare"):
        pair.change(name, own=PersonLimits(requests_per_minute=1.0))
    assert text(await ask(owner=1)) == "Hi"
    with pytest.raises(errors.PersonLimitReached):
        await ask(owner=1, timeout=0.5)
    assert (pair.first.asked, pair.second.asked) == (1, 0)
