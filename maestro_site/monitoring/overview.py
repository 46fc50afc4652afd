"""All processes together: the health of each provider in words and numbers, and why its circuits are as they are."""

import time
from collections.abc import Collection, Iterable

import msgspec
from django.conf import settings

from maestro_site.monitoring import files
from maestro_site.monitoring.snapshots import HOUR_MIN, Minute, Snapshot
from providers_app import measures
from providers_app.dispatch.states import CircuitState, LaneState
from providers_app.measures import BOUNDS_S, Sample
from providers_app.resilience.breaker import BreakerState

SLOT_MIN = 2
"""Minutes of one bar of a sparkline."""
LEAST_LIVE_S = 30.0
_ORDER = (BreakerState.OPEN, BreakerState.HALF_OPEN, BreakerState.CLOSED)


class Circuit(msgspec.Struct, frozen=True):
    """A circuit as a process told it ``age_s`` ago. ``processes`` is how many have one that is not closed."""

    state: CircuitState
    age_s: float
    processes: int = 1

    @property
    def is_open(self) -> bool:
        """``True`` while requests are held back."""
        return self.state.state is not BreakerState.CLOSED

    @property
    def next_probe_s(self) -> float:
        """Seconds from now until the next probe."""
        return max(0.0, self.state.next_probe_s - self.age_s)


class Provider(msgspec.Struct, kw_only=True):
    """The last hour of a provider: answers asked for, those that it failed, and its circuits, the worst first.

    ``p95_s`` are the seconds to the first output that 95 % did not exceed; ``None``: nothing was answered. ``bars`` are
    the requests and the failures of each ``SLOT_MIN`` minutes.
    """

    slug: str
    requests: int = 0
    failures: int = 0
    p95_s: float | None = None
    bars: list[tuple[int, int]] = []
    circuits: list[Circuit] = []
    lanes: list[LaneState] = []

    @property
    def state(self) -> BreakerState:
        """The state of the worst circuit."""
        return self.circuits[0].state.state if self.circuits else BreakerState.CLOSED

    @property
    def error_rate(self) -> float | None:
        """The share of requests that failed, ``None`` where nothing was asked."""
        return self.failures / self.requests if self.requests else None


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The installation, as far as the data folder tells; ``processes`` are those that live."""

    at: float
    processes: list[Snapshot]
    sample: Sample
    lanes: list[LaneState]
    circuits: list[Circuit]
    hour: dict[str, list[Minute]]

    @property
    def waiting(self) -> int:
        """Requests that wait in queues."""
        return sum(sum(lane.waiting.values()) for lane in self.lanes)

    @property
    def used(self) -> int:
        """Requests that hold a slot."""
        return sum(lane.used for lane in self.lanes)

    @property
    def live_streams(self) -> int:
        """Answers that run."""
        return sum(each.live_streams for each in self.processes)

    @property
    def scope(self) -> str:
        """The scope of limits and circuits: ``shared`` by all processes, or of each ``process`` alone."""
        each = {process.states.scope for process in self.processes}
        return "shared" if each == {"shared"} else "process"

    def providers(self, sessions: Collection[str] | None = None) -> dict[str, Provider]:
        """Return every provider that something is known of; circuits and lanes of these sessions alone, if given."""
        found: dict[str, Provider] = {}
        for slug, minutes in self.hour.items():
            found[slug] = _provider(slug, minutes, self.at)
        for lane in self.lanes:
            if sessions is None or lane.session in sessions:
                found.setdefault(lane.provider, Provider(slug=lane.provider)).lanes.append(lane)
        for circuit in self.circuits:
            if sessions is None or circuit.state.session in sessions:
                slug = circuit.state.provider
                found.setdefault(slug, Provider(slug=slug)).circuits.append(circuit)
        return dict(sorted(found.items()))


def overview(own: Snapshot | None = None) -> Overview:
    """Return all processes together; ``own`` is newer than what this process left. Reads files."""
    now = time.time()
    left = [each for each in files.snapshots() if own is None or each.process != own.process]
    every = [*left, own] if own is not None else left
    total = files.ended()
    for snapshot in every:
        total.add(snapshot.sample)
    longest = max(LEAST_LIVE_S, 3 * settings.MAESTRO.monitoring.health_check_interval_seconds)
    alive = [each for each in every if now - each.at <= longest]
    hour: dict[str, list[Minute]] = {}
    for snapshot in every:
        for slug, minutes in snapshot.hour.items():
            hour[slug] = _joined(hour.get(slug, []), minutes, now)
    return Overview(
        at=now,
        processes=alive,
        sample=total,
        lanes=_lanes(alive),
        circuits=_circuits(alive, now),
        hour={slug: minutes for slug, minutes in hour.items() if minutes},
    )


def quantile(histogram: list[float], share: float) -> float | None:
    """Return the seconds that ``share`` of a histogram did not exceed, evenly within a bucket; ``None``: it is empty.

    What is above the last bound counts as that bound.
    """
    counts = histogram[:-1]
    rank, passed = share * sum(counts), 0.0
    if not rank:
        return None
    for index, count in enumerate(counts[: len(BOUNDS_S)]):
        if passed + count >= rank:
            low = BOUNDS_S[index - 1] if index else 0.0
            return low + (BOUNDS_S[index] - low) * (rank - passed) / count
        passed += count
    return BOUNDS_S[-1]


def _provider(slug: str, minutes: list[Minute], now: float) -> Provider:
    first, bars = measures.histogram(), [(0, 0)] * (HOUR_MIN // SLOT_MIN)
    begin = int(now // 60) - HOUR_MIN + 1
    for row in minutes:
        first = [a + b for a, b in zip(first, row.first, strict=True)]
        slot = (row.minute - begin) // SLOT_MIN
        bars[slot] = (bars[slot][0] + row.requests, bars[slot][1] + row.failures)
    return Provider(
        slug=slug,
        requests=sum(row.requests for row in minutes),
        failures=sum(row.failures for row in minutes),
        p95_s=quantile(first, 0.95),
        bars=bars,
    )


def _joined(known: list[Minute], more: list[Minute], now: float) -> list[Minute]:
    rows = {row.minute: row for row in known}
    this = int(now // 60)
    for row in more:
        if not this - HOUR_MIN < row.minute <= this:
            continue
        mine = rows.get(row.minute)
        if mine is not None:
            first = [a + b for a, b in zip(mine.first, row.first, strict=True)]
            row = Minute(row.minute, mine.requests + row.requests, mine.failures + row.failures, first)
        rows[row.minute] = row
    return [rows[minute] for minute in sorted(rows)]


def _lanes(processes: Iterable[Snapshot]) -> list[LaneState]:
    """Return the lane of each session: slots and waiting requests of all processes, the narrowest limits."""
    found: dict[tuple[str, str], LaneState] = {}
    for process in processes:
        for lane in process.states.lanes:
            key = (lane.provider, lane.session)
            found[key] = _wider(found[key], lane) if key in found else lane
    return [found[key] for key in sorted(found)]


def _wider(one: LaneState, other: LaneState) -> LaneState:
    bands = one.waiting.keys() | other.waiting.keys()
    return msgspec.structs.replace(
        one,
        slots=one.slots + other.slots,
        used=one.used + other.used,
        waiting={band: one.waiting.get(band, 0) + other.waiting.get(band, 0) for band in sorted(bands)},
        requests_per_minute=_least(one.requests_per_minute, other.requests_per_minute),
        requests_left=_least(one.requests_left, other.requests_left),
        tokens_per_minute=_least(one.tokens_per_minute, other.tokens_per_minute),
        tokens_left=_least(one.tokens_left, other.tokens_left),
        paused_s=max(one.paused_s, other.paused_s),
        source=one.source if one.source != "adaptive" else other.source,
        change=one.change or other.change,
    )


def _least(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else min(one, other)


def _circuits(processes: Iterable[Snapshot], now: float) -> list[Circuit]:
    """Return each circuit once, as the process that has it worst knows it; the worst first."""
    found: dict[tuple[str, str, str], list[Circuit]] = {}
    for process in processes:
        for state in process.states.circuits:
            circuit = Circuit(state, max(0.0, now - process.at))
            found.setdefault((state.provider, state.session, state.model), []).append(circuit)
    worst = []
    for circuits in found.values():
        circuits.sort(key=lambda each: (_ORDER.index(each.state.state), -each.state.failures))
        worst.append(msgspec.structs.replace(circuits[0], processes=sum(each.is_open for each in circuits)))
    return sorted(worst, key=lambda each: (_ORDER.index(each.state.state), -each.state.failures))
