"""Feeding a body to a reducer in pieces."""

import itertools
from collections.abc import Iterable

from providers_app.types.dialect import Dialect
from providers_app.types.events import Event


def pieces(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The body cut at these offsets."""
    edges = [0, *sorted(cuts), len(body)]
    return [body[start:end] for start, end in itertools.pairwise(edges)]


def events_of(dialect: Dialect, chunks: Iterable[bytes]) -> list[Event]:
    """All events of one answer that arrives in these chunks."""
    reducer = dialect.reducer()
    events: list[Event] = []
    for chunk in chunks:
        events += reducer.feed(chunk)
    return events + reducer.close()


def single_bytes(body: bytes) -> list[bytes]:
    """The body as one chunk per byte."""
    return [body[at : at + 1] for at in range(len(body))]
