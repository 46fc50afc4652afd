"""The last hour by provider, and all processes together."""

import time

import pytest

from maestro_site.monitoring import files
from maestro_site.monitoring.overview import overview, quantile
from maestro_site.monitoring.snapshots import FAILING, NOT_ASKED, Hour, Minute
from providers_app import errors, measures
from providers_app.dispatch.states import CircuitState, LaneState, States
from providers_app.measures import BOUNDS_S, FIRST_OUTPUT, REQUESTS, Sample
from providers_app.resilience.breaker import BreakerState
from tests.unit.site.monitoring.conftest import Make

NOW = 1_800_000_000.0


def asked(**outcomes: float) -> Sample:
    return Sample({(REQUESTS.name, "demo", "s", "m", code): count for code, count in outcomes.items()})


def test_what_a_provider_failed_is_told_from_what_it_was_not_asked() -> None:
    assert {"upstream_server_error", "upstream_overloaded", "connection_failed", "upstream_timeout"} <= FAILING
    assert not FAILING & {"upstream_rate_limit", "upstream_authentication", "cancelled", "upstream_bad_request"}
    refusals = {kind.code for kind in (errors.NotAdmitted, *errors.NotAdmitted.__subclasses__())} - {"circuit_open"}
    assert refusals | {"person_limit_reached"} == NOT_ASKED
    assert "circuit_open" in FAILING
    assert not FAILING & NOT_ASKED


def test_the_hour_is_made_of_what_counts_grew_by() -> None:
    hour = Hour()
    hour.add(asked(ok=3, upstream_overloaded=1, queue_full=7), NOW)
    hour.add(asked(ok=3, upstream_overloaded=1, queue_full=9), NOW + 20)
    hour.add(asked(ok=5, upstream_overloaded=2, upstream_rate_limit=1), NOW + 65)
    found = hour.recent(NOW + 65)["demo"]
    first = int(NOW // 60)
    assert [(row.minute, row.requests, row.failures) for row in found] == [(first, 4, 1), (first + 1, 4, 1)]
    assert [row.minute for row in hour.recent(NOW + 3605)["demo"]] == [first + 1]
    assert hour.recent(NOW + 4000) == {}


def test_lookups_say_nothing_of_how_a_provider_answers() -> None:
    hour = Hour()
    hour.add(Sample({(REQUESTS.name, "demo", "s", "", "connection_failed"): 4}), NOW)
    assert hour.recent(NOW) == {}


def test_first_outputs_of_each_minute_are_kept_apart() -> None:
    hour, key = Hour(), (FIRST_OUTPUT.name, "demo")
    slow, fast = measures.histogram(), measures.histogram()
    slow[BOUNDS_S.index(5.0)], slow[-1] = 2, 8.0
    hour.add(Sample({}, {key: slow}), NOW)
    fast[BOUNDS_S.index(5.0)], fast[BOUNDS_S.index(0.1)], fast[-1] = 2, 3, 8.2
    hour.add(Sample({}, {key: fast}), NOW + 60)
    one, two = hour.recent(NOW + 60)["demo"]
    assert sum(one.first[:-1]) == 2 and two.first[BOUNDS_S.index(0.1)] == 3 and sum(two.first[:-1]) == 3


def test_a_quantile_lies_within_its_bucket() -> None:
    values = measures.histogram()
    assert quantile(values, 0.95) is None
    values[BOUNDS_S.index(1.0)], values[BOUNDS_S.index(2.0)] = 90, 10
    assert quantile(values, 0.95) == pytest.approx(1.75)
    assert quantile(values, 0.45) == pytest.approx(0.875)
    values[-2] = 1000
    assert quantile(values, 0.95) == BOUNDS_S[-1]


def circuit(state: BreakerState, **values: object) -> States:
    made = CircuitState(provider="demo", session="s", model="m", state=state, **values)  # type: ignore[arg-type]
    return States((), (made,))


def test_of_several_processes_the_worst_circuit_is_told_and_in_how_many(make: Make) -> None:
    now = time.time()
    files.publish(make("a", at=now, states=circuit(BreakerState.CLOSED, requests=9)), again=False)
    files.publish(make("b", at=now, states=circuit(BreakerState.OPEN, why="no", next_probe_s=30.0)), again=False)
    files.publish(make("c", at=now, kind="worker", states=circuit(BreakerState.HALF_OPEN)), again=False)
    found = overview()
    (one,) = found.circuits
    assert one.state.why == "no" and one.processes == 2 and one.is_open and 20 < one.next_probe_s <= 30
    assert found.providers()["demo"].state is BreakerState.OPEN
    assert found.providers(sessions={"other"}) == {}


def test_a_silent_process_has_no_states_but_its_counts_and_its_hour(make: Make) -> None:
    now = time.time()
    minute = int(now // 60) - 1
    gone = make(
        "gone",
        at=now - 300,
        states=circuit(BreakerState.OPEN),
        sample=asked(ok=2),
        hour={"demo": [Minute(minute, 2, 1), Minute(minute - 90, 5, 5)]},
        live_streams=4,
    )
    files.publish(gone, again=False)
    found = overview()
    assert found.processes == [] and found.circuits == [] and found.live_streams == 0
    assert found.sample == asked(ok=2)
    provider = found.providers()["demo"]
    assert (provider.requests, provider.failures, provider.error_rate) == (2, 1, 0.5)
    assert sum(requests for requests, _ in provider.bars) == 2 and len(provider.bars) == 30


def test_hours_and_lanes_of_processes_are_joined(make: Make) -> None:
    now = time.time()
    minute = int(now // 60)
    first = measures.histogram()
    first[BOUNDS_S.index(1.0)] = 1

    def lane(**values: object) -> States:
        return States((LaneState(provider="demo", session="s", **values),))  # type: ignore[arg-type]

    for process, waiting, limit in (("a", {"batch": 2}, 60.0), ("b", {"batch": 1, "interactive": 4}, None)):
        files.publish(
            make(
                process,
                at=now,
                states=lane(slots=16, used=3, waiting=waiting, requests_per_minute=limit, requests_left=limit),
                hour={"demo": [Minute(minute, 1, 0, list(first))]},
            ),
            again=False,
        )
    found = overview()
    (joined,) = found.lanes
    assert (joined.slots, joined.used, joined.waiting) == (32, 6, {"batch": 3, "interactive": 4})
    assert joined.requests_per_minute == joined.requests_left == 60.0
    assert (found.waiting, found.used) == (7, 6)
    provider = found.providers()["demo"]
    assert provider.requests == 2 and provider.p95_s == pytest.approx(0.9875)


def test_ones_own_values_are_newer_than_those_in_the_folder(make: Make) -> None:
    now = time.time()
    files.publish(make("own", at=now - 5, sample=asked(ok=1)), again=False)
    assert overview(make("own", at=now, sample=asked(ok=2))).sample == asked(ok=2)
