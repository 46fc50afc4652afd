"""An answer's events as they are stored."""

from context_app.streams.transcript import MAX_ADVICE, MAX_ADVICE_CHARS, decode, encode
from providers_app.types.advice import Advice
from providers_app.types.events import StreamStart


def test_the_notes_of_a_long_history_are_bounded_and_the_rest_is_counted() -> None:
    notes = [
        Advice(level="hint", field="messages", what=f"{number} " + "x" * 2_000, nearest=["y" * 2_000])
        for number in range(MAX_ADVICE + 1_234)
    ]
    event, data = encode(StreamStart("m", advice=tuple(notes)))
    assert decode(data) == event and isinstance(event, StreamStart)
    assert len(event.advice) == MAX_ADVICE + 1 and len(data) < 70_000
    first, last = event.advice[0], event.advice[-1]
    assert first.what.startswith("0 xxx") and first.what.endswith("… (1,502 more characters)") and first.nearest is None
    assert last.what == "1,234 more notes are not stored."


def test_a_few_short_notes_are_stored_as_they_are() -> None:
    notes = tuple(
        Advice(level="hint", field="top_p", what="w" * MAX_ADVICE_CHARS, nearest=1) for _ in range(MAX_ADVICE)
    )
    event, _ = encode(StreamStart("m", advice=notes))
    assert isinstance(event, StreamStart) and event.advice == notes
