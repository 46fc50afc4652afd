"""The order of an alias's routes: pure, with a clock of the test's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers_app.resilience.ordering import HALF_LIFE_S, SLOW_S, TIMES, Pace, Standing, order

SECONDS = st.floats(0, 600, allow_nan=False)
ROUTES = st.lists(st.builds(Standing, SECONDS, st.booleans()), max_size=8)


@given(ROUTES)
def test_no_route_is_lost_and_none_is_there_twice(routes: list[Standing]) -> None:
    assert sorted(order(routes)) == list(range(len(routes)))


@given(st.lists(st.builds(Standing, st.floats(0, SLOW_S), st.just(False)), max_size=8))
def test_the_persons_order_holds_below_the_threshold(routes: list[Standing]) -> None:
    assert order(routes) == list(range(len(routes)))


@given(ROUTES)
def test_a_route_goes_in_front_of_an_earlier_one_only_for_a_reason(routes: list[Standing]) -> None:
    found = order(routes)
    free = [route.seconds for route in routes if not route.blocked]
    for place, later in enumerate(found):
        for earlier in found[place + 1 :]:
            if earlier > later:
                continue
            passed = routes[earlier]
            slow = passed.seconds > SLOW_S and passed.seconds > TIMES * min(free, default=0.0)
            assert passed.blocked or slow, "it was passed by although it could serve as well"


@given(ROUTES)
def test_what_cannot_be_asked_comes_last(routes: list[Standing]) -> None:
    blocked = [routes[number].blocked for number in order(routes)]
    assert blocked == sorted(blocked)


@given(st.lists(SECONDS, min_size=1, max_size=8))
def test_one_of_the_fastest_is_always_asked_first(seconds: list[float]) -> None:
    routes = [Standing(one) for one in seconds]
    first = routes[order(routes)[0]].seconds
    assert first <= max(SLOW_S, TIMES * min(seconds))


def test_a_slow_route_gives_way_and_is_tried_again_after_a_while() -> None:
    slow = Pace()
    slow.note(40.0, 100.0)
    assert order([Standing(slow.seconds(100.0)), Standing(1.0)]) == [1, 0]
    later = 100.0 + 3 * HALF_LIFE_S
    assert slow.seconds(later) == pytest.approx(5.0)
    assert order([Standing(slow.seconds(later + 1)), Standing(1.0)]) == [0, 1]


def test_routes_that_are_all_slow_keep_their_order() -> None:
    assert order([Standing(40.0), Standing(30.0)]) == [0, 1]


@given(st.lists(st.tuples(st.floats(0.001, 600), st.floats(0, 100)), min_size=1, max_size=30))
def test_the_pace_stays_between_what_was_seen(answers: list[tuple[float, float]]) -> None:
    pace, now = Pace(), 0.0
    for seconds, step in answers:
        now += step
        pace.note(seconds, now)
        assert 0.0 < pace.seconds(now) <= max(one for one, _ in answers) + 1e-9
