"""What an answer leaves: the parts of the next request, and the chunks that are stored, in ``tests/fixtures/events``.

``python -m tests.unit.context.left_cases`` writes them anew: read the difference.
"""

import json
import os
from collections.abc import Iterable
from typing import Any

import msgspec

from providers_app import dialects, streaming
from providers_app.types.events import Event, Origin, StreamStart
from tests.wire import event_cases
from tests.wire.cutting import events_of

FILE = event_cases.ROOT / "left.json"
MADE = Origin("made", "m-1", "s-1")


def left() -> dict[str, Any]:
    """The chunks and the parts of each answer with every kind of block."""
    return {
        name: {"parts": _parts(events), "chunks": _chunks(events)}
        for dialect, name, body in event_cases.bodies()
        if name in (f"{dialect}/streamed", f"{dialect}/whole")
        for events in [[_made(event) for event in events_of(dialects.by_name(dialect), [body])]]
    }


def _made(event: Event) -> Event:
    return msgspec.structs.replace(event, origin=MADE) if isinstance(event, StreamStart) else event


def _parts(events: Iterable[Event]) -> Any:
    return json.loads(msgspec.json.encode(streaming.fold(events).parts))


def _chunks(events: Iterable[Event]) -> Any:
    from context_app.streams.answer_chunks import answer_chunks

    return json.loads(msgspec.json.encode(answer_chunks(events, "made")))


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "maestro_site.settings")
    FILE.write_text(json.dumps(left(), indent=1, ensure_ascii=False) + "\n")
