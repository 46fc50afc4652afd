"""Retry, budget, circuit, buckets and slots with a clock of the test's own."""

from copy import copy
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers_app import errors
from providers_app.resilience.breaker import Breaker, BreakerPolicy, BreakerState, counts
from providers_app.resilience.buckets import Bucket
from providers_app.resilience.concurrency import Concurrency, ConcurrencyPolicy
from providers_app.resilience.retry import BASE_S, CAP_S, RetryBudget, RetryPolicy, wait_before_retry

POLICY = RetryPolicy(max_retries=4)


# Retry


@given(st.integers(0, 3), st.floats(0, 1))
def test_a_wait_is_drawn_from_zero_to_a_doubling_cap(retries: int, drawn: float) -> None:
    wait = wait_before_retry(errors.ServerError("x"), retries, 1e9, POLICY, lambda: drawn)
    assert wait is not None and wait == pytest.approx(drawn * min(CAP_S, BASE_S * 2**retries))


@given(st.floats(0.001, 60), st.floats(0, 1))
def test_a_wait_that_the_provider_names_is_never_shortened(told: float, drawn: float) -> None:
    wait = wait_before_retry(errors.RateLimited("x", retry_after=told), 0, 1e9, POLICY, lambda: drawn)
    assert wait is not None and told <= wait <= 1.1 * told


@pytest.mark.parametrize(
    ("error", "retries", "left"),
    [
        (errors.AuthenticationFailed("x"), 0, 60.0),
        (errors.QuotaExhausted("x"), 0, 60.0),
        (errors.BadRequest("x"), 0, 60.0),
        (errors.ServerError("x"), 4, 60.0),
        (errors.RateLimited("x", retry_after=61.0), 0, 1000.0),
        (errors.RateLimited("x", retry_after=30.0), 0, 20.0),
    ],
)
def test_what_is_not_repeated(error: errors.UpstreamError, retries: int, left: float) -> None:
    assert wait_before_retry(error, retries, left, POLICY, lambda: 1.0) is None


def test_what_can_be_sent_again_now_waits_only_from_the_second_time_on() -> None:
    waits = [wait_before_retry(errors.Conflict("x"), number, 60.0, POLICY, lambda: 1.0) for number in range(3)]
    assert waits == [0.0, 1.0, 2.0]


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=400))
def test_retries_stay_within_a_fifth_of_the_minute(steps: list[tuple[float, bool]]) -> None:
    budget, now = RetryBudget(), 0.0
    sent: list[float] = []
    retried: list[float] = []
    for step, fails in steps:
        now += step
        budget.begin(now)
        sent.append(now)
        if fails and budget.allow(now):
            retried.append(now)
            budget.done()
        budget.end()
        recent = sum(at > now - 58 for at in retried)
        assert recent <= max(RetryBudget.FLOOR, RetryBudget.SHARE * sum(at > now - 62 for at in sent))
    assert budget.active == budget.retrying == 0


def test_a_storm_of_failures_is_cut_and_the_budget_comes_back() -> None:
    budget = RetryBudget()
    for _ in range(1000):
        budget.begin(0.0)
    assert sum(budget.allow(0.5) for _ in range(1000)) == 200
    assert not budget.allow(59.0) and budget.allow(61.0)


# Circuit


def opened(policy: BreakerPolicy = BreakerPolicy()) -> Breaker:
    breaker = Breaker(policy)
    for number in range(policy.least):
        permit = breaker.ask(number / 10)
        assert permit is not None
        breaker.failed(permit, number / 10, "500")
    return breaker


def test_a_circuit_opens_by_share_and_says_why() -> None:
    breaker = Breaker(BreakerPolicy())
    for number in range(6):
        permit = breaker.ask(float(number))
        assert permit is not None
        (breaker.failed(permit, float(number), "503") if number % 2 else breaker.succeeded(permit, float(number)))
    assert breaker.state is BreakerState.OPEN and "3 of 6 requests in 30 s failed" in breaker.why
    assert "503" in breaker.why and breaker.view(5.5).next_probe_s == pytest.approx(0.5)


def test_one_probe_at_a_time_whose_wait_doubles_up_to_a_minute() -> None:
    breaker, now, waits = opened(), 0.4, []
    for _ in range(8):
        wait = breaker.refused_for(now)
        assert wait is not None and breaker.ask(now + wait - 0.01) is None
        now += wait
        waits.append(wait)
        permit = breaker.ask(now)
        assert permit is not None and permit.probe and breaker.state is BreakerState.HALF_OPEN
        assert breaker.ask(now) is None, "one probe at a time"
        breaker.failed(permit, now, "still down")
    assert [round(wait) for wait in waits] == [1, 2, 4, 8, 16, 32, 60, 60]
    permit = breaker.ask(now + 60)
    assert permit is not None
    breaker.succeeded(permit, now + 61)
    assert breaker.state is BreakerState.CLOSED and breaker.ask(now + 61) is not None and not breaker.why


def test_a_probe_that_hangs_does_not_keep_the_next_one_back_for_ever() -> None:
    policy = BreakerPolicy(least=1)
    one = Breaker(policy)
    permit = one.ask(0.0)
    assert permit is not None
    one.failed(permit, 0.0, "500")
    hung = one.ask(1.0)
    assert hung is not None and one.ask(1.0 + policy.probe_patience_s - 0.1) is None
    second = one.ask(1.0 + policy.probe_patience_s)
    assert second is not None and one.ask(1.0 + policy.probe_patience_s) is None
    one.failed(hung, 20.0, "too late")
    assert one.state is BreakerState.HALF_OPEN, "it is not asked any more"
    one.succeeded(second, 21.0)
    assert one.state is BreakerState.CLOSED


def test_the_provider_names_the_least_that_a_circuit_stays_open() -> None:
    breaker = Breaker(BreakerPolicy(least=1))
    permit = breaker.ask(0.0)
    assert permit is not None
    breaker.failed(permit, 0.0, "529", retry_after=17.0)
    assert breaker.refused_for(0.0) == 17.0


def test_a_probe_that_tells_nothing_lets_the_next_one_go() -> None:
    breaker = opened()
    permit = breaker.ask(5.0)
    assert permit is not None and breaker.ask(5.0) is None
    breaker.given_up(permit)
    assert breaker.ask(5.0) is not None


def test_an_answer_that_began_before_the_change_says_nothing_of_what_came_after() -> None:
    breaker = Breaker(BreakerPolicy())
    early = breaker.ask(0.0)
    assert early is not None
    for number in range(5):
        permit = breaker.ask(0.1 * number)
        assert permit is not None
        breaker.failed(permit, 0.1 * number, "500")
    breaker.succeeded(early, 0.6)
    assert breaker.state is BreakerState.OPEN


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.ServerError("x"), True),
        (errors.Overloaded("x"), True),
        (errors.ConnectionFailed("x"), True),
        (errors.UpstreamTimeout("x"), True),
        (errors.BadAnswer("x"), True),
        (errors.AnswerTooLarge("x"), False),
        (errors.RateLimited("x"), False),
        (errors.AuthenticationFailed("x"), False),
        (errors.BadRequest("x"), False),
        (errors.ContentRefused("x"), False),
        (errors.Cancelled("x"), False),
        (errors.NotConfigured("x"), False),
    ],
)
def test_only_what_says_that_the_route_does_not_work_counts(error: errors.ProviderError, expected: bool) -> None:
    assert counts(error) is expected


# Buckets


@given(
    st.floats(1, 1e6),
    st.lists(
        st.tuples(st.floats(0, 30), st.floats(0, 1e5), st.sampled_from(["keep", "refund", "settle"])), max_size=60
    ),
)
def test_a_bucket_never_gives_more_than_full_and_what_filled_in(
    limit: float, steps: list[tuple[float, float, str]]
) -> None:
    bucket, now, kept, largest = Bucket(limit, 0.0), 0.0, 0.0, 0.0
    for step, units, end in steps:
        now += step
        wait = bucket.wait(units, now)
        assert bucket.reserve(units, now) is (wait == 0.0)
        if wait:
            assert copy(bucket).wait(units, now + wait) <= 1e-6 * max(1.0, wait)
            continue
        largest = max(largest, units)
        if end == "refund":
            bucket.refund(units, now)
        elif end == "settle":
            bucket.settle(units, units / 2, now)
            kept += units / 2
        else:
            kept += units
        assert bucket.level(now) <= limit * (1 + 1e-9)
        assert kept <= limit + now * limit / 60 + largest + 1e-6 * max(1.0, kept)


def test_what_the_provider_says_wins() -> None:
    bucket = Bucket(None, 0.0)
    assert bucket.wait(1e9, 0.0) == 0.0
    bucket.learn(0.0, 60.0, 3.0, 2.0)
    assert bucket.level(0.0) == 3.0 and bucket.reserve(3, 0.0) and bucket.wait(1, 0.0) == pytest.approx(1.0)
    bucket.learn(10.0, None, 0.0, 30.0)
    assert bucket.wait(1, 10.0) == pytest.approx(1.0), "a reset is when all are there, not the next one"
    bucket.pause(5.0, 20.0)
    assert not bucket.reserve(1, 24.9) and bucket.reserve(1, 25.0)


# Slots


def test_slots_grow_only_while_they_are_used() -> None:
    slots = Concurrency(ConcurrencyPolicy(start=4))
    slots.used = 1
    assert not any(slots.succeeded(float(at)) for at in range(100)) and slots.slots == 4
    slots.used = 4
    changes = [change for at in range(9) if (change := slots.succeeded(200.0 + at))]
    assert [(change.before, change.after) for change in changes] == [(4, 5), (5, 6)], "4 of 6 is no full use"


def test_slots_come_back_quickly_to_what_is_known_and_try_more_once_in_a_while() -> None:
    policy = ConcurrencyPolicy(start=20)
    slots = Concurrency(policy)
    slots.used = 20
    slots.limited(0.0, began=0.0)
    assert slots.slots == 16
    slots.used = 16
    assert slots.succeeded(policy.cool_down_s - 0.1) is None
    for _ in range(10):
        slots.used = slots.slots
        slots.succeeded(policy.cool_down_s)
    assert slots.slots == 19, "one less than were under way when the provider had enough"
    slots.used = 19
    assert not any(slots.succeeded(policy.probe_s - 0.1) for _ in range(100))
    found = [slots.succeeded(policy.probe_s) for _ in range(20)]
    assert sum(change is not None for change in found) == 1, "a full round brings one more"


def test_a_429_cuts_by_a_fifth_once_for_all_that_were_under_way_and_a_500_does_not() -> None:
    slots = Concurrency(ConcurrencyPolicy(start=10))
    slots.used = 10
    first = slots.limited(5.0, began=1.0)
    assert first is not None and (first.before, first.after) == (10, 8) and "429" in first.why
    assert slots.limited(5.1, began=1.0) is None and slots.slots == 8
    slots.failed(20.0)
    assert slots.slots == 8 and slots.succeeded(21.0) is None
    assert slots.limited(30.0, began=6.0) is not None


def test_a_crowd_of_429s_tells_how_many_the_account_takes_and_halves_at_most() -> None:
    slots = Concurrency(ConcurrencyPolicy(start=16))
    slots.used = 16
    sizes = []
    for number in range(12):  # of 16 at once, 4 are answered
        slots.limited(5.0 + 0.01 * number, began=1.0)
        sizes.append(slots.slots)
    assert sizes == [12, 12, 12, 12, 11, 10, 9, 8, 8, 8, 8, 8]
    slots.used = 8
    assert slots.limited(7.0, began=6.0) is not None and slots.slots == 6, "a later one cuts again"


@given(st.lists(st.sampled_from(["ok", "429", "500"]), max_size=200))
def test_slots_stay_within_their_bounds(what: list[str]) -> None:
    slots = Concurrency(ConcurrencyPolicy(start=4, least=1, most=8))
    sizes = [slots.slots]
    for at, one in enumerate(what):
        slots.used = slots.slots
        match one:
            case "ok":
                slots.succeeded(float(at))
            case "429":
                slots.limited(float(at), began=float(at))
            case _:
                slots.failed(float(at))
        sizes.append(slots.slots)
    assert all(1 <= size <= 8 for size in sizes) and all(after - before <= 1 for before, after in pairwise(sizes))
