"""The limit a minute of a person: pure, with a clock of the test's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers_app.resilience.allowance import Allowance


@given(st.lists(st.tuples(st.floats(0, 30), st.floats(1, 500)), max_size=60), st.integers(1, 120))
def test_no_more_is_sent_in_a_minute_than_there_is_and_in_order(steps: list[tuple[float, float]], limit: int) -> None:
    allowance, now = Allowance(limit, None, 0.0), 0.0
    sent: list[float] = []
    for step, tokens in steps:
        now += step
        sent.append(now + allowance.take(tokens, now))
    assert sent == sorted(sent), "who asks first is sent first"
    for at in sent:
        assert sum(at - 60 < other <= at for other in sent) <= 2 * limit, "a full bucket, and what fills in a minute"


@given(st.floats(1, 5000), st.floats(1, 5000), st.floats(0, 5000))
def test_what_is_given_back_or_settled_leaves_what_was_used(before: float, reserved: float, used: float) -> None:
    allowance = Allowance(100, 10_000, 0.0)
    allowance.take(before, 0.0)
    level = allowance.tokens.level(0.0), allowance.requests.level(0.0)
    allowance.take(reserved, 0.0)
    allowance.give_back(reserved, 0.0)
    assert (allowance.tokens.level(0.0), allowance.requests.level(0.0)) == pytest.approx(level)
    allowance.take(reserved, 0.0)
    allowance.settle(reserved, used, 0.0)
    assert allowance.tokens.level(0.0) == pytest.approx(level[0] - used)


def test_without_limits_nobody_waits() -> None:
    allowance = Allowance(None, None, 0.0)
    assert [allowance.take(1e9, 0.0) for _ in range(3)] == [0.0] * 3
