"""The chat socket: every frame, every close code, several tabs, and people who must not see anything."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from context_app import feed as feed_module
from context_app.models import Context, Turn
from sessions_app import crypto
from sessions_app.pool import in_store
from tests.unit.context.desk import Desk, open_desk
from tests.unit.context.streams_kit import close_kit, open_kit, stored, text_of, until
from tests.web.chat_socket import Closed, Tab, sign_in


@pytest.fixture
def ring() -> Iterator[None]:
    before = crypto.current() if crypto.configured() else None
    crypto.configure(crypto.KeyRing.parse(crypto.KeyRing.generate()))
    yield
    crypto.configure(before)


@pytest.fixture
async def desk(transactional_db: Any, ring: None, tmp_path: Path) -> AsyncIterator[Desk]:
    kit = await open_kit(tmp_path / "spool")
    yield await open_desk(kit)
    await close_kit(kit)


NOBODY = "00000000-0000-0000-0000-000000000007"


async def test_message_streams_to_the_end_frame(desk: Desk) -> None:
    tab = await Tab.open(desk)
    hello = await tab.next()
    assert hello == {"type": "hello", "context": str(desk.context.pk), "running": []}
    await tab.send(type="send", text="Hello **there**", model="demo-instant-n30", client_id="mine-1")
    turn = await tab.next()
    assert (turn["type"], turn["client_id"], turn["attempt"]) == ("turn", "mine-1", 1)
    assert "Hello" in turn["user_html"]
    end = await tab.next("end")
    assert (end["state"], end["turn"], end["stream"]) == ("complete", turn["turn"], turn["stream"])
    assert end["result"]["text"] == tab.text(turn["stream"]) != ""
    assert end["last_seq"] == len(tab.events(turn["stream"]))
    assert end["html"]
    events = await in_store(stored, uuid.UUID(turn["stream"]))
    assert [json.loads(event) for event in events] == tab.events(turn["stream"])
    await tab.leave()


async def test_all_tabs_of_a_chat_see_the_same(desk: Desk) -> None:
    tabs = [await Tab.open(desk) for _ in range(3)]
    for tab in tabs:
        await tab.next("hello")
    await tabs[0].send(type="send", text="Hi", model="demo-d2-n40", client_id="c")
    ends = await asyncio.gather(*(tab.next("end", timeout=10) for tab in tabs))
    stream = ends[0]["stream"]
    assert ends[0] == ends[1] == ends[2]
    assert tabs[0].events(stream) == tabs[1].events(stream) == tabs[2].events(stream)
    assert all([frame["type"] for frame in tab.frames].count("turn") == 1 for tab in tabs)
    for tab in tabs:
        await tab.leave()


async def test_closed_tab_comes_back_and_reads_on_where_it_was(desk: Desk) -> None:
    tab = await Tab.open(desk)
    await tab.send(type="send", text="Hi", model="demo-long-d3-n200")
    turn = await tab.next("turn")
    stream = turn["stream"]
    while len(tab.events(stream)) < 20:
        await tab.next("events")
    seen = tab.events(stream)
    await tab.leave()
    await asyncio.sleep(0.1)
    again = await Tab.open(desk)
    hello = await again.next()
    (running,) = hello["running"]
    assert (running["stream"], running["turn"]) == (stream, turn["turn"])
    assert running["last_seq"] >= len(seen)
    await again.send(type="attach", stream=stream, after=len(seen))
    end = await again.next("end", timeout=15)
    events = [json.loads(event) for event in await in_store(stored, uuid.UUID(stream))]
    assert [*seen, *again.events(stream)] == events
    assert end["state"] == "complete"
    await again.leave()


async def test_events_come_together_not_one_frame_each(desk: Desk) -> None:
    tab = await Tab.open(desk)
    await tab.send(type="send", text="Hi", model="demo-instant-n500")
    end = await tab.next("end")
    frames = [frame for frame in tab.frames if frame["type"] == "events"]
    assert end["last_seq"] > 400
    assert len(frames) < 100
    await tab.leave()


async def test_stop_retry_and_reset(desk: Desk) -> None:
    tab = await Tab.open(desk)
    await tab.send(type="send", text="Hi", model="demo-long-d5")
    turn = await tab.next("turn")
    await tab.next("events")
    await tab.send(type="stop", stream=turn["stream"])
    end = await tab.next("end")
    assert end["state"] == "cancelled"
    await tab.send(type="attach", stream=turn["stream"], after=end["last_seq"] + 5)
    assert await tab.next("reset") == {"type": "reset", "stream": turn["stream"], "length": end["last_seq"]}
    await in_store(lambda: Turn.objects.update(model="demo-instant-n9"))
    await tab.send(type="retry", turn=turn["turn"])
    again = await tab.next("turn")
    assert (again["turn"], again["attempt"]) == (turn["turn"], 2)
    assert again["stream"] != turn["stream"]
    assert (await tab.next("end"))["state"] == "complete"
    await tab.leave()


async def test_repeated_send_after_a_lost_socket_is_the_same_turn(desk: Desk) -> None:
    tab = await Tab.open(desk)
    await tab.send(type="send", text="Hi", model="demo-d2-n60", client_id="once")
    turn = await tab.next("turn")
    await tab.leave()
    again = await Tab.open(desk)
    await again.send(type="send", text="Hi", model="demo-d2-n60", client_id="once")
    repeated = await again.next("turn")
    assert (repeated["turn"], repeated["stream"]) == (turn["turn"], turn["stream"])
    end = await again.next("end")
    assert again.text(turn["stream"]) == end["result"]["text"]
    assert await in_store(Turn.objects.count) == 1
    await again.leave()


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "bad_frame"),
        ("[]", "bad_frame"),
        ("null", "bad_frame"),
        ('"send"', "bad_frame"),
        ("[" * 5000, "bad_frame"),
        ('{"type":"launch"}', "bad_frame"),
        ('{"text":"no type"}', "bad_frame"),
        ('{"type":"send"}', "bad_frame"),
        ('{"type":"send","text":7}', "bad_frame"),
        ('{"type":"send","text":"x","params":[]}', "bad_frame"),
        ('{"type":"attach","stream":"x","after":0}', "bad_frame"),
        ('{"type":"attach","stream":"' + NOBODY + '","after":"1"}', "bad_frame"),
        ('{"type":"send","text":"   ","client_id":"c9"}', "empty_prompt"),
        ('{"type":"send","text":"x","session":"' + NOBODY + '","client_id":"c9"}', "unknown_session"),
        ('{"type":"send","text":"x","model":"no model\\u0000"}', "invalid_request"),
        ('{"type":"attach","stream":"' + NOBODY + '","after":0}', "unknown_stream"),
        ('{"type":"stop","stream":"' + NOBODY + '"}', "unknown_stream"),
        ('{"type":"retry","turn":"' + NOBODY + '"}', "unknown_turn"),
    ],
)
async def test_refused_frame_is_an_error_frame_and_the_socket_lives(desk: Desk, frame: str, code: str) -> None:
    tab = await Tab.open(desk)
    await tab.next("hello")
    await tab.send(frame)
    error = await tab.next()
    assert (error["type"], error["code"]) == ("error", code)
    assert error["message"]
    assert error.get("client_id", "") == ("c9" if '"c9"' in frame else "")
    await tab.send(type="ping")
    assert await tab.next() == {"type": "pong"}
    assert await desk.counts() == (0, 0, 0)
    await tab.leave()


async def test_binary_frame_is_refused(desk: Desk) -> None:
    tab = await Tab.open(desk)
    await tab.next("hello")
    await tab.raw(b'{"type":"ping"}')
    assert (await tab.next())["code"] == "bad_frame"
    await tab.leave()


async def test_frames_too_large_or_too_many_close_the_socket(desk: Desk) -> None:
    tab = await Tab.open(desk)
    await tab.send(json.dumps({"type": "send", "text": "x" * 262_144}))
    assert await tab.closed() == 4409
    flood = await Tab.open(desk)
    for _ in range(25):
        await flood.send(type="ping")
    assert await flood.closed() == 4408
    assert await desk.counts() == (0, 0, 0)


async def test_multibyte_text_counts_in_bytes(desk: Desk) -> None:
    tab = await Tab.open(desk)
    await tab.send(json.dumps({"type": "send", "text": "ż" * 140_000}, ensure_ascii=False))
    assert await tab.closed() == 4409


async def test_who_is_not_signed_in_is_closed_with_4401(desk: Desk) -> None:
    for cookie in ("", "no-such-session"):
        tab = await Tab.connect(cookie, desk.context.pk)
        assert await tab.closed() == 4401


async def test_foreign_deleted_and_unknown_chats_are_closed_with_4403(desk: Desk) -> None:
    bob = await open_desk(desk.kit, "bob")
    for context in (bob.context.pk, uuid.uuid4()):
        tab = await Tab.open(desk, context=context)
        assert await tab.closed() == 4403
    await in_store(lambda: Context.objects.filter(pk=desk.context.pk).update(deleted_at="2026-01-01T00:00Z"))
    tab = await Tab.open(desk)
    assert await tab.closed() == 4403


async def test_foreign_origin_gets_no_socket(desk: Desk) -> None:
    with pytest.raises(AssertionError, match="handshake"):
        await Tab.open(desk, origin="https://evil.example")


async def test_streams_and_turns_of_another_chat_are_unknown_even_to_their_owner(desk: Desk) -> None:
    other = await in_store(lambda: Context.objects.create(owner=desk.user, session=desk.session))
    started, _ = await desk.answer()
    tab = await Tab.open(desk, context=other.pk)
    await tab.next("hello")
    await tab.send(type="attach", stream=str(started.stream_id), after=0)
    assert (await tab.next())["code"] == "unknown_stream"
    await tab.send(type="stop", stream=str(started.stream_id))
    assert (await tab.next())["code"] == "unknown_stream"
    await tab.send(type="retry", turn=str(started.turn_id))
    assert (await tab.next())["code"] == "unknown_turn"
    await tab.leave()


@pytest.mark.parametrize("how", ["logout", "disabled", "password"])
async def test_next_frame_after_sign_out_closes_the_socket(desk: Desk, how: str) -> None:
    client = await in_store(sign_in, desk.user)
    tab = await Tab.open(desk, client=client)
    await tab.next("hello")

    def end() -> None:
        if how == "logout":
            client.logout()
        elif how == "disabled":
            desk.user.is_active = False
            desk.user.save()
        else:
            desk.user.set_password("another long password")
            desk.user.save()

    await in_store(end)
    await tab.send(type="send", text="Hi", model="demo-instant")
    assert await tab.closed() == 4401
    assert await desk.counts() == (0, 0, 0)


async def test_idle_socket_is_closed_soon_after_sign_out_and_reads_no_more(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert feed_module.CHECK_S <= 30
    monkeypatch.setattr(feed_module, "CHECK_S", 0.05)
    client = await in_store(sign_in, desk.user)
    tab = await Tab.open(desk, client=client)
    await tab.send(type="send", text="Hi", model="demo-long-d10")
    turn = await tab.next("turn")
    await in_store(client.logout)
    assert await tab.closed() == 4401
    live = desk.kit.runtime.find(uuid.UUID(turn["stream"]))
    assert live is not None
    await until(lambda: not live._waiters)
    assert live.ending is None, "the answer goes on being written"


async def test_turn_begun_elsewhere_is_found_without_a_layer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "CHECK_S", 0.05)
    tab = await Tab.open(desk)
    await tab.next("hello")
    monkeypatch.setattr(desk.kit.runtime.hub, "publish", lambda *_: None)  # as if another process had begun it
    started = await desk.send()
    turn = await tab.next("turn")
    assert turn["turn"] == str(started.turn_id)
    await tab.next("end")
    await asyncio.sleep(0.15)
    await tab.leave()
    assert [frame["type"] for frame in tab.frames].count("turn") == 1


async def test_failed_answer_tells_why(desk: Desk) -> None:
    tab = await Tab.open(desk)
    await tab.send(type="send", text="Hi", model="demo-error-429")
    end = await tab.next("end")
    assert end["state"] == "failed"
    assert end["result"]["error"]["code"] == "upstream_rate_limit"
    assert end["html"]
    await tab.leave()


async def test_server_that_stops_closes_with_1012_and_marks_the_answer(desk: Desk) -> None:
    from context_app import lifespan
    from context_app.models import Stream

    tab = await Tab.open(desk)
    await tab.send(type="send", text="Hi", model="demo-long-d5")
    turn = await tab.next("turn")
    await tab.next("events")
    begun = asyncio.get_running_loop().time()
    await lifespan.shutdown()
    assert asyncio.get_running_loop().time() - begun < 2
    assert await tab.closed() == 1012
    stream = await in_store(lambda: Stream.objects.get(pk=turn["stream"]))
    assert stream.state == "interrupted"
    assert "stopped" in stream.result["error"]["message"]
    events = await in_store(stored, stream.pk)
    shown = tab.events(stream.pk)
    assert [json.loads(event) for event in events][: len(shown)] == shown
    assert stream.result["text"] == text_of(events)


async def test_socket_that_does_not_read_costs_no_memory_and_catches_up(desk: Desk) -> None:
    """Back-pressure: while a send waits, nothing is queued for that socket; it gets one large frame afterwards."""
    from context_app.access import Viewer
    from context_app.feed import ChatFeed

    frames: list[str] = []
    gate = asyncio.Event()

    async def slow(text: str) -> None:
        frames.append(text)
        if '"events"' in text[:20]:
            await gate.wait()

    async def close(code: int) -> None:
        raise Closed(code)

    chat = ChatFeed(Viewer(desk.user.pk), desk.context.pk, slow, close)
    await chat.open()
    _, seen = await desk.answer(model="demo-d1-n150")
    await asyncio.sleep(0.1)
    events = [frame for frame in frames if '"events"' in frame[:20]]
    assert len(events) == 1
    gate.set()
    await until(lambda: any('"end"' in frame[:20] for frame in frames))
    events = [json.loads(frame) for frame in frames if '"events"' in frame[:20]]
    assert len(events) <= 3
    assert sum(len(frame["events"]) for frame in events) == len(seen.events)
    await chat.shut()


def test_rendered_html_is_text_in_a_frame() -> None:
    from django.utils.safestring import mark_safe

    from context_app import frames

    assert json.loads(frames.encode({"type": "turn", "user_html": mark_safe("<p>&amp;</p>")})) == {
        "type": "turn",
        "user_html": "<p>&amp;</p>",
    }
    with pytest.raises(TypeError):
        frames.encode({"type": "turn", "x": object()})
