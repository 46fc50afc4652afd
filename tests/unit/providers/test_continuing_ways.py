"""The ways in which a broken answer can go on: which a format may declare, and which what was shown leaves open."""

from typing import Any, get_args

import pytest

from providers_app.types.continuing import EXACT, SAID, UNDECLARED, WAYS, Continuing, Cursor, Way, open_ways
from providers_app.types.events import GeneratedFile, ReasoningDelta, TextDelta, ToolCall

ALL = Continuing(ways=("cursor", "prefix", "instruct", "restart"))
HERE = Cursor(response_id="r", after=7)
TEXT = TextDelta("Half an")


def test_the_ways_are_those_of_their_type_and_each_but_stop_has_words() -> None:
    assert get_args(Way) == WAYS and set(SAID) == set(WAYS) - {"stop"}
    assert set(WAYS) > EXACT and len(set(SAID.values())) == len(SAID)
    assert UNDECLARED.ways == ("instruct", "restart") and not UNDECLARED.echo and UNDECLARED.fault == ""


@pytest.mark.parametrize(
    ("events", "cursor", "ways"),
    [
        ((TEXT,), HERE, ("cursor", "prefix", "instruct", "restart")),
        ((TEXT,), None, ("prefix", "instruct", "restart")),
        ((), None, ("restart",)),
        ((), HERE, ("cursor", "restart")),
        ((TextDelta(" \n"),), None, ("restart",)),
        ((TextDelta("aside", aside=True),), None, ("restart",)),
        ((ReasoningDelta("hm"),), None, ("restart",)),
        ((ReasoningDelta("hm"), TEXT), None, ("instruct", "restart")),
        ((TEXT, GeneratedFile("image/png")), None, ("instruct", "restart")),
        ((TEXT, ToolCall(0, "c", "look", {})), None, ("stop",)),
        ((TEXT, ToolCall(0, "c", "look", {})), HERE, ("cursor",)),
        ((TEXT, ToolCall(0, "c", "look", {}, invalid_arguments="{")), None, ("prefix", "instruct", "restart")),
        ((TEXT, TextDelta("I will not.", refusal=True)), None, ("stop",)),
        ((TextDelta("", refusal=True),), HERE, ("cursor",)),
    ],
)
def test_what_was_shown_leaves_some_ways_open(events: Any, cursor: Cursor | None, ways: Any) -> None:
    assert open_ways(ALL, events, cursor) == ways


def test_only_declared_ways_are_open_and_without_any_the_answer_stays() -> None:
    assert open_ways(Continuing(ways=("restart",)), (TEXT,), HERE) == ("restart",)
    assert open_ways(Continuing(ways=()), (TEXT,), HERE) == ("stop",)
    assert open_ways(UNDECLARED, (TEXT,), HERE) == ("instruct", "restart")


@pytest.mark.parametrize(
    ("ways", "fault"),
    [
        (("cursor", "prefix", "instruct", "restart"), ""),
        ((), ""),
        (("restart",), ""),
        (("restart", "instruct"), "does not name the best way first"),
        (("prefix", "cursor"), "does not name the best way first"),
        (("again",), "names the way 'again'"),
        (("instruct", "stop"), "names the way 'stop'"),
    ],
)
def test_a_declaration_names_known_ways_best_first(ways: Any, fault: str) -> None:
    assert Continuing(ways=ways).fault == fault
