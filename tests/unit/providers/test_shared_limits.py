"""The script by which processes share limits, against a model of it, with a clock of its own; Redis is real."""

from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from providers_app.dispatch.shared import SCRIPT

STEP = st.one_of(
    st.tuples(st.just("take"), st.integers(0, 3), st.integers(0, 900), st.sampled_from([0.0, 1.0, 30.0, 600.0])),
    st.tuples(st.just("give"), st.integers(0, 3), st.integers(-300, 900), st.just(0.0)),
    st.tuples(st.just("pause"), st.just(0), st.just(0), st.sampled_from([0.5, 20.0])),
    st.tuples(st.just("learn"), st.integers(0, 10), st.integers(0, 500), st.just(0.0)),
)
LIMIT = st.sampled_from([None, 6.0, 60.0])


class Model:
    """Two buckets that start full and fill evenly; what is taken beyond their level is a debt that is waited for."""

    def __init__(self, limits: tuple[float | None, float | None]) -> None:
        self.limits, self.levels = limits, list(limits)
        self.at = self.paused = 0.0

    def ask(self, now: float, what: str, units: tuple[float, float], seconds: float) -> tuple[bool, float]:
        """Return whether it was done, and the seconds to wait."""
        filled = [
            None if limit is None else min(limit, level + (now - self.at) * limit / 60)
            for limit, level in zip(self.limits, self.levels, strict=True)
        ]
        waits = [self.paused - now]
        for limit, level, wanted in zip(self.limits, filled, units, strict=True):
            if limit is not None and what == "take":
                waits.append((min(wanted, limit) - level) * 60 / limit)
        wait = max(0.0, *waits)
        if what == "take" and wait > seconds:
            return False, wait
        self.at = now
        for number, (limit, level, wanted) in enumerate(zip(self.limits, filled, units, strict=True)):
            if limit is None:
                continue
            after = {"take": level - wanted, "give": min(limit, level + wanted), "learn": min(level, wanted)}
            self.levels[number] = after.get(what, level)
        if what == "pause":
            self.paused = max(self.paused, now + seconds)
        return True, wait


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=LIMIT, tokens=st.sampled_from([None, 600.0]), steps=st.lists(st.tuples(st.floats(0, 40), STEP)))
def test_the_script_keeps_the_buckets_of_the_model(
    redis_url: str, requests: float | None, tokens: float | None, steps: list[Any]
) -> None:
    client, model, now = redis.Redis.from_url(redis_url), Model((requests, tokens)), 1000.0
    model.at = now
    client.flushall()
    for elapsed, (what, asked, cost, seconds) in steps:
        now += elapsed
        given = [now, what, requests, tokens, asked, cost, seconds]
        told = client.eval(SCRIPT, 1, "account", *("" if value is None else value for value in given))
        done, wait = model.ask(now, what, (asked, cost), seconds)
        assert isinstance(told, bytes)
        assert (not told.startswith(b"-")) is done or abs(wait - seconds) < 1e-3, "a wait on the very bound"
        if what == "take":
            assert float(told.lstrip(b"-")) == pytest.approx(wait, abs=1e-3)


def test_what_is_kept_of_an_account_is_forgotten(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url)
    client.eval(SCRIPT, 1, "account", "", "take", 60, "", 1, 0, 0)
    assert 0 < client.pttl("account") <= 120_000
    client.eval(SCRIPT, 1, "account", "", "pause", 60, "", 0, 0, 600)
    assert 600_000 < client.pttl("account") <= 720_001, "not before its pause is over"
