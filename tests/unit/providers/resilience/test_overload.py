"""A lane under ten times its load, with a clock of the test's own: what its clients get, and what the provider sees."""

import statistics

import pytest

from providers_app.resilience.lane import LanePolicy
from tests.proofs.chaos.simulation import Capacity, Load, Measured

SECONDS = 60.0
AT = [(8, 1.0), (8, None), (20, 1.0), (20, None), (50, 1.0), (50, None)]


def overloaded(slots: int, retry_after: float | None, people: int) -> tuple[Load, Measured]:
    capacity = Capacity(slots=slots, service_s=0.5, retry_after=retry_after)
    load = Load(capacity, LanePolicy(max_queue_size=2 * slots))
    for number in range(10 * slots):
        load.client(f"person {number % people}", 100)
    load.clock.run(SECONDS)
    return load, load.measured


@pytest.mark.parametrize("people", [1, 7, 1000])
@pytest.mark.parametrize(("slots", "retry_after"), AT)
def test_ten_times_the_load_is_served_at_the_rate_that_the_provider_has(
    slots: int, retry_after: float | None, people: int
) -> None:
    load, found = overloaded(slots, retry_after, people)
    assert found.requests >= 0.9 * load.capacity.rate * SECONDS
    assert found.attempts <= 1.2 * found.requests
    assert found.first_retry >= 0.99
    assert 0.67 <= found.over_oracle <= 1.5


def test_slots_find_the_number_that_the_provider_takes() -> None:
    load, found = overloaded(50, None, 10)
    later = found.slots[len(found.slots) // 2 :]
    assert statistics.median(later) == 50 and max(later) <= 51 and load.lane.slots.used <= 51


@pytest.mark.parametrize("max_queue_size", [1000, 20])
@pytest.mark.parametrize("tokens", [200_000, 1000])
def test_a_flood_of_one_person_hardly_delays_another(max_queue_size: int, tokens: float) -> None:
    def first_outputs(flood: int) -> list[float]:
        load = Load(Capacity(slots=8, service_s=0.5), LanePolicy(max_queue_size=max_queue_size))
        if flood:
            load.client("flood", tokens, count=flood)
        load.client("bob", 1000, think_s=0.3)
        load.clock.run(SECONDS)
        return load.measured.first_output["bob"]

    alone, beside = statistics.median(first_outputs(0)), first_outputs(80)
    assert statistics.median(beside) < 2 * alone + 0.5 and len(beside) > 40
