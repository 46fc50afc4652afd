"""The database, the disk or the owner fails while answers are written: nothing that was shown is lost."""

import asyncio
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    connection,
)
from django.utils import timezone

from context_app.conf import ContextConfig
from context_app.models import Stream
from context_app.streams import spool, takeover, writes
from context_app.streams.journal import ATTEMPTS, MAX_BACKOFF_S
from context_app.streams.reader import Ended
from context_app.streams.runtime import Runtime
from context_app.streams.spool import SpoolFile
from sessions_app.stores.pool import in_store
from tests.unit.context.desk import Desk
from tests.unit.context.streams_kit import Kit, answer_chunks, row, stored, until, watch, words

sqlite_only = pytest.mark.skipif("os.environ.get('TEST_DATABASE') == 'postgres'", reason="locks a SQLite file")


class Locked:
    """Another program holds SQLite's write lock."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(
            connection.settings_dict["NAME"], check_same_thread=False, isolation_level=None
        )

    def __enter__(self) -> "Locked":
        self._connection.execute("BEGIN IMMEDIATE")
        return self

    def __exit__(self, *_: Any) -> None:
        self._connection.execute("ROLLBACK")
        self._connection.close()


def impatient(kit: Kit) -> None:
    """The journal's own connection gives up on a lock after 50 ms, so that its retries are seen."""

    def shorten() -> None:
        if threading.current_thread().name == "journal":
            connection.cursor().execute("PRAGMA busy_timeout = 50")

    original = kit.runtime.journal._commit

    def commit(pieces: Any) -> Any:
        shorten()
        return original(pieces)

    kit.runtime.journal._commit = commit  # type: ignore[method-assign]


@sqlite_only
async def test_locked_database_loses_nothing_and_readers_go_on(kit: Kit) -> None:
    impatient(kit)
    enough = asyncio.Event()
    live = await kit.begin(words(100_000, every=0.004, enough=enough))
    watching = asyncio.create_task(watch(live.id))
    await until(lambda: live.committed > 2)
    with Locked():
        seen_before = live.accepted
        await until(lambda: kit.runtime.journal.failing_since is not None)
        # What is in the spool is shown although the database is locked.
        await until(lambda: live.accepted > seen_before + 20)
        assert live.committed < live.accepted
    enough.set()
    seen = await watching
    assert seen.events == await in_store(stored, live.id)
    assert isinstance(seen.last, Ended)
    assert seen.last.state == "complete"
    assert kit.runtime.journal.failing_since is None


async def test_lost_connection_of_the_journal_is_opened_again(kit: Kit) -> None:
    enough = asyncio.Event()
    live = await kit.begin(words(100_000, every=0.004, enough=enough))
    watching = asyncio.create_task(watch(live.id))
    broken = 0
    original = kit.runtime.journal._commit

    def commit(pieces: Any) -> Any:
        nonlocal broken
        if live.committed > 10 and broken < 3:
            broken += 1
            connection.ensure_connection()
            connection.connection.close()  # under Django's feet, as a server that goes away does
            if connection.vendor == "sqlite":  # has no server, and calls a closed handle a bug of its user
                raise OperationalError("the server closed the connection unexpectedly")
        return original(pieces)

    kit.runtime.journal._commit = commit  # type: ignore[method-assign]
    await until(lambda: broken == 3)
    enough.set()
    seen = await watching
    assert seen.events == await in_store(stored, live.id)
    assert isinstance(seen.last, Ended)
    assert seen.last.state == "complete"


async def test_an_error_in_the_words_of_the_driver_gives_no_stream_up(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, failed = writes.insert_segments, 0

    def insert(rows: Any) -> None:
        nonlocal failed
        if (failed := failed + 1) <= 2 * ATTEMPTS:
            raise connection.Database.OperationalError("terminating connection due to administrator command")
        original(rows)

    monkeypatch.setattr(writes, "insert_segments", insert)
    live = await kit.begin(words(20, every=0.003))
    seen = await watch(live.id)
    assert failed > 2 * ATTEMPTS
    assert seen.events == await in_store(stored, live.id)
    assert isinstance(seen.last, Ended) and seen.last.state == "complete"


async def test_repeated_commit_whose_answer_was_lost_changes_nothing(kit: Kit) -> None:
    enough = asyncio.Event()
    live = await kit.begin(words(100_000, every=0.003, enough=enough))
    original = kit.runtime.journal._commit
    lost = []

    def commit(pieces: Any) -> Any:
        result = original(pieces)
        if len(lost) < 5 or (any(piece.ending for piece in pieces) and "end" not in lost):
            lost.append("end" if any(piece.ending for piece in pieces) else "middle")
            raise OperationalError("the connection broke after COMMIT")
        return result

    kit.runtime.journal._commit = commit  # type: ignore[method-assign]
    await until(lambda: len(lost) >= 5)
    enough.set()
    seen = await watch(live.id)
    assert "end" in lost
    assert len(lost) >= 5
    assert seen.events == await in_store(stored, live.id)
    assert isinstance(seen.last, Ended)
    assert seen.last.state == "complete"
    assert len(await in_store(answer_chunks, live.id)) == 1


async def test_full_disk_shows_text_once_the_journal_has_it(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    live = await kit.begin(words(120, every=0.003))
    watching = asyncio.create_task(watch(live.id))
    await until(lambda: live.accepted > 5)
    full = os.open("/dev/full", os.O_WRONLY)
    original = SpoolFile.write

    def write(file: SpoolFile, data: bytes) -> None:
        file.fd, own = full, file.fd
        try:
            original(file, data)
        finally:
            file.fd = own

    monkeypatch.setattr(SpoolFile, "write", write)
    await until(lambda: kit.runtime.spool.failing)
    before = live.accepted
    await until(lambda: live.accepted > before + 10)
    assert live.accepted <= live.committed
    monkeypatch.setattr(SpoolFile, "write", original)
    await until(lambda: not kit.runtime.spool.failing)
    seen = await watching
    os.close(full)
    assert seen.events == await in_store(stored, live.id)


async def test_the_loop_writes_on_while_the_spool_empties_a_file(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    emptying, go_on = threading.Event(), threading.Event()
    original = SpoolFile.empty

    def empty(file: SpoolFile) -> None:
        emptying.set()
        go_on.wait(10)
        original(file)

    monkeypatch.setattr(SpoolFile, "empty", empty)
    live = await kit.begin(words(100_000, every=0.002))
    assert await asyncio.to_thread(emptying.wait, 60)
    before = live.accepted
    await until(lambda: live.accepted > before + 5)
    go_on.set()


async def test_spool_files_are_made_off_the_loop(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[str] = []
    original = SpoolFile.__init__

    def make(file: SpoolFile, path: Path) -> None:
        threads.append(threading.current_thread().name)
        original(file, path)

    monkeypatch.setattr(SpoolFile, "__init__", make)
    await desk.answer(model="demo-d1-n40")
    assert threads
    assert threading.current_thread().name not in threads


@pytest.mark.parametrize("bug", [DataError, ProgrammingError, NotSupportedError, DatabaseError])
async def test_a_bug_in_one_stream_is_said_at_once_and_not_taken_for_an_outage(
    kit: Kit, caplog: pytest.LogCaptureFixture, bug: type[DatabaseError]
) -> None:
    doomed = await kit.begin(words(100_000, every=0.003))
    other = await kit.begin(words(100, every=0.003))
    watching = asyncio.create_task(watch(other.id))
    original, alone = kit.runtime.journal._commit, 0

    def commit(pieces: Any) -> Any:
        nonlocal alone
        if any(piece.live is doomed for piece in pieces):
            alone += len(pieces) == 1
            raise bug("no column takes this")
        return original(pieces)

    kit.runtime.journal._commit = commit  # type: ignore[method-assign]
    await until(lambda: kit.runtime.find(doomed.id) is None)
    seen = await watching
    assert isinstance(seen.last, Ended)
    assert seen.last.state == "complete"
    assert alone == 1
    assert kit.runtime.journal.failing_since is None
    assert "no column takes this" in caplog.text


async def test_an_error_from_outside_the_database_is_tried_three_times_on_a_new_connection_each(kit: Kit) -> None:
    journal = kit.runtime.journal
    tried: list[str] = []
    original, drop = journal._commit, journal._drop_connection

    def commit(pieces: Any) -> Any:
        if any(piece.live is doomed for piece in pieces):
            tried.append("commit")
            raise RuntimeError("no disk takes this")
        return original(pieces)

    def dropped() -> None:
        tried.append("drop")
        drop()

    journal._commit, journal._drop_connection = commit, dropped  # type: ignore[method-assign]
    doomed = await kit.begin(words(100_000, every=0.003))
    await until(lambda: kit.runtime.find(doomed.id) is None)
    assert tried == ["commit", "drop"] * ATTEMPTS
    assert journal.failing_since is None, "it is no outage"
    other = await kit.begin(words(3))
    seen = await watch(other.id)
    assert isinstance(seen.last, Ended) and seen.last.state == "complete"


async def test_a_round_that_breaks_ends_neither_the_journal_nor_an_answer(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed, pauses = 0, []
    original, pause = writes.cancel_requests, kit.runtime.journal._pause

    def breaking(process: str) -> set[UUID]:
        nonlocal failed
        failed += 1
        if failed <= 2:
            raise RuntimeError("a bug")
        return original(process)

    def pausing(seconds: float, *, whole: bool = False) -> None:
        pauses.append(seconds)
        pause(min(seconds, 0.01), whole=whole)

    monkeypatch.setattr(writes, "cancel_requests", breaking)
    kit.runtime.journal._pause = pausing  # type: ignore[method-assign]
    enough = asyncio.Event()
    live = await kit.begin(words(100_000, every=0.003, enough=enough))
    watching = asyncio.create_task(watch(live.id))
    await until(lambda: failed > 3)
    enough.set()
    seen = await watching
    assert isinstance(seen.last, Ended) and seen.last.state == "complete"
    assert seen.events == await in_store(stored, live.id)
    assert pauses.count(MAX_BACKOFF_S) == 2, "a journal that cannot work does not spin"


async def test_owner_deleted_in_the_middle_ends_only_that_stream(kit: Kit) -> None:
    doomed = await kit.begin(words(100_000, every=0.003), owner="gone")
    other = await kit.begin(words(100, every=0.004))
    watching = asyncio.create_task(watch(other.id))
    await until(lambda: doomed.committed > 3)

    def delete() -> None:
        for _ in range(50):
            try:
                get_user_model().objects.get(username="gone").delete()
            except IntegrityError:  # a commit put a segment between the looking and the deleting
                continue
            return
        raise AssertionError("the person could not be deleted")

    await in_store(delete)
    await until(lambda: kit.runtime.find(doomed.id) is None)
    seen = await watching
    assert isinstance(seen.last, Ended)
    assert seen.last.state == "complete"
    assert seen.events == await in_store(stored, other.id)


async def test_stream_taken_over_while_its_process_slept_is_fenced_and_what_was_shown_is_stored(kit: Kit) -> None:
    live = await kit.begin(words(100_000, every=0.002))
    watching = asyncio.create_task(watch(live.id))
    await until(lambda: live.committed > 5)

    def taken() -> bool:
        Stream.objects.filter(pk=live.id).update(heartbeat_at=timezone.now() - timezone.timedelta(hours=1))
        # Another machine: it sees no spool of ours.
        other = Runtime(Path("/nowhere"), ContextConfig())
        return live.id in other.take_over() or row(live.id).state == "interrupted"

    deadline = time.monotonic() + 60
    while not await in_store(taken):
        assert time.monotonic() < deadline
    seen = await watching
    assert isinstance(seen.last, Ended)
    assert seen.last.state == "interrupted"
    assert seen.events == await in_store(stored, live.id)
    (chunk,) = await in_store(answer_chunks, live.id)
    await until(lambda: kit.runtime.find(live.id) is None)

    def grown() -> bool:
        return answer_chunks(live.id)[0].content == seen.text

    while not await in_store(grown):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    assert chunk.state == "partial"


async def test_living_process_is_not_taken_over_however_slow_its_database(kit: Kit) -> None:
    live = await kit.begin(words(100_000, every=0.01))
    await until(lambda: live.committed > 2)

    def others_look() -> list[Any]:
        Stream.objects.filter(pk=live.id).update(heartbeat_at=timezone.now() - timezone.timedelta(seconds=60))
        return takeover.run(kit.folder, own=frozenset(), process="another", timeout_s=15)

    assert live.id not in await in_store(others_look)
    assert (await in_store(row, live.id)).state == "running"


async def test_shutdown_with_a_locked_database_leaves_the_spool_for_the_next_start(kit: Kit) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("locks a SQLite file")
    impatient(kit)
    live = await kit.begin(words(100_000, every=0.003))
    await until(lambda: live.accepted > 20)
    with Locked():
        kit.runtime.cancel_all("shutdown")
        await kit.runtime.runners_ended(1)
        begun = time.monotonic()
        assert not await asyncio.to_thread(kit.runtime.stop, 0.4)
        assert time.monotonic() - begun < 30  # it does not wait for the lock
        shown = live.accepted
    next_start = Runtime(kit.folder, ContextConfig())
    await in_store(next_start.take_over)
    events = await in_store(stored, live.id)
    assert len(events) == shown
    stream = await in_store(row, live.id)
    assert stream.state == "interrupted"
    assert "stopped" in stream.result["error"]["message"]
    assert list(kit.folder.glob("*.log")) == []


async def test_nothing_is_shown_before_it_is_in_the_spool(kit: Kit) -> None:
    live = await kit.begin(words(60, every=0.001))
    watching = asyncio.create_task(watch(live.id))
    file = kit.runtime.spool._file
    assert file is not None
    original, writes, gaps, kept = file.write, [], [], 0

    def write(data: bytes) -> None:
        nonlocal kept
        (record,) = spool.parse(data)
        writes.append((live.accepted, record.first_seq))
        if record.first_seq > max(kept, live.committed) + 1:
            gaps.append(record.first_seq)
        original(data)
        kept = record.first_seq + len(spool.split(record.payload)) - 1

    file.write = write  # type: ignore[method-assign]
    seen = await watching
    assert len(writes) > 2
    assert not gaps
    assert all(accepted < first for accepted, first in writes)
    assert len(seen.events) == 62


async def test_busy_spool_is_rotated_and_old_files_go(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    from context_app.streams import spool

    monkeypatch.setattr(spool, "ROTATE_BYTES", 2000)
    lives = [await kit.begin(words(400, every=0.0005)) for _ in range(8)]
    names: set[str] = set()
    watching = asyncio.gather(*(watch(live.id) for live in lives))
    while not watching.done():
        names |= {path.name for path in kit.folder.glob("*.log")}
        await asyncio.sleep(0.01)
    for live, seen in zip(lives, await watching, strict=True):
        assert seen.events == await in_store(stored, live.id)
    assert len(names) > 2
    # One to write, and an empty one for the next turn.
    await until(lambda: len(list(kit.folder.glob("*.log"))) <= 2)
    assert all(path.stat().st_size == 0 for path in kit.folder.glob("*.log"))
