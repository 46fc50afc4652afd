"""The chat without a WebSocket: server-sent events and POSTs, through Django's whole handler."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from django.test import AsyncClient, Client
from django.urls import reverse

from context_app.conf import ContextConfig
from context_app.models import Context
from context_app.views import stream as stream_view
from maestro_site.asgi import application
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk, open_desk
from tests.unit.context.streams_kit import stored, until, watch
from tests.web.chat_socket import sign_in


async def signed_in(user: Any) -> AsyncClient:
    client = AsyncClient()
    client.cookies = (await in_store(sign_in, user)).cookies
    return client


async def post(client: AsyncClient, name: str, desk: Desk, **body: Any) -> tuple[int, dict[str, Any]]:
    url = reverse(f"chats:{name}", args=[desk.context.pk])
    response = await client.post(url, json.dumps(body), content_type="application/json")
    return response.status_code, json.loads(response.content)


async def listen(
    client: AsyncClient, desk: Desk, query: str = "", last_id: str = ""
) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """The frames of the event stream with their ids, as an EventSource sees them."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    url = reverse("chats:events", args=[desk.context.pk]) + query
    response = await client.get(url, headers=headers)
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "text/event-stream"
    assert response["X-Accel-Buffering"] == "no"
    buffer = b""
    async with aclosing(response.streaming_content) as parts:
        async for part in parts:
            buffer += part
            while b"\n\n" in buffer:
                block, buffer = buffer.split(b"\n\n", 1)
                fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if not line.startswith(":"))
                if "data" in fields:
                    yield fields.get("id", ""), json.loads(fields["data"])


async def test_one_event_stream_too_many_says_so_and_ends(desk: Desk) -> None:
    desk.kit.runtime.config = ContextConfig(max_connections_per_owner=1)
    client = await signed_in(desk.user)
    async with asyncio.timeout(60), aclosing(listen(client, desk)) as source:
        assert (await anext(source))[1]["type"] == "hello"
        assert [frame["code"] async for _, frame in listen(client, desk)] == ["too_many_connections"]


async def test_events_and_posts_carry_the_same_frames_as_the_socket(desk: Desk) -> None:
    client = await signed_in(desk.user)
    frames: list[dict[str, Any]] = []
    async with asyncio.timeout(60), aclosing(listen(client, desk)) as source:
        async for event_id, frame in source:
            frames.append(frame)
            if frame["type"] == "hello":
                status, turn = await post(client, "send", desk, text="Hi", model="demo-d1-n40", client_id="c1")
                assert (status, turn["type"], turn["client_id"]) == (200, "turn", "c1")
            if frame["type"] == "events":
                assert event_id == f"{frame['stream']}:{frame['last_seq']}"
            if frame["type"] == "end":
                break
    events = [event for frame in frames if frame["type"] == "events" for event in frame["events"]]
    kept = [json.loads(event) for event in await in_store(stored, uuid.UUID(turn["stream"]))]
    assert events == kept
    assert frames[-1]["state"] == "complete"


async def test_silence_is_broken_by_frames_that_name_what_is_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_view, "KEEPALIVE_S", 0.05)
    client = await signed_in(desk.user)
    started = await desk.send(model="demo-hang")
    query = f"?stream={started.stream_id}:0"
    async with asyncio.timeout(60), aclosing(listen(client, desk, query=query)) as source:
        async for _, frame in source:
            if frame["type"] == "pong" and frame["streams"]:
                assert frame == {"type": "pong", "streams": [str(started.stream_id)]}
                break
    desk.kit.runtime.cancel(started.stream_id)


async def test_reconnecting_event_source_goes_on_where_it_was(desk: Desk) -> None:
    client = await signed_in(desk.user)
    started, seen = await desk.answer(model="demo-instant-n30")
    async with asyncio.timeout(60), aclosing(listen(client, desk, last_id=f"{started.stream_id}:7")) as source:
        frames = [frame async for frame in _until_end(source)]
    first = next(frame for frame in frames if frame["type"] == "events")
    assert first["first_seq"] == 8
    assert sum(len(frame["events"]) for frame in frames if frame["type"] == "events") == len(seen.events) - 7
    for query in (f"?stream={started.stream_id}:3", f"?stream={started.stream_id}&after=3"):
        async with asyncio.timeout(60), aclosing(listen(client, desk, query=query)) as source:
            frames = [frame async for frame in _until_end(source)]
        assert next(frame for frame in frames if frame["type"] == "events")["first_seq"] == 4


async def _until_end(source: Any) -> AsyncIterator[dict[str, Any]]:
    async for _, frame in source:
        yield frame
        if frame["type"] == "end":
            return


async def test_stop_and_retry(desk: Desk) -> None:
    client = await signed_in(desk.user)
    _, turn = await post(client, "send", desk, text="Hi", model="demo-long-d20")
    status, stopped = await post(client, "stop", desk, stream=turn["stream"])
    assert (status, stopped) == (200, {"type": "stopped", "stream": turn["stream"]})
    await watch(uuid.UUID(turn["stream"]))
    status, again = await post(client, "retry", desk, turn=turn["turn"])
    assert (status, again["turn"], again["attempt"]) == (200, turn["turn"], 2)
    await post(client, "stop", desk, stream=again["stream"])


async def test_stop_of_one_chat_does_not_stop_the_answer_of_another(desk: Desk) -> None:
    client = await signed_in(desk.user)
    _, turn = await post(client, "send", desk, text="Hi", model="demo-long-d20")
    home = desk.context
    desk.context = await in_store(lambda: Context.objects.create(owner=desk.user, session=desk.session))
    status, frame = await post(client, "stop", desk, stream=turn["stream"])
    assert (status, frame["code"]) == (404, "unknown_stream")
    desk.context = home
    live = desk.kit.runtime.find(uuid.UUID(turn["stream"]))
    assert live is not None and not live.cancel_reason
    await post(client, "stop", desk, stream=turn["stream"])


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("send", {"text": " "}, 400, "empty_prompt"),
        ("send", {}, 400, "bad_frame"),
        ("send", {"text": "x", "session": "nobody"}, 404, "unknown_session"),
        ("stop", {"stream": str(uuid.uuid4())}, 404, "unknown_stream"),
        ("stop", {"stream": "x"}, 400, "bad_frame"),
        ("retry", {"turn": str(uuid.uuid4())}, 404, "unknown_turn"),
        ("continue", {"turn": str(uuid.uuid4())}, 404, "unknown_turn"),
    ],
)
async def test_refusals_are_error_frames_with_their_status(
    desk: Desk, name: str, body: dict[str, Any], status: int, code: str
) -> None:
    client = await signed_in(desk.user)
    got, frame = await post(client, name, desk, **body)
    assert (got, frame["type"], frame["code"]) == (status, "error", code)
    assert await desk.counts() == (0, 0, 0)


async def test_body_that_is_no_object_or_too_large_is_refused(desk: Desk) -> None:
    client = await signed_in(desk.user)
    url = reverse("chats:send", args=[desk.context.pk])
    large = b'{"text": "' + b"x" * 300_000 + b'"}'
    refused = {
        b"": "bad_frame",
        b"{": "bad_frame",
        b"[]": "bad_frame",
        b"\xff\xfe": "bad_frame",
        large: "frame_too_large",
    }
    for body, code in refused.items():
        response = await client.post(url, body, content_type="application/json")
        assert response.status_code == (413 if body == large else 400)
        assert json.loads(response.content)["code"] == code


async def test_signed_out_and_foreign_people_get_nothing(desk: Desk) -> None:
    bob = await open_desk(desk.kit, "bob")
    for client, status in ((AsyncClient(), 401), (await signed_in(bob.user), 404)):
        response = await client.get(reverse("chats:events", args=[desk.context.pk]))
        assert response.status_code == status
        bodies = {"send": {"text": "x"}, "stop": {"stream": str(uuid.uuid4())}}
        bodies |= {name: {"turn": str(uuid.uuid4())} for name in ("retry", "continue")}
        for name, body in bodies.items():
            assert (await post(client, name, desk, **body))[0] == status
    assert await desk.counts() == (0, 0, 0)


async def test_post_without_csrf_token_is_refused(desk: Desk) -> None:
    def attempt() -> int:
        client = Client(enforce_csrf_checks=True)
        client.cookies = sign_in(desk.user).cookies
        url = reverse("chats:send", args=[desk.context.pk])
        return client.post(url, '{"text":"x"}', content_type="application/json").status_code

    assert await in_store(attempt) == 403


async def test_reader_that_goes_away_is_forgotten_and_the_answer_goes_on(desk: Desk) -> None:
    cookie = (await in_store(sign_in, desk.user)).cookies["sessionid"].value
    started = await desk.send(model="demo-silence-d5")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": reverse("chats:events", args=[desk.context.pk]),
        "raw_path": b"",
        "query_string": f"stream={started.stream_id}:0".encode(),
        "root_path": "",
        "headers": [(b"host", b"localhost"), (b"cookie", f"sessionid={cookie}".encode())],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    browser = ApplicationCommunicator(application, scope)
    await browser.send_input({"type": "http.request", "body": b"", "more_body": False})
    assert (await browser.receive_output(60))["status"] == 200
    for _ in range(3):
        await browser.receive_output(60)
    live = desk.kit.runtime.find(started.stream_id)
    assert live is not None
    assert live._waiters
    await browser.send_input({"type": "http.disconnect"})
    await browser.wait(60)
    await until(lambda: not live._waiters and not desk.kit.runtime.hub.count())
    assert live.ending is None
    desk.kit.runtime.cancel(started.stream_id)
    await watch(started.stream_id)
