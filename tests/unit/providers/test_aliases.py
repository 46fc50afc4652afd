"""An alias over servers that fail in each way before an answer begins: the next route serves, and says why."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import msgspec
import pytest

from providers_app import conf, errors, provider
from providers_app.dispatch import lanes
from providers_app.registry.settings import ProvidersConfig
from providers_app.types.events import Event, StreamEnd, StreamStart, TextDelta
from providers_app.types.session_limits import SessionLimits
from tests.unit.providers.memory_store import MemoryAliases, MemorySessions
from tests.unit.providers.test_lanes import FAILURES, OK, Server, refused
from tests.waiting import put_forward, until

pytestmark = pytest.mark.usefixtures("on_loop", "settings", "sessions")

Start = Callable[..., Awaitable[str]]
HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>"
LEFT = FAILURES | {
    "401": refused(401),
    "403": refused(403),
    "404": refused(404),
    "413": refused(413),
    "quota": refused(402),
    "429 with a long wait": refused(429, "Retry-After: 3600"),
    "HTML": HTML,
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\n\r\n",
}


@pytest.fixture
def settings(loopback: ProvidersConfig) -> Iterator[ProvidersConfig]:
    with conf.use(loopback.model_copy(update={"max_retries": 0})):
        yield loopback


class Pair:
    """Two sessions at two servers, and the alias ``both`` over them."""

    def __init__(self, first: Server, second: Server, store: MemorySessions) -> None:
        self.first, self.second, self.store = first, second, store

    def change(self, name: str, **columns: Any) -> None:
        """Store other columns for a session."""
        for key, (session, credential) in self.store.rows.items():
            if session.name == name:
                self.store.rows[key] = msgspec.structs.replace(session, **columns), credential


@pytest.fixture
async def pair(raw_server: Start, sessions: MemorySessions, aliases: MemoryAliases) -> Pair:
    servers = Server(), Server()
    for name, server in zip(("box", "spare"), servers, strict=True):
        url = await raw_server(server.answer)
        await provider.create_session("remote", "api_key", name=name, api_key="sk-local-1234567890", base_url=url)
    aliases.add("both", ("box", "m"), ("spare", "n"))
    return Pair(*servers, sessions)


async def ask(text: str = "Hello", **options: Any) -> list[Event]:
    return [event async for event in provider.stream_chat("alias", "both", text, **options)]


def text(events: list[Event]) -> str:
    assert isinstance(events[-1], StreamEnd)
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def start(events: list[Event]) -> StreamStart:
    assert isinstance(events[0], StreamStart) and sum(isinstance(event, StreamStart) for event in events) == 1
    return events[0]


@pytest.mark.parametrize("failure", LEFT.values(), ids=LEFT)
async def test_a_route_that_fails_before_any_output_gives_way_to_the_next(pair: Pair, failure: bytes) -> None:
    pair.first.script = [failure]
    events = await ask()
    assert text(events) == "Hi" and (pair.first.asked, pair.second.asked) == (1, 1)
    routing = start(events).routing
    assert routing is not None
    assert (routing.alias, routing.provider, routing.session, routing.model) == ("both", "remote", "spare", "n")
    (left,) = routing.left
    assert (left.session, left.model) == ("box", "m") and left.code and left.message
    origin = start(events).origin
    assert origin is not None and origin.model == "n"
    await until(lambda: len(pair.store.outcomes) == 2)
    reported = {pair.store.rows[key][0].name: error for key, error, _ in pair.store.outcomes}
    assert reported["spare"] is None and reported["box"] is not None, "each session's outcome is its own"


async def test_the_first_route_answers_alone_and_its_answer_says_so(pair: Pair, aliases: MemoryAliases) -> None:
    result = start(await ask()).routing
    assert result is not None and (result.session, result.model, result.left) == ("box", "m", ())
    assert (pair.first.asked, pair.second.asked, aliases.asked) == (1, 0, 1)


async def test_a_whole_answer_knows_who_gave_it(pair: Pair) -> None:
    pair.first.script = [refused(500)]
    body = '{"id":"1","model":"n","choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}'
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    pair.second.script = [(head + body).encode()]
    result = await provider.complete_chat("alias", "both", "Hello")
    assert result.text == "Hi" and result.routing is not None
    assert [one.code for one in result.routing.left] == ["upstream_server_error"]
    assert result.to_dict()["routing"]["session"] == "spare"


@pytest.mark.parametrize("status", [400, 422])
async def test_what_every_route_would_answer_alike_is_raised_at_once(pair: Pair, status: int) -> None:
    pair.first.script = [refused(status)]
    with pytest.raises(errors.BadRequest):
        await ask()
    assert pair.second.asked == 0


@pytest.mark.parametrize("columns", [{"status": "disabled"}, {"status": "needs_reauth", "status_reason": "Revoked."}])
async def test_a_session_that_cannot_be_used_is_passed_by_with_its_reason(pair: Pair, columns: dict[str, str]) -> None:
    pair.change("box", **columns)
    routing = start(await ask()).routing
    assert routing is not None and [one.session for one in routing.left] == ["box"] and pair.first.asked == 0
    expected = columns.get("status_reason", "It is disabled.")
    assert routing.left[0].message == expected


async def test_a_session_that_was_deleted_a_moment_ago_is_passed_by(pair: Pair, aliases: MemoryAliases) -> None:
    found = await aliases.find_alias(1, "both")
    await provider.delete_session("remote", "api_key", "box")

    async def remembered(owner: object, ref: str) -> object:
        return found

    aliases.find_alias = remembered  # type: ignore[method-assign, assignment]
    routing = start(await ask()).routing
    assert routing is not None and [one.code for one in routing.left] == ["unknown_session"]


async def test_an_alias_without_a_usable_route_says_what_to_do(pair: Pair, aliases: MemoryAliases) -> None:
    pair.change("box", status="disabled")
    pair.change("spare", status="needs_reauth", status_reason="The login was revoked.")
    with pytest.raises(errors.NoUsableRoute, match="box: It is disabled; spare: The login was revoked") as caught:
        await ask()
    assert "/settings/aliases/" in caught.value.hint and len(caught.value.left) == 2
    aliases.add("both")
    with pytest.raises(errors.NoUsableRoute, match="has no routes"):
        await ask()


async def test_where_all_fail_the_error_names_each_and_the_first_moment_at_which_one_may_work(pair: Pair) -> None:
    pair.first.script, pair.second.script = [refused(429, "Retry-After: 40")], [refused(429, "Retry-After: 7")]
    with pytest.raises(errors.RateLimited) as caught:
        await ask()
    error = caught.value
    assert [one.session for one in error.left] == ["box", "spare"] and error.retry_after == 7.0
    assert str(error) == error.message and "box: " in error.message and "spare: " in error.message
    assert error.message.startswith("No route of the alias 'both' answered.")
    await until(lambda: len(pair.store.outcomes) == 2)
    assert all(isinstance(found, errors.RateLimited) for _, found, _ in pair.store.outcomes)
    assert not any(door.busy for door in lanes.current().doors.values())


async def test_a_silent_route_has_its_share_of_the_deadline_and_the_next_one_the_rest(pair: Pair) -> None:
    pair.first.script = [pair.first.hold]
    events = await ask(timeout=1.0)
    assert text(events) == "Hi"
    routing = start(events).routing
    assert routing is not None and [one.code for one in routing.left] == ["upstream_timeout"]


async def test_a_full_lane_and_an_open_circuit_are_no_refusal_where_another_route_serves(pair: Pair) -> None:
    assert text(await ask()) == "Hi"
    first = next(door for door in lanes.current().doors.values() if door.session == "s1")
    first.lane.slots.slots, first.lane.queue.max_size = 0, 0
    routing = start(await ask()).routing
    assert routing is not None and [one.code for one in routing.left] == ["route_busy"]
    first.lane.slots.slots = 16
    circuit = next(one for key, one in lanes.current().breakers.items() if key[1] == "s1")
    circuit._open(asyncio.get_running_loop().time(), "it failed", 60.0)
    routing = start(await ask("Another question")).routing
    assert routing is not None and pair.first.asked == 1
    assert [(one.code, one.message) for one in routing.left] == [("route_busy", "it failed")]


async def test_after_the_first_output_no_other_route_is_asked(pair: Pair) -> None:
    pair.first.script = [OK.split(b'data: {"id":"1","choices":[{"index":0,"delta":{}')[0]]
    events = await ask()
    assert not isinstance(events[-1], StreamEnd) and pair.second.asked == 0


async def test_what_an_alias_cannot_be_given(pair: Pair) -> None:
    for options in ({"model": "m"}, {"auth_type": "api_key"}, {"owner": provider.SYSTEM}):
        with pytest.raises(errors.InvalidRequest):
            await ask(**options)
    for name in ("", None, 5):
        with pytest.raises(errors.InvalidRequest):
            await provider.complete_chat("alias", name, "Hello")  # type: ignore[arg-type]
    with pytest.raises(errors.UnknownAlias):
        await provider.complete_chat("alias", "nobody", "Hello")


async def test_a_foreign_alias_does_not_exist(pair: Pair, aliases: MemoryAliases) -> None:
    aliases.add("theirs", ("box", "m"), owner=2)
    with pytest.raises(errors.UnknownAlias):
        await provider.complete_chat("alias", "theirs", "Hello", owner=1)


async def test_counting_and_the_preview_are_of_the_first_route_that_can_be_asked(pair: Pair) -> None:
    pair.change("box", status="disabled")
    prepared = await provider.preview_request("alias", "both", "Hello")
    assert b'"model":"n"' in prepared.body.replace(b": ", b":") and prepared.url.startswith("http://127.0.0.1")
    assert (await provider.count_tokens("alias", "both", "Hello")).n > 0


async def test_a_call_without_an_alias_asks_for_none(pair: Pair, aliases: MemoryAliases) -> None:
    assert text([event async for event in provider.stream_chat("remote", "box", "Hello", model="m")]) == "Hi"
    assert aliases.asked == 0


# Control by session and request


async def test_retries_are_the_requests_then_the_sessions_then_those_of_the_settings(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers_app.resilience.retry.BASE_S", 0.0)

    async def asked(**options: Any) -> int:
        pair.first.asked, pair.first.script = 0, [refused(409)] * 3
        with pytest.raises(errors.Conflict):
            await provider.complete_chat("remote", "box", "Hello", model="m", **options)
        return pair.first.asked

    assert await asked() == 1
    pair.change("box", limits=SessionLimits(max_retries=1))
    assert await asked() == 2 and await asked(max_retries=0) == 1 and await asked(max_retries=2) == 3


async def test_the_lowest_deadline_holds_and_0_is_none(pair: Pair, settings: ProvidersConfig) -> None:
    pair.first.script = [pair.first.hold] * 9
    with conf.use(settings.model_copy(update={"request_timeout_s": 0.2})):
        for own, asked in ((None, None), (30.0, 0.2), (0.2, 30.0), (0.2, 0)):
            pair.change("box", limits=SessionLimits(timeout_s=own))
            with pytest.raises(errors.UpstreamTimeout, match=r"within 0\.2 s"):
                await provider.complete_chat("remote", "box", "Hello", model="m", timeout=asked)
        for own, asked in ((0.0, None), (None, 0), (30.0, None)):
            pair.change("box", limits=SessionLimits(timeout_s=own))
            pair.first.held.clear()
            task = asyncio.create_task(provider.complete_chat("remote", "box", "Hello", model="m", timeout=asked))
            await until(lambda: pair.first.held)
            put_forward(10)
            await asyncio.sleep(0)
            assert not task.done()
            task.cancel()


@pytest.mark.parametrize("options", [{"timeout": -1}, {"timeout": "5"}, {"timeout": True}, {"max_retries": 11},
                                     {"max_retries": 1.0}, {"max_retries": True}, {"max_retries": -1}])  # fmt: skip
async def test_control_that_is_none_is_refused(pair: Pair, options: dict[str, Any]) -> None:
    with pytest.raises(errors.InvalidRequest):
        await ask(**options)


async def test_the_limits_of_a_session_hold_at_once_and_can_be_taken_away(pair: Pair) -> None:
    async def plain() -> str:
        return text([event async for event in provider.stream_chat("remote", "box", "Hello", model="m", timeout=0.2)])

    assert await plain() == "Hi"
    pair.change("box", limits=SessionLimits(requests_per_minute=1, max_concurrent_requests=3))
    assert await plain() == "Hi"
    with pytest.raises(errors.LimitReached) as caught:
        await plain()
    assert caught.value.retry_after is not None and caught.value.retry_after > 50
    (door,) = lanes.current().doors.values()
    assert door.lane.slots.slots == 3
    pair.change("box", limits=SessionLimits())
    assert await plain() == "Hi"
