"""Every part of a request, in exactly this body of each format."""

import json

import pytest

from tests.wire import body_cases
from tests.wire.fixture_cases import DIALECTS

CASES = [(dialect, name) for dialect in DIALECTS for name in body_cases.requests(dialect)]
EXPECTED = {dialect: json.loads((body_cases.FOLDER / f"{dialect}.json").read_text()) for dialect in DIALECTS}


@pytest.mark.parametrize(("dialect", "name"), CASES)
def test_a_request_has_exactly_this_body(dialect: str, name: str) -> None:
    assert body_cases.bodies(dialect)[name] == EXPECTED[dialect][name]
