"""Whatever happens in whatever order: what any reader saw is a prefix of what is stored."""

import asyncio
import tempfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from context_app.conf import ContextConfig
from context_app.streams.reader import Ended
from context_app.streams.runtime import Runtime
from providers_app.errors import StreamInterrupted
from providers_app.types.events import Event, ReasoningDelta, StreamEnd, StreamFailed, StreamStart, TextDelta
from sessions_app.stores.pool import in_store
from tests.unit.context.streams_kit import Kit, Seen, answer_chunks, close_kit, open_kit, row, stored, text_of, watch

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=()), min_size=0, max_size=12)
READS = st.lists(st.lists(TEXT, min_size=1, max_size=4), min_size=1, max_size=15)
PAUSES = st.sampled_from([0, 0, 0.0005, 0.003])


class Plan:
    """One run: what upstream sends, who reads from where, what fails, and when somebody presses Stop."""

    def __init__(self, draw: Any) -> None:
        self.reads: list[list[str]] = draw(READS)
        self.pauses: list[float] = [draw(PAUSES) for _ in self.reads]
        self.end: str = draw(st.sampled_from(["end", "failed", "cut", "raise"]))
        self.readers: list[tuple[float, int, float]] = draw(
            st.lists(st.tuples(st.floats(0, 0.03), st.integers(0, 20), PAUSES), min_size=1, max_size=4)
        )
        self.failing: set[int] = draw(st.sets(st.integers(0, 20), max_size=6))
        self.lost_answers: set[int] = draw(st.sets(st.integers(0, 20), max_size=4))
        self.disk_fails: set[int] = draw(st.sets(st.integers(0, 20), max_size=5))
        self.stop_after: float | None = draw(st.none() | st.floats(0, 0.03))
        self.dies: bool = draw(st.booleans())

    async def upstream(self) -> AsyncGenerator[Event, None]:
        yield StreamStart("demo")
        for number, (texts, pause) in enumerate(zip(self.reads, self.pauses, strict=True)):
            await asyncio.sleep(pause)
            for text in texts:
                yield ReasoningDelta(text) if number % 5 == 4 else TextDelta(text)
        if self.end == "end":
            yield StreamEnd("stop")
        elif self.end == "failed":
            yield StreamFailed(StreamInterrupted("cut").info())
        elif self.end == "raise":
            raise StreamInterrupted("cut")


plans = st.composite(Plan)()


def break_database(kit: Kit, plan: Plan) -> None:
    """Rounds of the journal that fail before, or after, they were committed."""
    original, count = kit.runtime.journal._commit, 0

    def commit(pieces: Any) -> Any:
        nonlocal count
        count += 1
        if count in plan.failing:
            raise OperationalError("database is locked")
        result = original(pieces)
        if count in plan.lost_answers:
            raise OperationalError("the connection broke after COMMIT")
        return result

    kit.runtime.journal._commit = commit  # type: ignore[method-assign]


def break_disk(kit: Kit, plan: Plan) -> None:
    """Writes of the spool that the disk refuses, some after half of the record."""
    original, count = kit.runtime.spool._current, 0

    class Broken:
        def __init__(self, file: Any, half: bool) -> None:
            self.file, self.half = file, half

        def write(self, data: bytes) -> None:
            if self.half:
                import os

                os.write(self.file.fd, data[: len(data) // 2])
                self.file._cut()
            raise OSError(28, "No space left on device")

    def current() -> Any:
        nonlocal count
        count += 1
        file = original()
        return Broken(file, count % 2 == 0) if count in plan.disk_fails else file

    kit.runtime.spool._current = current  # type: ignore[method-assign]


async def carry_out(plan: Plan, folder: Path) -> None:
    kit = await open_kit(folder, ContextConfig(commit_interval_ms=5))
    break_database(kit, plan)
    break_disk(kit, plan)
    live = await kit.begin(plan.upstream)
    seen: list[tuple[int, Seen]] = []

    async def reader(delay: float, after: int, pause: float) -> None:
        await asyncio.sleep(delay)
        after = min(after, live.accepted)
        one = Seen()
        seen.append((after, one))
        await watch(live.id, after, seen=one, pause=pause)

    readers = [asyncio.create_task(reader(*each)) for each in plan.readers]
    if plan.stop_after is not None:
        await asyncio.sleep(plan.stop_after)
        kit.runtime.cancel(live.id)
    if plan.dies:
        # The process is gone: no more commits, its lock is free, its files stay as they are.
        await asyncio.sleep(0.004)
        died = kit.runtime
        died.journal._commit = lambda pieces: (_ for _ in ()).throw(OperationalError("dead"))  # type: ignore[method-assign]
        await asyncio.sleep(0)
        for task in readers:
            task.cancel()
        await asyncio.wait(readers)
        live.fence()
        died.cancel(live.id)
        await asyncio.to_thread(died.stop, 0.01)
        await in_store(Runtime(folder, ContextConfig()).take_over)
    else:
        async with asyncio.timeout(60):
            await asyncio.gather(*readers)
            await watch(live.id)
    events = await in_store(stored, live.id)
    for after, one in seen:
        assert events[after : after + len(one.events)] == one.events, "seen is a prefix of stored"
        if not plan.dies:
            assert isinstance(one.last, Ended)
            assert len(events) == after + len(one.events)
    state = await in_store(row, live.id)
    assert state.state in {"complete", "failed", "cancelled", "interrupted"}
    assert state.result["text"] == text_of(events)
    assert sum(chunk.content == text_of(events) for chunk in await in_store(answer_chunks, live.id)) <= 1
    if text_of(events).strip():
        assert [chunk.content for chunk in await in_store(answer_chunks, live.id)] == [text_of(events)]
    await close_kit(kit)


@pytest.mark.both
def test_what_any_reader_saw_is_a_prefix_of_what_is_stored(transactional_db: Any) -> None:
    @settings(
        max_examples=60,
        deadline=None,
        derandomize=False,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        database=None,
    )
    @given(plan=plans)
    def check(plan: Plan) -> None:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(carry_out(plan, Path(folder)))

    check()
