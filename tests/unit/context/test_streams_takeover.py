"""Processes that die in the middle of answers, for real and by SIGKILL, and those that speak for them."""

import asyncio
import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections import defaultdict
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from context_app.conf import ContextConfig
from context_app.models import Stream
from context_app.streams import spool, writes
from context_app.streams.runtime import Runtime
from context_app.streams.spool import SpoolFile
from providers_app.types.events import StreamEnd, StreamStart, TextDelta
from tests.unit.context.streams_kit import answer_chunks, encoded, make_turn, row, stored, text_of

CHILD = Path(__file__).with_name("stream_child.py")
EVENTS = encoded([StreamStart("demo"), TextDelta("one "), TextDelta("two "), TextDelta("three ")])


def dead_spool(folder: Path, process: str, *data: bytes, number: int = 1) -> Path:
    """A spool file whose owner is gone."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{process}.{number}.log"
    path.write_bytes(b"".join(data))
    return path


def look(folder: Path, **config: Any) -> list[UUID]:
    """One round of some other process."""
    return Runtime(folder, ContextConfig(**config)).take_over()


class Child:
    """The process of ``stream_child``."""

    def __init__(self, folder: Path, *, streams: int, words: int, commit_ms: int) -> None:
        arguments = [str(value) for value in (connection.settings_dict["NAME"], folder, streams, words, commit_ms)]
        self.process = subprocess.Popen(
            [sys.executable, str(CHILD), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "maestro_site.settings"},
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline().split()
        assert first[:1] == ["ready"], first
        self.streams = [UUID(name) for name in first[1:]]
        self.shown: dict[UUID, list[bytes]] = defaultdict(list)
        self.done = False
        self._draining: threading.Thread | None = None

    def read_for(self, seconds: float) -> None:
        """Take what it shows, and more than 20 events however slow it is."""
        assert self.process.stdout is not None
        deadline = time.monotonic() + seconds
        while (time.monotonic() < deadline or sum(map(len, self.shown.values())) <= 20) and not self.done:
            self._take(self.process.stdout.readline())

    def drain(self) -> None:
        """Take what it shows, on a thread, to its end: a full pipe would stop it."""
        self._draining = threading.Thread(target=self._drain, daemon=True)
        self._draining.start()

    def _drain(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._take(line)

    def kill(self) -> None:
        """SIGKILL, then everything that was still in the pipe: it was shown too."""
        self.process.kill()
        assert self.process.stdout is not None
        if self._draining is not None:
            self._draining.join(60)
        else:
            self._drain()
        self.process.wait(60)
        self.process.stdout.close()

    def _take(self, line: str) -> None:
        if line.startswith("done"):
            self.done = True
        elif line.endswith("\n"):
            stream, _, event = line.rstrip("\n").partition(" ")
            self.shown[UUID(stream)].append(event.encode())


@pytest.mark.both
@pytest.mark.parametrize(("commit_ms", "lifetime"), [(5, 0.4), (50, 0.35), (1000, 0.5)])
def test_killed_process_everything_shown_is_stored(
    transactional_db: Any, tmp_path: Path, commit_ms: int, lifetime: float
) -> None:
    child = Child(tmp_path, streams=4, words=100_000, commit_ms=commit_ms)
    child.read_for(lifetime + random.random() / 5)
    child.kill()
    assert sum(map(len, child.shown.values())) > 20
    ended = look(tmp_path)
    assert sorted(ended) == sorted(child.streams)
    for stream in child.streams:
        events = stored(stream)
        shown = child.shown[stream]
        assert events[: len(shown)] == shown, "what was seen is a prefix of what is stored"
        state = row(stream)
        assert (state.state, state.last_seq) == ("interrupted", len(events))
        assert state.result["error"]["code"] == "interrupted"
        assert state.result["text"] == text_of(events)
        (chunk,) = answer_chunks(stream)
        assert (chunk.content, chunk.state) == (text_of(events), "partial")
    assert list(tmp_path.iterdir()) == []
    assert look(tmp_path) == [], "a second round finds nothing"


def test_killed_after_the_end_is_a_complete_answer(transactional_db: Any, tmp_path: Path) -> None:
    """The process died between the last word and its commit: nothing is missing, so nothing is interrupted."""
    stream, _ = make_turn("ada", "dead-1")
    events = [*EVENTS, *encoded([StreamEnd("stop")])]
    dead_spool(tmp_path, "dead-1", spool.frame(stream.pk, 1, spool.join(events)))
    assert look(tmp_path) == [stream.pk]
    assert row(stream.pk).state == "complete"
    (chunk,) = answer_chunks(stream.pk)
    assert (chunk.content, chunk.state) == ("one two three ", "complete")


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_torn_tail_keeps_all_whole_records(transactional_db: Any, tmp_path: Path, cut: int) -> None:
    stream, _ = make_turn("ada", "dead-1")
    whole = [spool.frame(stream.pk, seq, spool.join([event])) for seq, event in enumerate(EVENTS, start=1)]
    dead_spool(tmp_path, "dead-1", *whole[:3], whole[3][:-cut])
    look(tmp_path)
    assert stored(stream.pk) == EVENTS[:3]


def test_damaged_record_ends_the_replay_there(transactional_db: Any, tmp_path: Path) -> None:
    stream, _ = make_turn("ada", "dead-1")
    whole = [bytearray(spool.frame(stream.pk, seq, spool.join([event]))) for seq, event in enumerate(EVENTS, 1)]
    whole[2][-3] ^= 1
    dead_spool(tmp_path, "dead-1", *map(bytes, whole))
    look(tmp_path)
    assert stored(stream.pk) == EVENTS[:2]
    assert row(stream.pk).state == "interrupted"


@pytest.mark.parametrize("kind", ["folder", "no array"])
def test_a_spool_that_cannot_be_read_is_moved_aside_with_one_line_and_stops_no_other(
    transactional_db: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    broken, _ = make_turn("ada", "dead-1")
    stream, _ = make_turn("bob", "dead-2")
    if kind == "folder":
        (tmp_path / "dead-1.1.log").mkdir()
    else:
        dead_spool(tmp_path, "dead-1", spool.frame(broken.pk, 1, b'{"half'))
    dead_spool(tmp_path, "dead-2", spool.frame(stream.pk, 1, spool.join(EVENTS)))
    look(tmp_path)
    look(tmp_path)
    assert stored(stream.pk) == EVENTS and row(broken.pk).state == "interrupted"
    assert [path.name for path in tmp_path.iterdir()] == ["dead-1.1.unreadable"]
    assert len([one for one in caplog.records if "cannot be read" in one.getMessage()]) == 1


def test_what_the_journal_has_is_not_stored_twice_and_order_of_files_is_kept(
    transactional_db: Any, tmp_path: Path
) -> None:
    stream, _ = make_turn("ada", "dead-1")
    writes.insert_segments([writes.SegmentRow(stream.pk, 1, 2, spool.join(EVENTS[:2]))])
    writes.advance([(stream.pk, 2)], "dead-1", timezone.now())
    dead_spool(tmp_path, "dead-1", spool.frame(stream.pk, 4, spool.join(EVENTS[3:])), number=10)
    dead_spool(tmp_path, "dead-1", spool.frame(stream.pk, 2, spool.join(EVENTS[1:3])), number=9)
    assert look(tmp_path) == [stream.pk]
    assert stored(stream.pk) == EVENTS


def test_spool_found_after_another_machine_marked_the_stream_still_adds_its_text(
    transactional_db: Any, tmp_path: Path
) -> None:
    stream, _ = make_turn("ada", "dead-1")
    Stream.objects.filter(pk=stream.pk).update(heartbeat_at=timezone.now() - timezone.timedelta(minutes=1))
    assert look(tmp_path / "elsewhere") == [stream.pk]
    assert answer_chunks(stream.pk) == []
    dead_spool(tmp_path, "dead-1", spool.frame(stream.pk, 1, spool.join(EVENTS)))
    assert look(tmp_path) == [], "it had ended already"
    (chunk,) = answer_chunks(stream.pk)
    assert chunk.content == "one two three "
    state = row(stream.pk)
    assert (state.state, state.result["text"], state.last_seq) == ("interrupted", "one two three ", 4)


def test_locked_spool_belongs_to_a_living_process(transactional_db: Any, tmp_path: Path) -> None:
    stream, _ = make_turn("ada", "alive-1")
    file = SpoolFile(tmp_path / "alive-1.1.log")
    file.write(spool.frame(stream.pk, 1, spool.join(EVENTS)))
    assert look(tmp_path) == []
    assert row(stream.pk).state == "running"
    file.close(remove=False)
    assert look(tmp_path) == [stream.pk]


def test_process_that_hangs_with_its_lock_is_given_up_in_the_end(transactional_db: Any, tmp_path: Path) -> None:
    stream, _ = make_turn("ada", "hangs-1")
    file = SpoolFile(tmp_path / "hangs-1.1.log")
    ages = [timezone.timedelta(seconds=60), timezone.timedelta(seconds=121)]
    found = []
    for age in ages:
        Stream.objects.filter(pk=stream.pk).update(heartbeat_at=timezone.now() - age)
        found.append(look(tmp_path))
    assert found == [[], [stream.pk]]
    file.close(remove=True)


def test_fresh_heartbeat_elsewhere_is_left_alone(transactional_db: Any, tmp_path: Path) -> None:
    stream, _ = make_turn("ada", "another-machine")
    assert look(tmp_path) == []
    assert row(stream.pk).state == "running"


def test_streams_of_a_deleted_owner_do_not_stop_the_replay(transactional_db: Any, tmp_path: Path) -> None:
    stream, _ = make_turn("ada", "dead-1")
    ghost = uuid.uuid4()
    dead_spool(
        tmp_path, "dead-1", spool.frame(ghost, 1, spool.join(EVENTS)), spool.frame(stream.pk, 1, spool.join(EVENTS))
    )
    assert look(tmp_path) == [stream.pk]
    assert stored(stream.pk) == EVENTS


def test_spool_that_could_not_be_stored_is_kept_for_the_next_round(
    transactional_db: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contended, _ = make_turn("ada", "dead-1")
    other, _ = make_turn("ada", "dead-1")
    file = dead_spool(
        tmp_path, "dead-1", *(spool.frame(stream.pk, 1, spool.join(EVENTS)) for stream in (contended, other))
    )
    original = writes.stored_events

    def changed_meanwhile(stream: UUID) -> Any:
        found = original(stream)
        Stream.objects.filter(pk=stream, pk__in=[contended.pk]).update(last_seq=F("last_seq") + 1)
        return found

    monkeypatch.setattr(writes, "stored_events", changed_meanwhile)
    assert look(tmp_path) == [other.pk]
    assert file.exists()
    assert stored(contended.pk) == []
    monkeypatch.setattr(writes, "stored_events", original)
    assert look(tmp_path) == [contended.pk]
    assert stored(contended.pk) == EVENTS
    assert not file.exists()


def test_unreadable_event_of_a_newer_version_is_stored_and_passed_over(transactional_db: Any, tmp_path: Path) -> None:
    stream, _ = make_turn("ada", "dead-1")
    events = [*EVENTS[:2], b'{"type":"hologram","x":1}', EVENTS[2]]
    dead_spool(tmp_path, "dead-1", spool.frame(stream.pk, 1, spool.join(events)))
    look(tmp_path)
    assert stored(stream.pk) == events
    assert answer_chunks(stream.pk)[0].content == "one two "


@pytest.mark.both
def test_many_rescuers_at_once_end_each_stream_once(transactional_db: Any, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connections

    streams = []
    for number in range(6):
        stream, _ = make_turn("ada", f"dead-{number}")
        dead_spool(tmp_path, f"dead-{number}", spool.frame(stream.pk, 1, spool.join(EVENTS)))
        streams.append(stream.pk)

    def rescue(_: int) -> list[UUID]:
        try:
            return look(tmp_path)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as threads:
        ended = [stream for found in threads.map(rescue, range(6)) for stream in found]
    ended += look(tmp_path)
    assert sorted(ended) == sorted(streams)
    for stream in streams:
        assert stored(stream) == EVENTS
        assert len(answer_chunks(stream)) == 1


def test_two_processes_read_one_stream(transactional_db: Any, tmp_path: Path) -> None:
    """The reader's process does not run the stream: it follows the journal, exactly."""
    child = Child(tmp_path, streams=1, words=1000, commit_ms=20)
    (stream,) = child.streams
    child.drain()

    async def follow() -> Any:
        from tests.unit.context.streams_kit import close_kit, open_kit, watch

        kit = await open_kit(tmp_path / "own")
        try:
            return await asyncio.wait_for(watch(stream), 60)
        finally:
            await close_kit(kit)

    seen = asyncio.run(follow())
    child.kill()
    assert seen.events == child.shown[stream] == stored(stream)
    assert seen.last.state == "complete"
    assert len(seen.items) > 2, "it was followed while it was written"
