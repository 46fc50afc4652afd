"""Recorded streams of every dialect that end after each of their bytes, at the reader of answers."""

from collections.abc import Iterator, Sequence

import msgspec

from providers_app.dialects import by_name
from providers_app.dialects.reader import AnswerReader
from providers_app.errors import ProviderError
from providers_app.streaming import fold
from providers_app.types.chat import ChatResult
from providers_app.types.events import StreamFailed
from tests.proofs.chaos.part import Part, Say, Table
from tests.wire.fixture_cases import DIALECTS, ROOT, all_cases

SMALL_STEP = 23


class Recorded(msgspec.Struct, frozen=True):
    """A whole stream as it came."""

    name: str
    dialect: str
    body: bytes


def streams() -> list[Recorded]:
    """Return every recorded stream that ends whole."""
    found = [Recorded(case.name, case.dialect, case.body) for case in all_cases()]
    for dialect in DIALECTS:
        paths = sorted((ROOT / dialect / "replayed").glob("*.body"))
        found += [Recorded(f"{dialect}/replayed/{path.stem}", dialect, path.read_bytes()) for path in paths]
    return [one for one in found if b"data:" in one.body[:200] and result_of(one.dialect, one.body).complete]


def result_of(dialect: str, body: bytes) -> ChatResult:
    """Return what the reader makes of a body; a typed error that it raises is the answer's end."""
    reader = AnswerReader(by_name(dialect))
    events = []
    try:
        events = reader.feed(body)
        if not reader.ended:
            events += reader.close()
    except ProviderError as error:
        events.append(StreamFailed(error=error.info(), finish_reason="incomplete"))
    return fold(events)


def wrong_cuts(stream: Recorded, step: int) -> Iterator[str]:
    """Yield what is wrong where the body ends after ``step``, two, three ... times as many bytes."""
    whole = result_of(stream.dialect, stream.body)
    for size in range(0, len(stream.body), step):
        found = result_of(stream.dialect, stream.body[:size])
        if not whole.text.startswith(found.text.rstrip("\ufffd")):
            yield f"after {size} bytes the text is none of the whole one's beginning"
        if found.complete and (found.text, found.finish_reason) != (whole.text, whole.finish_reason):
            yield f"after {size} bytes it is complete"
        if found.complete and len(found.tool_calls) != len(whole.tool_calls):
            yield f"after {size} bytes it is complete without a call"
        if not found.complete and found.error is None:
            yield f"after {size} bytes there is no error"


def _play(cells: Sequence[str], full: bool, say: Say) -> bool:
    table = Table(say, "dialect", "streams", "cuts")
    found = streams()
    for dialect in cells:
        own = [stream for stream in found if stream.dialect == dialect]
        step = 1 if full else SMALL_STEP
        problems = [f"{stream.name}: {problem}" for stream in own for problem in wrong_cuts(stream, step)]
        cuts = sum(len(range(0, len(stream.body), step)) for stream in own)
        table.row(dialect, str(len(own)), f"{cuts:,}", problems=problems)
    return table.end()


PART = Part(
    name="truncated",
    title="Truncated after every byte",
    about="Every recorded stream that ends whole, cut after each of its bytes, at the reader of answers: what is left "
    "is a beginning of the text, with a typed error; it is complete only where all of the answer has come.",
    cells=DIALECTS,
    play=_play,
)
