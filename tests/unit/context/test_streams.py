"""An answer from the first event to the stored chunk, in one process."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from context_app.models import ContextChunk, Stream
from context_app.streams import live as live_module
from context_app.streams import reader
from context_app.streams.reader import Ended, Reset, UnknownStream
from context_app.streams.runner import STOPPED
from providers_app.errors import Overloaded, RateLimited
from providers_app.types.events import (
    ErrorInfo,
    ReasoningDelta,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from sessions_app.stores.pool import in_store
from tests.unit.context.streams_kit import (
    Kit,
    answer_chunks,
    make_turn,
    row,
    scripted,
    stored,
    text_of,
    until,
    watch,
    words,
)


@pytest.mark.both
async def test_what_a_reader_sees_is_what_is_stored(kit: Kit) -> None:
    live = await kit.begin(words(50))
    seen = await watch(live.id)
    assert seen.text == "".join(f"w{n} " for n in range(50))
    assert seen.events == await in_store(stored, live.id)
    assert isinstance(seen.last, Ended)
    assert seen.last.state == "complete"
    assert seen.last.last_seq == 52
    stream = await in_store(row, live.id)
    assert (stream.state, stream.last_seq) == ("complete", 52)
    assert stream.result["text"] == seen.text
    assert stream.result["complete"] is True
    assert stream.ended_at is not None


@pytest.mark.both
async def test_answer_becomes_chunks_right_behind_its_question(kit: Kit) -> None:
    live = await kit.begin(
        scripted(
            [
                StreamStart("demo"),
                ReasoningDelta("Let me "),
                ReasoningDelta("think."),
                ReasoningDelta("", 0, {"signature": "abc"}),
                TextDelta("I will look."),
                ToolCallDelta(0, "weather", '{"city":'),
                ToolCall(0, "call_1", "weather", {"city": "Kraków"}, "toolu_9"),
                ToolCall(1, "call_2", "broken", {}, None, "{oops"),
                UsageReport(Usage(input_tokens=7, output_tokens=9)),
                StreamEnd("tool_calls", "tool_use"),
            ]
        )
    )
    await watch(live.id)
    text, call, bad = await in_store(answer_chunks, live.id)
    assert (text.kind, text.role, text.content, text.state) == ("assistant", "assistant", "I will look.", "complete")
    assert text.metadata["reasoning"] == [{"text": "Let me think.", "opaque": {"signature": "abc"}, "provider": "demo"}]
    assert text.order == 1025
    assert text.tokens > 0
    assert call.kind == "tool_call"
    assert call.metadata["call_id"] == "call_1"
    assert call.metadata["arguments"] == {"city": "Kraków"}
    assert call.metadata["provider_id"] == "toolu_9"
    assert "Kraków" in call.content
    assert (bad.metadata["invalid_arguments"], bad.content) == ("{oops", "{oops")
    assert [chunk.order for chunk in (text, call, bad)] == [1025, 1026, 1027]
    assert (await in_store(row, live.id)).result["usage"]["input_tokens"] == 7


async def test_error_before_the_first_event_is_a_failed_stream_without_chunks(kit: Kit) -> None:
    live = await kit.begin(scripted([RateLimited("Too many requests.", status=429, retry_after=3)]))
    seen = await watch(live.id)
    assert isinstance(seen.last, Ended)
    assert seen.last.state == "failed"
    assert seen.last.result["error"]["code"] == "upstream_rate_limit"
    assert seen.last.result["error"]["retry_after"] == 3
    assert await in_store(answer_chunks, live.id) == []


async def test_error_in_the_middle_keeps_the_text_and_marks_it_partial(kit: Kit) -> None:
    live = await kit.begin(
        scripted(
            [
                StreamStart("demo"),
                TextDelta("Half an ans"),
                StreamFailed(Overloaded("Overloaded.").info(), "error"),
                TextDelta("never"),
            ]
        )
    )
    seen = await watch(live.id)
    (chunk,) = await in_store(answer_chunks, live.id)
    assert (chunk.content, chunk.state) == ("Half an ans", ContextChunk.State.PARTIAL)
    assert isinstance(seen.last, Ended)
    assert seen.last.state == "failed"
    assert seen.last.result["error"]["code"] == "upstream_overloaded"


async def test_upstream_that_ends_without_an_end_is_never_complete(kit: Kit) -> None:
    live = await kit.begin(scripted([StreamStart("demo"), TextDelta("cut")]))
    seen = await watch(live.id)
    assert isinstance(seen.last, Ended)
    assert seen.last.state == "failed"
    assert seen.last.result["finish_reason"] == "incomplete"
    assert seen.last.result["complete"] is False


async def test_bug_in_a_provider_is_an_internal_error_without_its_text(kit: Kit) -> None:
    live = await kit.begin(scripted([StreamStart("demo"), ValueError("sk-secret")]))
    seen = await watch(live.id)
    assert isinstance(seen.last, Ended)
    assert seen.last.result["error"]["code"] == "internal_error"
    assert "sk-secret" not in str(seen.last.result)


async def test_stop_closes_upstream_at_once_and_keeps_the_text(kit: Kit) -> None:
    closed = asyncio.Event()

    async def answer():  # type: ignore[no-untyped-def]
        try:
            yield StreamStart("demo")
            yield TextDelta("so far")
            await asyncio.Event().wait()
        finally:
            closed.set()

    live = await kit.begin(answer)
    await until(lambda: live.accepted == 2)
    assert kit.runtime.cancel(live.id, STOPPED)
    await asyncio.wait_for(closed.wait(), 60)
    seen = await watch(live.id)
    assert isinstance(seen.last, Ended)
    assert (seen.last.state, seen.last.result["finish_reason"]) == ("cancelled", "cancelled")
    (chunk,) = await in_store(answer_chunks, live.id)
    assert (chunk.content, chunk.state) == ("so far", "partial")
    assert not kit.runtime.cancel(live.id), "a stream that is over cannot be stopped"


async def test_stop_before_the_first_step_still_leaves_an_ending(kit: Kit) -> None:
    live = await kit.begin(words(5))
    kit.runtime.cancel(live.id)
    seen = await watch(live.id)
    assert isinstance(seen.last, Ended)
    assert seen.last.state == "cancelled"


@pytest.mark.both
async def test_stop_from_another_process_works_through_the_database(kit: Kit) -> None:
    from django.utils import timezone

    live = await kit.begin(words(10_000, every=0.005))
    await until(lambda: live.committed > 3)

    def ask() -> None:
        stream = row(live.id)
        stream.cancel_requested_at = timezone.now()
        stream.save(update_fields=["cancel_requested_at"])

    await in_store(ask)
    seen = await asyncio.wait_for(watch(live.id), 60)
    assert isinstance(seen.last, Ended)
    assert seen.last.state == "cancelled"


async def test_readers_that_join_late_or_reattach_get_every_event_once(kit: Kit) -> None:
    live = await kit.begin(words(60, every=0.002))
    first = asyncio.create_task(watch(live.id))
    await until(lambda: live.accepted >= 20)
    late, middle = await asyncio.gather(watch(live.id), watch(live.id, after=17))
    early = await first
    assert early.events == late.events
    assert middle.events == early.events[17:]
    again = await watch(live.id, after=62)
    assert again.events == []
    assert isinstance(again.last, Ended)


async def test_slow_reader_gets_more_at_a_time_and_everything(kit: Kit) -> None:
    live = await kit.begin(words(300, every=0.0005))
    slow = await watch(live.id, pause=0.05)
    assert slow.events == await in_store(stored, live.id)
    assert len(slow.items) < 60


async def test_reader_so_slow_that_memory_forgot_its_place_reads_on_from_the_journal(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "TAIL_BYTES", 3000)
    live = await kit.begin(words(500, every=0.001))
    slow = asyncio.create_task(watch(live.id, pause=0.1))
    await until(lambda: live._base > 100)
    late = await watch(live.id)
    seen = await slow
    assert late.events == seen.events == await in_store(stored, live.id)
    assert sum(map(len, live._tail)) <= 3000


async def test_cursor_beyond_the_end_is_reset_with_the_stored_length(kit: Kit) -> None:
    hold = asyncio.Event()
    live = await kit.begin(scripted([StreamStart("demo"), TextDelta("a"), hold, StreamEnd("stop")]))
    await until(lambda: live.accepted == 2)
    assert (await watch(live.id, after=9)).last == Reset(2)
    hold.set()
    await watch(live.id)
    await in_store(lambda: None)
    kit.runtime._release(live)
    assert (await watch(live.id, after=9)).last == Reset(3)


async def test_cursor_beyond_what_another_process_has_stored_is_given_time_and_then_reset(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, _ = await in_store(make_turn, "ada", "another process")
    await in_store(lambda: Stream.objects.filter(pk=stream.pk).update(last_seq=2))
    fetched, fetch = [], reader._fetch

    def counted(stream_id: UUID, cursor: int) -> Any:
        fetched.append(cursor)
        return fetch(stream_id, cursor)

    monkeypatch.setattr(reader, "_fetch", counted)
    monkeypatch.setattr(reader, "POLL_S", 0.01)
    monkeypatch.setattr(reader, "BEYOND_GRACE_S", 3600)
    waiting = asyncio.create_task(watch(stream.pk, after=9))
    await until(lambda: len(fetched) > 3)
    assert not waiting.done(), "it may be ahead of the journal"
    monkeypatch.setattr(reader, "BEYOND_GRACE_S", 0)
    assert (await waiting).last == Reset(2)


async def test_reader_of_no_stream_is_told_so(kit: Kit) -> None:
    import uuid

    with pytest.raises(UnknownStream):
        await watch(uuid.uuid4())


async def test_finished_stream_is_read_from_the_journal_when_memory_is_gone(kit: Kit) -> None:
    live = await kit.begin(words(40))
    seen = await watch(live.id)
    kit.runtime._release(live)
    assert kit.runtime.find(live.id) is None
    again = await watch(live.id)
    assert again.events == seen.events
    assert again.last == seen.last


async def test_text_that_no_database_can_hold_is_replaced_everywhere_alike(kit: Kit) -> None:
    live = await kit.begin(
        scripted([StreamStart("demo"), TextDelta("a\x00b"), TextDelta("c\ud800d"), TextDelta("😀"), StreamEnd("stop")])
    )
    seen = await watch(live.id)
    assert seen.text == "a\ufffdbc\ufffdd😀"
    assert isinstance(seen.last, Ended)
    assert seen.last.result["text"] == seen.text
    assert text_of(await in_store(stored, live.id)) == seen.text


async def test_nothing_is_kept_in_the_spool_once_the_journal_has_it(kit: Kit) -> None:
    live = await kit.begin(words(20))
    await watch(live.id)
    await until(lambda: all(file.stat().st_size == 0 for file in kit.folder.glob("*.log")))
    files = list(kit.folder.glob("*.log"))
    assert 1 <= len(files) <= 2
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


async def test_interrupted_stream_names_the_reason(kit: Kit) -> None:
    live = await kit.begin(words(10_000, every=0.01))
    await until(lambda: live.accepted > 3)
    kit.runtime.cancel_all("shutdown")
    seen = await watch(live.id)
    assert isinstance(seen.last, Ended)
    assert seen.last.state == "interrupted"
    error = ErrorInfo(**seen.last.result["error"])
    assert error.code == "interrupted"
    assert "stopped" in error.message
    assert seen.events == await in_store(stored, live.id)


async def test_fifty_streams_at_once(kit: Kit) -> None:
    lives = [await kit.begin(words(40, every=0.002, start=n * 100)) for n in range(50)]
    seen = await asyncio.gather(*(watch(live.id) for live in lives))
    for number, (live, one) in enumerate(zip(lives, seen, strict=True)):
        assert one.text == "".join(f"w{n} " for n in range(number * 100, number * 100 + 40))
        assert one.events == await in_store(stored, live.id)
