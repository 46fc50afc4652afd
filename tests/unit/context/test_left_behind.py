"""Every kind of block, as it is stored and as it stands in the next request."""

import json

import pytest

from tests.unit.context import left_cases

EXPECTED = json.loads(left_cases.FILE.read_text())


@pytest.mark.parametrize("what", ["parts", "chunks"])
@pytest.mark.parametrize("name", EXPECTED)
def test_an_answer_leaves_exactly_this(name: str, what: str) -> None:
    assert left_cases.left()[name][what] == EXPECTED[name][what]
