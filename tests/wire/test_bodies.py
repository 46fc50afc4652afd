"""Every part of a request, in exactly this body of each format."""

import json

import pytest

from tests.wire import body_cases
from tests.wire.asking import ask, say
from tests.wire.fixture_cases import DIALECTS

CASES = [(dialect, name) for dialect in DIALECTS for name in body_cases.requests(dialect)]
EXPECTED = {dialect: json.loads((body_cases.FOLDER / f"{dialect}.json").read_text()) for dialect in DIALECTS}


@pytest.mark.parametrize(("dialect", "name"), CASES)
def test_a_request_has_exactly_this_body(dialect: str, name: str) -> None:
    assert body_cases.bodies(dialect)[name] == EXPECTED[dialect][name]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_pieces_of_an_answer_are_one_text_and_those_of_a_person_stay_apart(dialect: str) -> None:
    chat = ask(say("user", "first", "second"), say("assistant", "one", "two"), say("user", "Go on."))
    built = body_cases.FORMS[dialect].build_body(chat)
    assert b'"onetwo"' in built and b"first" in built and b"second" in built and b"firstsecond" not in built
