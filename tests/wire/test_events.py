"""Every block of every format, read into exactly these events."""

import pytest

from tests.wire import event_cases

CASES = list(event_cases.bodies())
EXPECTED = event_cases.expected()


@pytest.mark.parametrize(("dialect", "name", "body"), CASES, ids=[name for _, name, _ in CASES])
def test_an_answer_gives_exactly_these_events(dialect: str, name: str, body: bytes) -> None:
    assert event_cases.shown(dialect, body) == EXPECTED[name]


def test_every_kind_of_event_of_a_good_answer_occurs_in_each_format() -> None:
    everywhere = {"text_delta", "reasoning_delta", "tool_call_delta", "tool_call", "citation", "server_tool"}
    for dialect in {dialect for dialect, _, _ in CASES}:
        kinds = {event["type"] for kind in ("streamed", "whole") for event in EXPECTED[f"{dialect}/{kind}"]}
        assert kinds >= (everywhere - {"server_tool"} if dialect == "openai_chat" else everywhere)
