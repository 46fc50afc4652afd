"""Who and what the chat socket refuses: broken frames, floods, strangers, and people who signed out."""

import json
import uuid
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.db import OperationalError, connection
from django.utils import timezone

from context_app import connection as connection_module
from context_app.conf import ContextConfig
from context_app.models import Context, Stream, Turn
from maestro_site import asgi
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk, open_desk
from tests.unit.context.streams_kit import until
from tests.web.chat_socket import Tab, sign_in


def turn_elsewhere(desk: Desk) -> None:
    stream = Stream.objects.create(owner=desk.user, process="elsewhere", heartbeat_at=timezone.now())
    Turn.objects.create(context=desk.context, stream=stream, provider="demo", model="demo")


NOBODY = "00000000-0000-0000-0000-000000000007"


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
    assert await tab.next() == {"type": "pong", "streams": []}
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


@pytest.mark.parametrize("kind", [OperationalError, connection.Database.OperationalError])
async def test_a_database_that_is_away_closes_a_new_socket_with_1012(
    monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    async def away(*_: Any) -> None:
        raise kind("the connection was refused")

    monkeypatch.setattr(asgi, "websocket_application", away)
    socket = WebsocketCommunicator(asgi.application, f"/ws/chats/{NOBODY}/")
    assert (await socket.connect(timeout=60))[0]
    assert (await socket.receive_output(60)) == {"type": "websocket.close", "code": 1012}


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


async def test_a_person_has_a_limit_of_open_sockets(desk: Desk) -> None:
    desk.kit.runtime.config = ContextConfig(max_connections_per_owner=2)
    bob = await open_desk(desk.kit, "bob")
    tabs = [await Tab.open(desk) for _ in range(2)]
    for tab in tabs:
        await tab.next("hello")
    more = await Tab.open(desk)
    assert (await more.next())["code"] == "too_many_connections"
    assert await more.closed() == 4429
    await (other := await Tab.open(bob)).next("hello")
    await tabs[0].leave()
    await until(lambda: desk.kit.runtime.hub.count() == 2)
    await (again := await Tab.open(desk)).next("hello")
    for tab in (tabs[1], other, again):
        await tab.leave()


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
    assert connection_module.CHECK_S <= 30
    monkeypatch.setattr(connection_module, "CHECK_S", 0.05)
    client = await in_store(sign_in, desk.user)
    tab = await Tab.open(desk, client=client)
    await tab.send(type="send", text="Hi", model="demo-long-d20")
    turn = await tab.next("turn")
    await in_store(client.logout)
    assert await tab.closed() == 4401
    live = desk.kit.runtime.find(uuid.UUID(turn["stream"]))
    assert live is not None
    await until(lambda: not live._waiters)
    assert live.ending is None, "the answer goes on being written"


async def test_a_chat_that_cannot_be_announced_still_shuts_out_who_signs_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "CHECK_S", 0.05)
    monkeypatch.setattr(connection_module, "MAX_READERS", 0)
    client = await in_store(sign_in, desk.user)
    tab = await Tab.open(desk, client=client)
    await tab.next("hello")
    # Begun in another process: only the regular look finds it, and its reading is refused.
    await in_store(turn_elsewhere, desk)
    assert (await tab.next("error"))["code"] == "unknown_stream"
    await in_store(client.logout)
    assert await tab.closed() == 4401
