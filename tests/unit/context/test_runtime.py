"""The one runtime of a process: made on first use, another one in a forked child, none after its end."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from context_app.streams import pubsub, runtime
from context_app.streams.live import LiveStream
from tests.unit.context.streams_kit import Kit, until, words


@pytest.fixture(autouse=True)
def _none_before(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(runtime, "_registered", True)
    before = runtime.replace(None)
    yield
    runtime.replace(before)


def test_it_is_made_on_first_use_and_found_from_then_on(tmp_path: Path) -> None:
    made = runtime.current()
    assert (made.pid, made.folder) == (os.getpid(), tmp_path / "spool")
    assert runtime.current() is made
    assert runtime.replace(None) is made and runtime.current() is not made


def test_a_forked_child_has_one_of_its_own_and_does_not_hold_the_lock_of_its_parent() -> None:
    parents = runtime.current()
    parents.prepare()
    file = parents.spool._file
    assert file is not None and os.fstat(file.fd).st_nlink == 1
    parents.pid = -1  # as a child sees it
    own = runtime.current()
    assert own is not parents and own.process != parents.process
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(file.fd)


def test_the_end_of_a_process_without_a_runtime_is_quiet() -> None:
    runtime._at_exit()
    made = runtime.current()
    runtime._at_exit()
    assert made.closing is False, "nothing runs"


async def test_a_reader_elsewhere_is_told_of_news_for_a_while_and_not_of_each_commit(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []

    async def send(group: str, message: dict[str, Any]) -> None:
        told.append(group)

    monkeypatch.setattr(pubsub, "send", send)
    here = kit.runtime
    here.note_interest(uuid4())
    assert here._interest == {}, "it does not run here"
    live = await kit.begin(words(3))
    here.note_interest(live.id)
    await until(lambda: live.stored)
    await until(lambda: f"stream.{live.id}" in told)
    clock = [1000.0]
    monkeypatch.setattr(runtime, "time", type("Clock", (), {"monotonic": staticmethod(lambda: clock[0])}))
    here.note_interest(live.id)
    here._sent_at.clear()
    other = LiveStream(uuid4())
    for moment, stored, due in (
        (1000.0, False, True), (1000.0, False, False), (1000.0 + runtime.TELL_S / 2, True, True),
        (1000.0 + 2 * runtime.TELL_S, False, True), (1000.0 + runtime.INTEREST_S, True, False),
    ):  # fmt: skip
        before, clock[0], live.stored = len(told), moment, stored
        here._committed([live, other])
        await until(lambda count=before + due: len(told) >= count)  # type: ignore[misc]
        assert len(told) == before + due, moment
