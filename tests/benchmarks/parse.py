"""Parse cost of streamed answers: µs per event, and the whole stream beside ``json.loads`` of its payloads."""

import json
import time
from collections.abc import Callable

from providers_app import dialects
from providers_app.types.dialect import Dialect
from tests.benchmarks._row import Row, below
from tests.wire import fixture_cases, recordings

CHUNK = 1400  # bytes: about what one network packet brings
MIN_SECONDS = 0.15
ROUNDS = 5
BOUND_RATIO = 3.0


def run() -> list[Row]:
    """Return two rows per dialect and source of answers."""
    rows = []
    for source, bodies in _sources():
        for name in fixture_cases.DIALECTS:
            streams = [body for dialect, body in bodies if dialect == name and _payloads(body)]
            if streams:
                rows += _measure(f"{name} ({source})", dialects.by_name(name), streams)
    return rows


def _sources() -> list[tuple[str, list[tuple[str, bytes]]]]:
    fixtures = [(case.dialect, case.body) for case in fixture_cases.all_cases() if case.result.get("complete")]
    recorded = [(one.dialect, one.body) for one in recordings.all_recordings() if one.expected["complete"]]
    return [("fixtures", fixtures), ("recordings", recorded)]


def _payloads(body: bytes) -> list[bytes]:
    lines = body.replace(b"\r\n", b"\n").split(b"\n")
    return [line[5:].strip() for line in lines if line.startswith(b"data:") and line.rstrip().endswith(b"}")]


def _measure(label: str, dialect: Dialect, streams: list[bytes]) -> list[Row]:
    payloads = [payload for body in streams for payload in _payloads(body)]
    chunked = [[body[at : at + CHUNK] for at in range(0, len(body), CHUNK)] for body in streams]

    def parse() -> None:
        for chunks in chunked:
            reducer = dialect.reducer()
            for chunk in chunks:
                reducer.feed(chunk)
            reducer.close()

    def loads() -> None:
        for payload in payloads:
            json.loads(payload)

    parsed, loaded = _best(parse), _best(loads)
    return [
        Row(f"{label}: per streamed event", f"{parsed / len(payloads) * 1e6:.2f} µs"),
        below(f"{label}: whole stream / json.loads", parsed / loaded, BOUND_RATIO, "x", digits=2),
    ]


def _best(work: Callable[[], None]) -> float:
    """Seconds of one call, the best of some rounds."""
    work()
    best = float("inf")
    for _ in range(ROUNDS):
        calls, started = 0, time.perf_counter()
        while time.perf_counter() - started < MIN_SECONDS / ROUNDS:
            work()
            calls += 1
        best = min(best, (time.perf_counter() - started) / calls)
    return best
