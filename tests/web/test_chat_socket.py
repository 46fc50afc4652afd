"""The chat socket: every frame, every close code, several tabs, and people who must not see anything."""

import asyncio
import json
import uuid

import pytest

from context_app import connection as connection_module
from context_app.models import Turn
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk
from tests.unit.context.streams_kit import stored, text_of, until
from tests.vendors.server import VendorServer
from tests.web.chat_socket import Closed, Tab


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
    ends = await asyncio.gather(*(tab.next("end") for tab in tabs))
    stream = ends[0]["stream"]
    assert ends[0] == ends[1] == ends[2]
    assert tabs[0].events(stream) == tabs[1].events(stream) == tabs[2].events(stream)
    assert all([frame["type"] for frame in tab.frames].count("turn") == 1 for tab in tabs)
    for tab in tabs:
        await tab.leave()


@pytest.mark.usefixtures("loopback_allowed")
async def test_closed_tab_comes_back_and_reads_on_where_it_was(desk: Desk, chat_server: VendorServer) -> None:
    session = await desk.connect(chat_server)
    tab = await Tab.open(desk)
    await tab.send(type="send", text="Hi", session=session, model="local-large-words-50-held")
    turn = await tab.next("turn")
    stream = turn["stream"]
    while len(tab.events(stream)) < 20:
        await tab.next("events")
    seen = tab.events(stream)
    await tab.leave()
    again = await Tab.open(desk)
    hello = await again.next()
    (running,) = hello["running"]
    assert (running["stream"], running["turn"]) == (stream, turn["turn"])
    assert running["last_seq"] >= len(seen)
    await again.send(type="attach", stream=stream, after=len(seen))
    chat_server.release()
    end = await again.next("end")
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
    await tab.send(type="send", text="Hi", model="demo-long-d20")
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


@pytest.mark.usefixtures("loopback_allowed")
async def test_repeated_send_after_a_lost_socket_is_the_same_turn(desk: Desk, chat_server: VendorServer) -> None:
    message = {"text": "Hi", "session": await desk.connect(chat_server), "model": "local-large-held"}
    tab = await Tab.open(desk)
    await tab.send(type="send", **message, client_id="once")
    turn = await tab.next("turn")
    await tab.leave()
    again = await Tab.open(desk)
    await again.send(type="send", **message, client_id="once")
    repeated = await again.next("turn")
    chat_server.release()
    assert (repeated["turn"], repeated["stream"]) == (turn["turn"], turn["stream"])
    end = await again.next("end")
    assert again.text(turn["stream"]) == end["result"]["text"]
    assert await in_store(Turn.objects.count) == 1
    await again.leave()


async def test_turn_begun_elsewhere_is_found_without_a_layer(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "CHECK_S", 0.05)
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
    await tab.send(type="send", text="Hi", model="demo-long-d20")
    turn = await tab.next("turn")
    await tab.next("events")
    begun = asyncio.get_running_loop().time()
    await lifespan.shutdown()
    assert asyncio.get_running_loop().time() - begun < 30
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
    from context_app.connection import ChatConnection

    frames: list[str] = []
    gate = asyncio.Event()

    async def slow(text: str) -> None:
        frames.append(text)
        if '"events"' in text[:20]:
            await gate.wait()

    async def close(code: int) -> None:
        raise Closed(code)

    chat = ChatConnection(Viewer(desk.user.pk), desk.context.pk, slow, close)
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
    await chat.close()


async def test_a_socket_that_never_reads_is_closed_and_keeps_no_frame_waiting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from context_app import connection
    from context_app.access import Viewer

    monkeypatch.setattr(connection, "SEND_S", 0.05)
    closed: list[int] = []
    hello = True

    async def stuck(text: str) -> None:
        nonlocal hello
        if not hello:
            await asyncio.Event().wait()
        hello = False

    async def close(code: int) -> None:
        closed.append(code)

    chat = connection.ChatConnection(Viewer(desk.user.pk), desk.context.pk, stuck, close)
    await chat.open()
    await desk.answer(model="demo-d1-n20")
    await until(lambda: closed == [connection.RESTART] and not chat._readers)
    with pytest.raises(connection.Disconnected, match="stalled"):
        await chat.send("more")
    await chat.close()
    assert closed == [connection.RESTART]


def test_rendered_html_is_text_in_a_frame() -> None:
    from django.utils.safestring import mark_safe

    from context_app import frames

    assert json.loads(frames.encode({"type": "turn", "user_html": mark_safe("<p>&amp;</p>")})) == {
        "type": "turn",
        "user_html": "<p>&amp;</p>",
    }
    with pytest.raises(TypeError):
        frames.encode({"type": "turn", "x": object()})
