"""Two routes of which one fails, at a size for every run; ``python -m tests.proofs routes`` asks a thousand times.
And: would it notice?"""

from typing import Any

import pytest

from providers_app.resilience import course
from tests.proofs import routes

REQUESTS = 50


@pytest.mark.parametrize("cell", routes.CELLS)
def test_no_error_reaches_a_client_while_another_route_could_serve(cell: str) -> None:
    lines: list[str] = []
    assert routes.run(REQUESTS, lines.append, (cell,)), "\n".join(lines)
    made = routes.SENT.get(cell, b"-")
    if made != b"-":
        # A silent route's time may be over before its server has read, on a machine that is busy.
        asked = int(lines[-1].split("|")[3])
        assert asked >= (REQUESTS if made is not None else REQUESTS // 5), "the failing route was really asked"


@pytest.mark.parametrize("cell", ["status 500", "HTML", "session disabled"])
def test_the_proof_notices_a_route_that_ends_the_request(cell: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def first_alone(self: course.Course, *args: Any) -> course.Command:
        found = original(self, *args)
        return found if isinstance(found, course.Fail) or found.route == 0 else course.Fail(self._failure())

    original = course.Course.begin
    monkeypatch.setattr(course.Course, "begin", first_alone)
    if cell == "session disabled":
        monkeypatch.setattr("providers_app.dispatch.aliases._UNUSABLE", {"active": "x"})
    assert not routes.run(3, lambda _: None, (cell,))
