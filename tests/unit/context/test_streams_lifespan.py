"""Start and stop of the web process, and the task that workers run."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone

from context_app import lifespan, tasks
from context_app.conf import ContextConfig
from context_app.models import Stream
from context_app.services import turns
from context_app.streams import runtime, spool
from maestro_site import asgi
from providers_app import loop, ports
from providers_app.errors import UpstreamTimeout
from providers_app.types.credentials import Credential, Secret
from sessions_app.models import AuthSession
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk
from tests.unit.context.streams_kit import Kit, make_turn, row, stored, until, words
from tests.unit.context.test_streams_takeover import EVENTS, dead_spool


async def test_startup_speaks_for_the_dead_before_anybody_asks(kit: Kit) -> None:
    stream, _ = await in_store(make_turn, "ada", "dead-1")
    dead_spool(kit.folder, "dead-1", spool.frame(stream.pk, 1, spool.join(EVENTS)))
    await lifespan.startup()
    assert (await in_store(row, stream.pk)).state == "interrupted"
    assert await in_store(stored, stream.pk) == EVENTS


async def test_dead_process_is_found_while_running_too(kit: Kit) -> None:
    kit.runtime.config = ContextConfig(spool_scan_s=0.5)
    await lifespan.startup()
    stream, _ = await in_store(make_turn, "ada", "dead-2")
    dead_spool(kit.folder, "dead-2", spool.frame(stream.pk, 1, spool.join(EVENTS)))
    async with asyncio.timeout(60):
        while (await in_store(row, stream.pk)).state == "running":  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_the_end_of_the_server_writes_the_outcomes_of_the_last_calls(kit: Kit) -> None:
    owner = (await in_store(User.objects.create, username="ada")).pk
    key = Credential(auth_type="api_key", secret=Secret("sk-ant-api03-" + "x" * 40))
    session = await ports.session_store().create(owner, "anthropic", "api_key", "my_key", key)
    asked: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    server = asyncio.create_task(asgi.serve_lifespan(asked.get, told.put))
    await asked.put({"type": "lifespan.startup"})
    assert (await told.get())["type"] == "lifespan.startup.complete"
    for text in ("first", "last"):  # the second waits for its turn
        ports.session_store().report_outcome(session, UpstreamTimeout(text))
    await asked.put({"type": "lifespan.shutdown"})
    await server
    assert (await in_store(AuthSession.objects.get, pk=session.id)).last_error == "last"


async def test_shutdown_marks_flushes_and_leaves_no_spool(kit: Kit) -> None:
    lives = [await kit.begin(words(100_000, every=0.002)) for _ in range(20)]
    await until(lambda: all(live.accepted > 5 for live in lives))
    begun = time.monotonic()
    await lifespan.shutdown()
    assert time.monotonic() - begun < 30
    for live in lives:
        stream = await in_store(row, live.id)
        assert (stream.state, stream.last_seq) == ("interrupted", live.accepted)
        assert len(await in_store(stored, live.id)) == live.accepted
    assert list(kit.folder.glob("*.log")) == []


async def test_a_stop_says_whether_everything_is_stored(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    live = await kit.begin(words(3))
    await until(lambda: not kit.runtime.running())
    assert await asyncio.to_thread(kit.runtime.stop, 5) is True
    assert len(await in_store(stored, live.id)) == live.accepted
    monkeypatch.setattr(kit.runtime.journal, "stop", lambda timeout: False)
    assert await asyncio.to_thread(kit.runtime.stop, 5) is False


async def test_upstream_that_does_not_let_go_does_not_hold_up_the_shutdown(kit: Kit) -> None:
    async def stubborn():  # type: ignore[no-untyped-def]
        from providers_app.types.events import StreamStart

        try:
            yield StreamStart("demo")
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(60)

    live = await kit.begin(stubborn)
    await until(lambda: live.accepted == 1)
    begun = time.monotonic()
    await lifespan.shutdown()
    assert time.monotonic() - begun < 30  # the upstream lets go after a minute
    assert len(await in_store(stored, live.id)) == 1
    await in_store(runtime.Runtime(kit.folder, ContextConfig()).take_over)
    assert (await in_store(row, live.id)).state == "interrupted"


async def test_signal_stops_runners_at_once(desk: Desk) -> None:
    started = await desk.send(model="demo-silence-d5")
    live = desk.kit.runtime.find(started.stream_id)
    assert live is not None
    await until(lambda: live.accepted > 3)
    await asyncio.to_thread(lifespan.stop_now)
    await until(lambda: live.stored)
    with pytest.raises(turns.ShuttingDown):
        await desk.send()


async def test_the_end_of_the_process_waits_for_its_runners(kit: Kit) -> None:
    live = await kit.begin(words(100_000, every=0.01))
    await until(lambda: live.last > 2)
    wait = kit.runtime.wait_for_runners
    assert not await asyncio.to_thread(wait, 0.01), "it runs"
    told = kit.runtime._lock
    waiting = asyncio.create_task(asyncio.to_thread(wait, 3600))
    await until(lambda: bool(told._waiters))  # type: ignore[attr-defined]
    kit.runtime.cancel_all("shutdown")
    try:
        assert await asyncio.wait_for(asyncio.shield(waiting), 30) and (live.finish or live.stored)
    finally:
        with told:
            told.notify_all()


def test_worker_task_takes_over_by_heartbeat(transactional_db: Any, tmp_path: Path) -> None:
    before = runtime.replace(runtime.Runtime(tmp_path, ContextConfig()))
    try:
        stream, _ = make_turn("ada", "gone-machine")
        tasks.take_over_stale_streams()
        assert row(stream.pk).state == "running"
        Stream.objects.filter(pk=stream.pk).update(heartbeat_at=timezone.now() - timezone.timedelta(seconds=16))
        tasks.take_over_stale_streams()
        tasks.take_over_stale_streams()
        assert row(stream.pk).state == "interrupted"
        assert "stopped responding" in row(stream.pk).result["error"]["message"]
    finally:
        runtime.replace(before)
        loop.detach()


@pytest.mark.both
def test_process_that_just_ends_loses_nothing(transactional_db: Any, tmp_path: Path) -> None:
    child = Path(__file__).with_name("exit_child.py")
    done = subprocess.run(
        [sys.executable, str(child), str(connection.settings_dict["NAME"]), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "maestro_site.settings"},
    )
    assert done.returncode == 0, done.stderr
    name, shown = done.stdout.split()
    assert len(stored(UUID(name))) >= int(shown), "flushed at exit"
    runtime.Runtime(tmp_path, ContextConfig()).take_over()
    assert row(UUID(name)).state == "interrupted"
    assert list(tmp_path.glob("*.log")) == []
