"""Answers that are damaged in any way never raise: they end exactly once, and any cut of them gives the same events."""

import json
import os
import random
from typing import Any

import msgspec
import pytest

from providers_app import dialects, streaming
from providers_app.types.events import Event, StreamEnd, StreamFailed
from tests.wire import fixture_cases
from tests.wire.cutting import events_of, pieces

SEED = int(os.environ.get("WIRE_TEST_SEED", "20261120"))
ROUNDS = int(os.environ.get("WIRE_TEST_MUTATIONS", "300"))
JUNK = [None, True, 0, -1, 1.5, "", [], {}, "x", [None], {"a": 1}, [[]], {"text": 5}, 1e308]
CASES = fixture_cases.all_cases()


def damaged_value(value: Any, chance: float, rng: random.Random) -> Any:
    """The value with some of its parts replaced by others of the wrong type, or left out."""
    if rng.random() < chance:
        return rng.choice(JUNK)
    if isinstance(value, dict):
        return {key: damaged_value(item, chance, rng) for key, item in value.items() if rng.random() > chance / 2}
    if isinstance(value, list):
        return [damaged_value(item, chance, rng) for item in value]
    return value


def wrong_shapes(body: bytes, rng: random.Random) -> bytes:
    """The stream with damaged JSON payloads."""
    chance = rng.choice([0.02, 0.1, 0.3])
    lines = []
    for line in body.split(b"\n"):
        try:
            value = json.loads(line.removeprefix(b"data:"))
        except ValueError:
            lines.append(line)
        else:
            lines.append(b"data: " + json.dumps(damaged_value(value, chance, rng)).encode())
    return b"\n".join(lines)


def flipped_bytes(body: bytes, rng: random.Random) -> bytes:
    """The body with some bytes replaced by others."""
    damaged = bytearray(body)
    for _ in range(6):
        damaged[rng.randrange(len(damaged))] = rng.randrange(256)
    return bytes(damaged)


@pytest.mark.parametrize("damage", [wrong_shapes, flipped_bytes])
@pytest.mark.parametrize("name", list(dialects.NAMES))
def test_a_damaged_answer_ends_once_and_never_raises(name: str, damage: Any) -> None:
    dialect = dialects.by_name(name)
    for at in range(ROUNDS):
        rng = random.Random(f"{SEED}/{name}/{damage.__name__}/{at}")
        # Mostly answers of this dialect, sometimes of another one: a wrong base URL is damage too.
        case = rng.choice([case for case in CASES if case.dialect == name or rng.random() < 0.1])
        body = damage(case.body, rng)
        where = f"seed {SEED}, round {at}, {case.name}"
        events = events_of(dialect, [body])
        assert [event for event in events if isinstance(event, StreamEnd | StreamFailed)] == [events[-1]], where
        assert msgspec.json.decode(msgspec.json.encode(events), type=list[Event]) == events, where
        assert events_of(dialect, pieces(body, [rng.randrange(len(body) + 1)])) == events, where
        streaming.fold(events).to_dict()
        assert dialect.error(rng.choice([400, 404, 429, 500]), {"retry-after": "?"}, body).message, where
