"""The event-stream parser against the standard's rules, the departures that answers need, and any cut of the bytes."""

import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from providers_app.wire.sse import LineTooLong, ServerSentEvent, SseParser


def parse(*chunks: bytes, close: bool = False) -> list[ServerSentEvent]:
    parser = SseParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return events + (parser.close() if close else [])


def data(*chunks: bytes, close: bool = False) -> list[bytes]:
    return [event.data for event in parse(*chunks, close=close)]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data: a\n\r\ndata: b\r\n\ndata: c\n\r", [b"a", b"b", b"c"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: \xef\xbb\xbfa\n\n", [b"\xef\xbb\xbfa"]),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a"]),
        (b"data:x\n\n", [b"x"]),
        (b"data:  x\n\n", [b" x"]),
        (b"data:\tx\n\n", [b"\tx"]),
        (b"data\n\n", [b""]),
        (b"data:\n\n", [b""]),
        (b"data: a\n: note\nunknown: 1\ndata: b\n\n", [b"a\nb"]),
        (b"data:\ndata:\n\n", [b"\n"]),
        (b": only\n\n: comments\n\n\n\n", []),
        (b"event: ping\n\nid: 7\n\nretry: 10\n\n\n\n", []),
        (b"Data: no\n data: no\n\n", []),
        (
            "data: a\u2028b\u2029c\u0085d\x0b\x0ce\x1cf\x1dg\x1eh\n\n".encode(),
            ["a\u2028b\u2029c\u0085d\x0b\x0ce\x1cf\x1dg\x1eh".encode()],
        ),
        (b"data: \xff\xfe\n\n", [b"\xff\xfe"]),
        (b"data: never ended", []),
    ],
)
def test_lines_become_data(stream: bytes, expected: list[bytes]) -> None:
    assert data(stream) == expected
    assert data(*(stream[at : at + 1] for at in range(len(stream)))) == expected


@pytest.mark.parametrize(
    "before",
    [b"", b"event: a\n", b"data: b\n", b"data: b", b": note\n", b"id: 7\n\n", b"data: b\r", b"data: b\r\r", b"da"],
)
@pytest.mark.parametrize(
    "read",
    [
        b"data: x\n\n",
        b"data:  x\n\n",
        b"data: x\r\n\n",
        b"data: x\r\n\r\n",
        b"data: x\ny\r\n\r\n",
        b"data: x\ry\n\n",
        b"data: \n\n",
        b"data: x\ny",
        b"data: \n",
    ],
)
def test_a_read_that_is_one_whole_event_is_read_by_the_same_rules(before: bytes, read: bytes) -> None:
    stream = b"data: first\n\n" + before + read + b"data: last\n\n"
    assert parse(b"data: first\n\n", before, read, b"data: last", b"\n\n") == parse(stream)


def test_event_type_resets_after_each_event_and_id_stays() -> None:
    events = parse(b"event: a\nid: 1\ndata: x\n\ndata: y\n\nevent: lost\n\ndata: z\nid\n\nid: n\0\ndata: w\n\n")
    assert [(event.event, event.id) for event in events] == [
        ("a", "1"),
        ("message", "1"),
        ("message", ""),
        ("message", ""),
    ]


def test_retry_takes_digits_only() -> None:
    parser = SseParser()
    parser.feed(b"retry: -5\nretry: 1_0\nretry: 3 \n")
    assert parser.retry is None
    parser.feed(b"retry: 1500\n")
    assert parser.retry == 1500


def test_a_cr_at_the_end_of_a_read_dispatches_at_once() -> None:
    parser = SseParser()
    assert [event.data for event in parser.feed(b"data: a\r\r")] == [b"a"]
    assert parser.feed(b"\ndata: b\r") == []
    assert [event.data for event in parser.feed(b"\n\r\n")] == [b"b"]


def test_a_last_event_without_blank_line_is_given_at_the_end_only() -> None:
    assert data(b"data: a\n\ndata: b\n") == [b"a"]
    assert data(b"data: a\n\ndata: b\n", close=True) == [b"a", b"b"]
    assert data(b"data: a\n\ndata: b", close=True) == [b"a", b"b"]


def test_lines_of_no_field_are_kept() -> None:
    parser = SseParser()
    parser.feed(b'{\n  "error": {"code": 1}\n}\nupstream timed out\n')
    assert b"\n".join(parser.stray) == b'{\n  "error": {"code": 1}\n}\nupstream timed out'


def test_an_error_field_is_an_event() -> None:
    events = parse(b'data: a\n\nerror: {"message": "x"}\n\ndata: b\n\n')
    assert [(event.event, event.data) for event in events] == [
        ("message", b"a"),
        ("error", b'{"message": "x"}'),
        ("message", b"b"),
    ]


def test_kept_lines_are_bounded() -> None:
    parser = SseParser()
    for _ in range(50):
        parser.feed(b"x" * 100_000 + b"\n")
    assert sum(map(len, parser.stray)) < 500_000


def test_very_long_lines_are_joined_without_copying_again_and_again() -> None:
    parser = SseParser()
    parser.feed(b"data: ")
    for _ in range(5000):
        assert parser.feed(b"x" * 4096) == []
    assert len(parser.feed(b"\n\n")[0].data) == 5000 * 4096


def test_a_line_beyond_the_limit_is_refused() -> None:
    parser = SseParser(max_line=1000)
    with pytest.raises(LineTooLong):
        for _ in range(20):
            parser.feed(b"data: " + b"x" * 100)
    parser = SseParser(max_line=1000)
    with pytest.raises(LineTooLong):
        for _ in range(20):
            parser.feed(b"data: " + b"x" * 100 + b"\n")


def test_an_event_of_very_many_reads_is_counted_once_per_line() -> None:
    parser = SseParser()
    began = time.process_time()
    for _ in range(20_000):
        parser.feed(b"data: x\n")
    assert len(parser.close()[0].data) == 39_999
    assert time.process_time() - began < 1, "the work grew with the square of the lines"


_LINES = st.sampled_from(
    [
        b"data: a",
        b"data:b",
        "data: ü€🌍\u2028".encode(),
        b"data",
        b"event: e",
        b"id: 1",
        b"retry: 5",
        b": c",
        b"",
        b"",
        b"error: {}",
        b"stray",
        b"\xef\xbb\xbfdata: x",
    ]
)
_STREAMS = st.lists(st.tuples(_LINES, st.sampled_from([b"\n", b"\r\n", b"\r"]))).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@settings(max_examples=150, deadline=None)
@given(st.one_of(_STREAMS, st.binary(max_size=60)), st.data())
def test_any_cut_gives_the_same_events(stream: bytes, draw: st.DataObject) -> None:
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    edges = [0, *cuts, len(stream)]
    chunks = [stream[start:end] for start, end in itertools.pairwise(edges)]
    assert parse(*chunks, close=True) == parse(stream, close=True)
