"""The intent of a call in words, for every purpose, risk and source that there is, and for rows of every age."""

from typing import Any, get_args

import pytest

from context_app.models import ContextChunk
from context_app.tool_intents import (
    NOT_DECLARED,
    PURPOSE_LABELS,
    SOURCE_LABELS,
    intent_of_chunk,
    shown_intent,
    stored_intent,
)
from providers_app.types.intent import PURPOSES, RISK_LEVELS, IntentSource, ToolIntent


def test_every_purpose_and_source_has_words_of_its_own() -> None:
    assert tuple(PURPOSE_LABELS) == PURPOSES and set(SOURCE_LABELS) == set(get_args(IntentSource))
    for words in (PURPOSE_LABELS, SOURCE_LABELS):
        assert len(set(words.values())) == len(words) and NOT_DECLARED not in words.values()


@pytest.mark.parametrize("purpose", [*PURPOSES, None])
@pytest.mark.parametrize("source", get_args(IntentSource))
def test_an_intent_is_shown_in_words(purpose: Any, source: Any) -> None:
    assert shown_intent(ToolIntent(purpose, "tests/", "high", source)) == {
        "purpose": PURPOSE_LABELS[purpose] if purpose else NOT_DECLARED,
        "scope": "tests/",
        "risk": "high",
        "source": SOURCE_LABELS[source],
    }


@pytest.mark.parametrize(
    ("data", "read"),
    [
        ({}, ToolIntent(None, "look", "medium", "rule")),
        ([], ToolIntent(None, "look", "medium", "rule")),
        (None, ToolIntent(None, "look", "medium", "rule")),
        ({"purpose": "tidy up", "scope": 7, "risk_level": "huge", "source": "nobody"}, ToolIntent(None, "look")),
        ({"risk": "high"}, ToolIntent(None, "look", "high", "rule")),
        ({"risk": "high", "risk_level": "low"}, ToolIntent(None, "look", "low", "rule")),
        ({"scope": ""}, ToolIntent(None, "look")),
        (
            {"purpose": "maintenance", "scope": "s", "risk_level": "low", "source": "person"},
            ToolIntent("maintenance", "s", "low", "person"),
        ),
    ],
)
def test_what_cannot_be_read_of_a_row_is_the_rules(data: Any, read: ToolIntent) -> None:
    assert stored_intent(data, "look") == read
    assert intent_of_chunk(ContextChunk(intent=data, metadata={"name": "look"})) == read


def test_a_call_without_a_name_is_a_tools() -> None:
    assert intent_of_chunk(ContextChunk(intent={}, metadata={})).scope == "tool"
    assert {stored_intent({"risk_level": level}, "x").risk_level for level in RISK_LEVELS} == set(RISK_LEVELS)
