"""The order in which the routes of an alias are tried: as given, as a conversation was answered, by what is slow."""

import asyncio
import re
from typing import Any

import pytest

from providers_app import loop, provider
from providers_app.dispatch import aliases as planning
from providers_app.dispatch import lanes
from providers_app.types.chat import Message, ReasoningPart, TextPart
from providers_app.types.events import Origin, StreamStart
from tests.unit.providers.memory_store import MemoryAliases
from tests.unit.providers.test_aliases import Pair, ask, pair, settings, start  # noqa: F401
from tests.unit.providers.test_lanes import refused

pytestmark = pytest.mark.usefixtures("on_loop", "settings", "sessions")


async def by(messages: Any = "Hello", alias: str = "both", **options: Any) -> str:
    events = [event async for event in provider.stream_chat("alias", alias, messages, **options)]
    assert isinstance(events[0], StreamStart) and events[0].routing is not None
    return events[0].routing.session


async def test_a_conversation_stays_with_the_route_that_answered_it_last(pair: Pair) -> None:  # noqa: F811
    pair.first.script = [refused(500)]
    question = {"role": "user", "content": "Hello"}
    assert await by([question]) == "spare"
    answered = [question, {"role": "assistant", "content": "Hi"}, {"role": "user", "content": "And?"}]
    assert await by(answered) == "spare" and pair.first.asked == 1, "the same first message is the same conversation"
    assert await by("Another question") == "box"
    assert await by([{"role": "system", "content": "Be brief."}, question]) == "box"
    pair.second.script = [refused(500)]
    assert await by([question]) == "box", "it is tried first, not alone"
    assert await by([question]) == "box", "and the one that answered last is the one from then on"


async def test_an_alias_that_is_not_sticky_begins_with_its_first_route(
    pair: Pair,  # noqa: F811
    aliases: MemoryAliases,
) -> None:
    aliases.add("plain", ("box", "m"), ("spare", "n"), sticky=False)
    pair.first.script = [refused(500)]
    assert await by(alias="plain") == "spare" and await by(alias="plain") == "box"


async def test_what_the_stored_chat_says_holds_where_the_process_knows_nothing(pair: Pair) -> None:  # noqa: F811
    spare = next(session for session, _ in pair.store.all() if session.name == "spare")
    token = planning.conversation.set(("chat-1", (spare.id, "n")))
    try:
        assert await by() == "spare"
        pair.second.script = [refused(500)]
        assert await by() == "box" and await by() == "box", "what this process saw later is newer"
    finally:
        planning.conversation.reset(token)
    assert await by() == "box"


async def test_the_origin_of_the_last_answer_holds_where_nothing_else_is_known(pair: Pair) -> None:  # noqa: F811
    spare = next(session for session, _ in pair.store.all() if session.name == "spare")
    thought = ReasoningPart("hm", origin=Origin("remote", "n", spare.id))
    messages = [
        Message("user", (TextPart("Hello"),)),
        Message("assistant", (thought, TextPart("Hi"))),
        Message("user", (TextPart("And?"),)),
    ]
    assert await by(messages) == "spare"


async def test_the_preview_is_of_the_route_that_comes_first_for_the_conversation(pair: Pair) -> None:  # noqa: F811
    pair.first.script = [refused(500)]
    await by()
    assert b'"n"' in (await provider.preview_request("alias", "both", "Hello")).body
    assert b'"m"' in (await provider.preview_request("alias", "both", "Other")).body


async def test_what_is_remembered_is_bounded(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(planning, "REMEMBERED", 2)
    for text in ("one", "two", "three"):
        await by(text)
    assert len(planning._remembered()) == 2


async def test_a_route_that_was_slow_lately_gives_way(pair: Pair) -> None:  # noqa: F811
    now = asyncio.get_running_loop().time()
    box = next(session for session, _ in pair.store.all() if session.name == "box")
    lanes.current().route(box, "m").pace.note(60.0, now)
    routing = start(await ask()).routing
    assert routing is not None and routing.session == "spare" and pair.first.asked == 0
    assert [(one.session, one.code) for one in routing.left] == [("box", "route_slow")]


async def test_a_route_without_room_or_with_an_open_circuit_comes_last(pair: Pair) -> None:  # noqa: F811
    box = next(session for session, _ in pair.store.all() if session.name == "box")
    route = lanes.current().route(box, "m")
    route.door.lane.slots.slots = 0
    events = await ask()
    routing = start(events).routing
    assert routing is not None and routing.session == "spare"
    (left,) = routing.left
    assert (left.session, left.code) == ("box", "route_busy")
    assert left.message == "As many requests as it takes at once are under way."
    route.door.lane.slots.slots = 16
    route.breaker._open(asyncio.get_running_loop().time(), "it failed", 60.0)
    assert await by("Another") == "spare" and pair.first.asked == 0


async def test_the_seconds_to_the_first_output_are_noted_for_routes_of_an_alias(pair: Pair) -> None:  # noqa: F811
    await by()
    box = next(session for session, _ in pair.store.all() if session.name == "box")
    now = asyncio.get_running_loop().time()
    assert lanes.current().route(box, "m").pace.seconds(now) > 0
    assert loop.local("alias routes", dict)


async def test_a_route_that_rests_after_a_429_says_for_how_long(pair: Pair) -> None:  # noqa: F811
    pair.first.script = [refused(429, "Retry-After: 300")]
    assert await by("One") == "spare"
    (left,) = start(await ask()).routing.left  # type: ignore[union-attr]
    assert left.code == "route_busy"
    told = re.fullmatch(r"The provider limits it for another (\d+) s\.", left.message)
    assert told is not None and 200 < int(told[1]) <= 300
    assert pair.first.asked == 1
