"""Answers with the exact events that they give, in ``tests/fixtures/events``.

``<dialect>.streamed.body`` and ``<dialect>.whole.body`` hold every kind of block that the format has; with them stand
the answers of ``fixture_cases``. ``python -m tests.wire.event_cases`` writes the events anew: read the difference.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from providers_app import dialects
from tests.wire import fixture_cases
from tests.wire.cutting import events_of

ROOT = fixture_cases.ROOT / "events"


def bodies() -> Iterator[tuple[str, str, bytes]]:
    """The dialect, the name and the bytes of each answer."""
    for dialect in fixture_cases.DIALECTS:
        for kind in ("streamed", "whole"):
            yield dialect, f"{dialect}/{kind}", (ROOT / f"{dialect}.{kind}.body").read_bytes()
    for case in fixture_cases.all_cases():
        if case.status < 400:
            yield case.dialect, case.name, case.body


def shown(dialect: str, body: bytes) -> list[Any]:
    """The events of an answer, as JSON."""
    events: list[Any] = json.loads(msgspec.json.encode(events_of(dialects.by_name(dialect), [body])))
    return events


def expected() -> dict[str, list[Any]]:
    """The events that each answer has to give, by its name."""
    return {
        name: events
        for dialect in fixture_cases.DIALECTS
        for name, events in json.loads((ROOT / f"{dialect}.json").read_text()).items()
    }


if __name__ == "__main__":
    for written in fixture_cases.DIALECTS:
        found = {name: shown(dialect, body) for dialect, name, body in bodies() if dialect == written}
        lines = [
            f"  {json.dumps(name)}: [\n    " + ",\n    ".join(json.dumps(one) for one in events) + "\n  ]"
            for name, events in found.items()
        ]
        (ROOT / f"{written}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
