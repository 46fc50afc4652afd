"""Reading one answer: one end and nothing after it, within limits, whatever the dialect does."""

import pytest

from providers_app.dialects import reader as reader_module
from providers_app.dialects.openai_chat import OpenAIChat
from providers_app.dialects.reader import AnswerReader
from providers_app.errors import AnswerTooLarge, BadAnswer, UpstreamTimeout
from providers_app.streaming import parse_stream
from providers_app.types.events import (
    Citation,
    Event,
    GeneratedFile,
    OpaqueBlock,
    ReasoningDelta,
    ServerToolEvent,
    StreamEnd,
    StreamFailed,
    StreamStart,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from providers_app.wire.sse import SseParser

DONE = b'data: {"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def text(content: str) -> bytes:
    return f'data: {{"id":"1","model":"m","choices":[{{"index":0,"delta":{{"content":"{content}"}}}}]}}\n\n'.encode()


class Scripted:
    """A dialect whose reducer gives out what the test says."""

    name = "scripted"

    def __init__(self, *reads: list[Event] | Exception, close: list[Event] | Exception = []) -> None:  # noqa: B006
        self.reads, self.at_close = list(reads), close

    def reducer(self) -> "Scripted":
        return self

    def feed(self, data: bytes) -> list[Event]:
        return self._give(self.reads.pop(0))

    def close(self) -> list[Event]:
        return self._give(self.at_close)

    @staticmethod
    def _give(what: list[Event] | Exception) -> list[Event]:
        if isinstance(what, Exception):
            raise what
        return what


def reader_of(dialect: object, **limits: int) -> AnswerReader:
    return AnswerReader(dialect, **limits)  # type: ignore[arg-type]


def test_nothing_follows_the_end() -> None:
    reader = reader_of(Scripted([TextDelta("a"), StreamEnd("stop"), TextDelta("b")]))
    assert reader.feed(b"x") == [TextDelta("a"), StreamEnd("stop")]
    assert reader.ended and reader.fail(UpstreamTimeout("late")) == []


def test_a_body_that_stops_too_early_fails_as_incomplete() -> None:
    reader = reader_of(Scripted(close=[TextDelta("a")]))
    (kept, failed) = reader.close()
    assert kept == TextDelta("a") and isinstance(failed, StreamFailed)
    assert (failed.error.code, failed.finish_reason) == ("stream_interrupted", "incomplete")


def test_a_break_keeps_what_was_complete_and_names_its_own_cause() -> None:
    own = StreamFailed(error=UpstreamTimeout("the reducer's").info())
    (kept, failed) = reader_of(Scripted(close=[TextDelta("a"), own])).fail(UpstreamTimeout("silence"))
    assert kept == TextDelta("a") and isinstance(failed, StreamFailed) and failed.error.message == "silence"


def test_an_end_that_was_complete_when_the_connection_broke_counts() -> None:
    assert reader_of(Scripted(close=[StreamEnd("stop")])).fail(UpstreamTimeout("silence")) == [StreamEnd("stop")]


def test_a_fault_of_a_reducer_ends_this_answer_only(caplog: pytest.LogCaptureFixture) -> None:
    reader = reader_of(Scripted(ZeroDivisionError(), close=ZeroDivisionError()))
    with pytest.raises(BadAnswer, match="could not be read"):
        reader.feed(b"x")
    assert "ZeroDivisionError" in caplog.text
    assert isinstance(reader.fail(BadAnswer("unreadable"))[-1], StreamFailed)
    with pytest.raises(BadAnswer):
        reader_of(Scripted(ZeroDivisionError())).whole(b"{}")


def test_an_answer_is_bounded_in_bytes_on_the_wire() -> None:
    piece = text("Hi")
    reader = reader_of(OpenAIChat(), max_bytes=3 * len(piece))
    for _ in range(3):
        reader.feed(piece)
    with pytest.raises(AnswerTooLarge, match=f"larger than {3 * len(piece)} bytes"):
        reader.feed(b":")


def test_the_readers_of_one_answer_share_its_limits() -> None:
    first = reader_of(Scripted([TextDelta("12")]), max_bytes=9, max_text=3)
    first.feed(b"12345")
    second = AnswerReader(OpenAIChat(), max_bytes=9, max_text=3, after=first)
    assert second.left == 4
    with pytest.raises(AnswerTooLarge, match="larger than 9 bytes"):
        second.feed(b":::::")
    with pytest.raises(AnswerTooLarge, match="more than 3 bytes"):
        AnswerReader(Scripted([TextDelta("34")]), max_text=3, after=first).feed(b"")  # type: ignore[arg-type]


@pytest.mark.parametrize(("content", "size"), [("Hello", 5), ("h\u00e9", 3), ("\U0001f600", 4)])
def test_an_answer_is_bounded_in_bytes_of_text(content: str, size: int) -> None:
    reader = reader_of(Scripted([TextDelta(content)], [ToolCallDelta(0, "t", "x")]), max_text=size)
    assert reader.feed(b"x") == [TextDelta(content)]
    with pytest.raises(AnswerTooLarge, match=f"more than {size} bytes of text"):
        reader.feed(b"x")


@pytest.mark.parametrize("way", ["feed", "whole"])
def test_the_limit_of_text_holds_for_the_read_that_ends_the_answer(way: str) -> None:
    reader = reader_of(Scripted([TextDelta("too long"), StreamEnd("stop")]), max_text=5)
    with pytest.raises(AnswerTooLarge) as caught:
        getattr(reader, way)(b"x")
    (failed,) = reader.fail(caught.value)
    assert isinstance(failed, StreamFailed) and failed.error.code == "answer_too_large"


def test_an_answer_that_is_too_large_is_never_called_complete() -> None:
    reader = reader_of(Scripted([TextDelta("too long")], close=[StreamEnd("stop")]), max_text=5)
    with pytest.raises(AnswerTooLarge) as caught:
        reader.feed(b"x")
    assert [type(event) for event in reader.fail(caught.value)] == [StreamFailed]


def test_an_answer_is_bounded_in_events() -> None:
    reader = reader_of(Scripted([TextDelta("a")] * 3, [TextDelta("b")]), max_events=3)
    reader.feed(b"x")
    with pytest.raises(AnswerTooLarge, match="more than 3 events"):
        reader.feed(b"x")


PIECES: list[tuple[list[Event], list[Event]]] = [
    ([Citation({"url": "a"})], [Citation({"url": "b"})]),
    ([OpaqueBlock("x", {})], [ServerToolEvent("y", {})]),
    ([ReasoningDelta("a", 1)], [ReasoningDelta("a", 2)]),
    ([TextDelta("a")], [TextDelta("b", refusal=True)]),
    ([TextDelta("a")], [ReasoningDelta("b")]),
    ([ToolCall(0, "1", "t", {})], [ToolCall(1, "2", "t", {})]),
    ([GeneratedFile("image/png")], [GeneratedFile("image/png")]),
]


@pytest.mark.parametrize(("first", "second"), PIECES)
def test_an_answer_is_bounded_in_parts(
    first: list[Event], second: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "MAX_PARTS", 1)
    reader = reader_of(Scripted(first, second))
    assert reader.feed(b"x") == first
    with pytest.raises(AnswerTooLarge, match="more than 1 parts"):
        reader.feed(b"x")


def test_pieces_of_one_text_are_one_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader_module, "MAX_PARTS", 2)
    calls = [ToolCallDelta(0, "t", "{"), ToolCallDelta(0, "t", "}"), ToolCall(0, "1", "t", {})]
    reader_of(Scripted([TextDelta("a")] * 9 + calls)).feed(b"x")


@pytest.mark.parametrize(
    "event",
    [
        Citation({"quote": "q" * 100}),
        ServerToolEvent("x", {"result": "r" * 100}),
        OpaqueBlock("x", {"many": [[]] * 4}),
        ToolCall(0, "1", "t", {"a": "b" * 100}),
        TextDelta("", {"signature": "s" * 100}),
        ReasoningDelta("", 0, {"signature": "s" * 100}),
    ],
)
def test_all_that_is_kept_of_an_answer_counts_as_its_text(event: Event) -> None:
    reader_of(Scripted([event]), max_text=400).feed(b"x")
    with pytest.raises(AnswerTooLarge, match="more than 99 bytes of text"):
        reader_of(Scripted([event]), max_text=99).feed(b"x")


def test_arguments_that_were_streamed_count_once() -> None:
    call = ToolCall(0, "1", "t", {"a": "b" * 100})
    reader_of(Scripted([ToolCallDelta(0, "t", '{"a":"' + "b" * 100 + '"}')], [call]), max_text=150).feed(b"x")


@pytest.mark.parametrize("piece", [ToolCallDelta(0, "n" * 1001, ""), ToolCallDelta(0, "n", "", "i" * 1001)])
def test_what_every_piece_of_a_call_repeats_is_short(piece: Event) -> None:
    with pytest.raises(AnswerTooLarge, match="names a tool"):
        reader_of(Scripted([piece])).feed(b"x")


def test_the_rest_of_an_answer_that_is_too_large_is_not_read() -> None:
    reader = reader_of(Scripted(close=AssertionError()))
    assert [type(event) for event in reader.fail(AnswerTooLarge("too large"))] == [StreamFailed]


def test_it_says_how_much_of_an_answer_lies_in_the_reader() -> None:
    reader = reader_of(OpenAIChat())
    reader.feed(text("Hi"))
    assert reader.held == 0
    reader.feed(b"data: " + b"x" * 50_000)
    assert 45_000 < reader.held < 55_000
    calls = reader_of(Scripted([ToolCallDelta(0, "t", "x" * 500)]))
    calls.feed(b"x")
    assert calls.held == 500
    pausing = Scripted([TextDelta("x" * 500)])
    pausing.pauses = True  # type: ignore[attr-defined]
    paused = reader_of(pausing)
    paused.feed(b"x")
    assert paused.held == 1000, "for the request that goes on"


def test_a_line_that_is_too_long_makes_the_answer_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SseParser.__init__, "__defaults__", (100,))
    (failed,) = reader_of(OpenAIChat()).feed(b"data: " + b"x" * 200)
    assert isinstance(failed, StreamFailed) and failed.error.code == "answer_too_large"
    assert failed.error.message == "One line of the answer is longer than 100 bytes."


def test_a_typed_error_of_a_reducer_keeps_its_type() -> None:
    with pytest.raises(UpstreamTimeout):
        reader_of(Scripted(UpstreamTimeout("silence"))).feed(b"x")


async def test_parse_stream_reads_the_same_way() -> None:
    async def chunks():  # type: ignore[no-untyped-def]
        yield text("Hi")
        yield DONE + text("after the end")
        raise AssertionError("the end was not seen")

    events = [event async for event in parse_stream("openai", chunks(), dialect="openai_chat")]
    assert isinstance(events[0], StreamStart) and isinstance(events[-1], StreamEnd)
    assert [event.text for event in events if isinstance(event, TextDelta)] == ["Hi"]
