"""Every block of every format, read into exactly these events."""

import pytest

from tests.wire import event_cases, fixture_cases

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


@pytest.mark.parametrize("dialect", fixture_cases.DIALECTS)
def test_an_answer_without_its_first_events_begins_with_a_start_all_the_same(dialect: str) -> None:
    blocks = (event_cases.ROOT / f"{dialect}.streamed.body").read_bytes().split(b"\n\n")
    for number in range(len(blocks)):
        events = event_cases.shown(dialect, b"\n\n".join(blocks[number:]))
        kinds = [event["type"] for event in events]
        assert kinds[0] == ("stream_failed" if len(kinds) == 1 else "stream_start"), number
        assert kinds.count("stream_start") <= 1 and kinds[-1] in ("stream_end", "stream_failed")
