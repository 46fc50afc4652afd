"""The names of all metrics, and the text of them that Prometheus reads. ``docs/operations.md`` lists the names."""

from collections.abc import Iterable

from maestro_site.monitoring.overview import Overview
from maestro_site.monitoring.snapshots import BLOCKED, COST, LATENESS
from providers_app import measures
from providers_app.measures import BOUNDS_S, Family, Labels
from providers_app.resilience.breaker import BreakerState

_LANE, _LIMIT = ("provider", "session"), ("provider", "session", "unit")
SLOTS = Family("maestro_lane_slots", "Requests that a lane admits at once.", _LANE, "gauge")
USED = Family("maestro_lane_slots_used", "Requests that hold a slot of a lane.", _LANE, "gauge")
WAITING = Family(
    "maestro_queue_depth",
    "Requests that wait for a lane. `band`: `interactive`, `gateway`, `batch`.",
    (*_LANE, "band"),
    "gauge",
)
PAUSED = Family(
    "maestro_lane_paused_seconds", "Seconds until the limits of a lane let the next request through.", _LANE, "gauge"
)
LIMIT = Family("maestro_limit_per_minute", "Known limits of a session. `unit`: `requests`, `tokens`.", _LIMIT, "gauge")
LEFT = Family("maestro_limit_left", "The part of a known limit that is left now.", _LIMIT, "gauge")
CIRCUIT = Family(
    "maestro_circuit_state",
    "State of a circuit that had requests lately: 0 closed, 1 half-open, 2 open. Of several processes, the worst.",
    ("provider", "session", "model"),
    "gauge",
)
STREAMS = Family("maestro_live_streams", "Answers that run.", kind="gauge")
LAG = Family(
    "maestro_journal_lag_seconds",
    "Seconds since the journal cannot commit, else those that the last commit took. Of several processes, the worst.",
    kind="gauge",
)
PROCESSES = Family(
    "maestro_processes", "Processes that published lately, by `kind`: `web`, `worker`.", ("kind",), "gauge"
)
GAUGES = (SLOTS, USED, WAITING, PAUSED, LIMIT, LEFT, CIRCUIT, STREAMS, LAG, PROCESSES)
FAMILIES = (*measures.FAMILIES, COST, LATENESS, BLOCKED, *GAUGES)
_LEVEL = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


def rows() -> list[str]:
    """Return the rows of the table of the documentation."""
    return [
        f"| `{family.name}` | {family.kind} | {', '.join(f'`{label}`' for label in family.labels)} | {family.help} |"
        for family in FAMILIES
    ]


def text(found: Overview) -> tuple[bytes, str]:
    """Return the metrics as Prometheus reads them, and the content type."""
    # Loaded with the first scrape: commands and workers have no use for it.
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

    values = _gauges(found)
    for key, value in found.sample.counters.items():
        values.setdefault(key[0], []).append((key[1:], value))
    histograms: dict[str, list[tuple[Labels, list[float]]]] = {}
    for key, buckets in found.sample.histograms.items():
        histograms.setdefault(key[0], []).append((key[1:], buckets))

    class Collector:
        def collect(self) -> Iterable[Metric]:
            for family in FAMILIES:
                about = family.help.replace("`", "")
                if family.kind == "histogram":
                    histogram = HistogramMetricFamily(family.name, about, labels=family.labels)
                    for labels, buckets in sorted(histograms.get(family.name, [])):
                        histogram.add_metric(labels, _cumulative(buckets), sum_value=buckets[-1])
                    yield histogram
                    continue
                kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
                metric = kind(family.name, about, labels=family.labels)
                for labels, value in sorted(values.get(family.name, [])):
                    metric.add_metric(labels, value)
                yield metric

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collector())
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


def _gauges(found: Overview) -> dict[str, list[tuple[Labels, float]]]:
    values: dict[str, list[tuple[Labels, float]]] = {}

    def tell(family: Family, *labels: str, value: float | None) -> None:
        if value is not None:
            values.setdefault(family.name, []).append((labels, value))

    for lane in found.lanes:
        at = (lane.provider, lane.session)
        tell(SLOTS, *at, value=lane.slots)
        tell(USED, *at, value=lane.used)
        tell(PAUSED, *at, value=lane.paused_s)
        for band, count in lane.waiting.items():
            tell(WAITING, *at, band, value=count)
        tell(LIMIT, *at, "requests", value=lane.requests_per_minute)
        tell(LIMIT, *at, "tokens", value=lane.tokens_per_minute)
        tell(LEFT, *at, "requests", value=lane.requests_left)
        tell(LEFT, *at, "tokens", value=lane.tokens_left)
    for circuit in found.circuits:
        state = circuit.state
        tell(CIRCUIT, state.provider, state.session, state.model, value=_LEVEL[state.state])
    tell(STREAMS, value=found.live_streams)
    tell(LAG, value=max((each.journal_lag_s for each in found.processes), default=0.0))
    for kind in sorted({each.kind for each in found.processes}):
        tell(PROCESSES, kind, value=sum(each.kind == kind for each in found.processes))
    return values


def _cumulative(buckets: list[float]) -> list[tuple[str, float]]:
    total, rows = 0.0, []
    for bound, count in zip((*map(str, BOUNDS_S), "+Inf"), buckets[:-1], strict=True):
        total += count
        rows.append((bound, total))
    return rows
