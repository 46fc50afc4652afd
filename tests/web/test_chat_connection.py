"""One connection to a chat, without the socket that carries it."""

import asyncio
import itertools
import json
from typing import Any
from uuid import UUID

import pytest
from django.db import DataError

from context_app import connection
from context_app.access import Viewer
from context_app.connection import ChatConnection
from context_app.streams import reader
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk
from tests.unit.context.streams_kit import until
from tests.web.chat_socket import Closed


async def connect(desk: Desk) -> tuple[ChatConnection, list[dict[str, Any]]]:
    """An open connection, and the frames that it was sent."""
    sent: list[dict[str, Any]] = []

    async def send(text: str) -> None:
        sent.append(json.loads(text))

    async def close(code: int) -> None:
        raise Closed(code)

    chat = ChatConnection(Viewer(desk.user.pk), desk.context.pk, send, close)
    await chat.open()
    return chat, sent


def readers(stream: UUID) -> int:
    return sum(task.get_name() == f"read {stream}" for task in asyncio.all_tasks())


async def test_a_stream_that_is_attached_several_times_at_once_has_one_reader(desk: Desk) -> None:
    chat, sent = await connect(desk)
    started = await desk.send(model="demo-long-d20")
    await until(lambda: any(frame["type"] == "events" for frame in sent))
    await asyncio.gather(*(chat.attach(started.stream_id, 0) for _ in range(4)))
    await until(lambda: readers(started.stream_id) == 1)
    seen = len(sent)
    await until(lambda: len(sent) > seen + 3)
    numbers = [(frame["first_seq"], frame["last_seq"]) for frame in sent[seen:] if frame["type"] == "events"]
    assert all(later[0] == earlier[1] + 1 for earlier, later in itertools.pairwise(numbers))
    assert json.loads(chat.pong()) == {"type": "pong", "streams": [str(started.stream_id)]}
    await chat.close()
    assert readers(started.stream_id) == 0
    await until(lambda: json.loads(chat.pong())["streams"] == [])
    desk.kit.runtime.cancel(started.stream_id)


async def test_a_turns_since_for_new_turns_does_not_read_the_old_ones_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CHECK_S", 0.02)
    monkeypatch.setattr(connection, "OVERLAP_S", 0.2)
    monkeypatch.setattr(desk.kit.runtime.hub, "publish", lambda *_: None)  # as if another process had begun it
    original, looks = connection._turns_since, []

    def look(*args: Any) -> Any:
        looks.append(original(*args))
        return looks[-1]

    monkeypatch.setattr(connection, "_turns_since", look)
    chat, sent = await connect(desk)
    first = await desk.send()
    await until(lambda: any(frame["type"] == "end" for frame in sent))
    await until(lambda: looks[-1] == [])
    second = await desk.send("Again")
    await until(lambda: sum(frame["type"] == "end" for frame in sent) == 2)
    assert [frame["turn"] for frame in sent if frame["type"] == "turn"] == [str(first.turn_id), str(second.turn_id)]
    await chat.close()


async def test_a_bug_while_reading_is_said_at_once_and_not_retried(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    started, _ = await desk.answer()
    live = desk.kit.runtime.find(started.stream_id)
    assert live is not None
    desk.kit.runtime._release(live)
    calls = 0

    def broken(*_: Any) -> Any:
        nonlocal calls
        calls += 1
        raise DataError("no such value")

    monkeypatch.setattr(reader, "_fetch", broken)
    chat, sent = await connect(desk)
    await chat.attach(started.stream_id, 0)
    await until(lambda: sent[-1]["type"] == "error")
    assert "inside Maestro" in sent[-1]["message"]
    assert calls == 1
    assert "DataError" in caplog.text
    await chat.close()
    await in_store(lambda: None)
