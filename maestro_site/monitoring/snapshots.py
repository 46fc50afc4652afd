"""The values of one process at one moment: counts, lanes, circuits, streams, the event loop, the last hour."""

from collections import deque

import msgspec

from context_app.streams import runtime
from providers_app import errors, measures
from providers_app.dispatch.states import States, states
from providers_app.measures import FIRST_OUTPUT, REQUESTS, TOKENS_USED, Family, Sample

HOUR_MIN = 60
MOST_PROVIDERS = 50
"""Providers of which the last hour is kept."""

COST = Family(
    "maestro_cost_dollars_total",
    "Cost of the tokens that providers reported, in US dollars, where the price of the model is known.",
    ("provider", "session", "model"),
)
LATENESS = Family(
    "maestro_loop_lateness_seconds", "How late the event loop wakes, ten times a second.", kind="histogram"
)
BLOCKED = Family("maestro_loop_blocked_total", "Times that the event loop was later than `max_lateness_ms`.")


class Minute(msgspec.Struct):
    """One minute of a provider: answers asked for, those that it failed, and seconds to the first output."""

    minute: int
    requests: int = 0
    failures: int = 0
    first: list[float] = msgspec.field(default_factory=measures.histogram)


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One process. ``at`` and ``started_at`` are seconds since the epoch, ``kind`` is ``web`` or ``worker``.

    ``late_s`` is the worst lateness of its event loop of the last minutes, ``blocked`` how often it was over the
    bound. ``journal_lag_s`` is how far the journal is behind.
    """

    process: str
    kind: str
    started_at: float
    at: float
    sample: Sample = Sample()
    states: States = States()
    hour: dict[str, list[Minute]] = {}
    late_s: float = 0.0
    blocked: int = 0
    live_streams: int = 0
    journal_lag_s: float = 0.0


def _failing() -> frozenset[str]:
    """Return the codes of errors that say that a provider does not work; an open circuit is one of them."""

    others, found = (errors.RateLimited, errors.Cancelled, errors.NotAdmitted), {errors.CircuitOpen.code}
    kinds: list[type[errors.UpstreamError]] = [errors.UpstreamError]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if not issubclass(kind, others) and not 400 <= kind.http_status < 500:
            found.add(kind.code)
    return frozenset(found)


FAILING = _failing()
NOT_ASKED = frozenset(
    kind.code
    for kind in (
        errors.NotAdmitted,
        errors.QueueFull,
        errors.QueueTimeout,
        errors.LimitReached,
        errors.PersonLimitReached,
    )
)
"""Codes of requests that were refused here for want of room, of which a provider knows nothing."""


class Hour:
    """The last hour of this process, by provider and minute, from the growth of its counts."""

    def __init__(self) -> None:
        self._before = Sample()
        self._minutes: dict[str, deque[Minute]] = {}

    def add(self, sample: Sample, now: float) -> None:
        """Take in what was counted since the last call; ``now`` is seconds since the epoch."""
        minute = int(now // 60)
        for key, value in sample.counters.items():
            grown = value - self._before.counters.get(key, 0)
            # Lookups have no model: they say little of how a provider answers.
            if grown > 0 and key[0] == REQUESTS.name and key[3] and key[4] not in NOT_ASKED:
                row = self._row(key[1], minute)
                row.requests += int(grown)
                row.failures += int(grown) if key[4] in FAILING else 0
        for key, values in sample.histograms.items():
            if key[0] == FIRST_OUTPUT.name:
                before = self._before.histograms.get(key, measures.histogram())
                grown_by = [max(0.0, now - then) for now, then in zip(values, before, strict=True)]
                if any(grown_by):
                    row = self._row(key[1], minute)
                    row.first = [a + b for a, b in zip(row.first, grown_by, strict=True)]
        self._before = sample

    def recent(self, now: float) -> dict[str, list[Minute]]:
        """Return the minutes of the last hour by provider."""
        oldest = int(now // 60) - HOUR_MIN
        for slug, minutes in list(self._minutes.items()):
            while minutes and minutes[0].minute <= oldest:
                minutes.popleft()
            if not minutes:
                del self._minutes[slug]
        return {slug: list(minutes) for slug, minutes in self._minutes.items()}

    def _row(self, provider: str, minute: int) -> Minute:
        if provider not in self._minutes and len(self._minutes) >= MOST_PROVIDERS:
            provider = measures.OTHER
        minutes = self._minutes.setdefault(provider, deque(maxlen=HOUR_MIN))
        if not minutes or minutes[-1].minute != minute:
            minutes.append(Minute(minute))
        return minutes[-1]


def dispatcher() -> tuple[Sample, States]:
    """Return the counts and the dispatcher of this process. Call it on the provider loop."""
    return measures.here.snapshot(), states()


def streams() -> tuple[int, float]:
    """Return how many answers run in this process, and the seconds by which its journal is behind."""
    here = runtime.existing()
    return (len(here.running()), here.journal.lag_s()) if here is not None else (0, 0.0)


def dispatcher_state() -> str:
    """Return ``ok``, or ``stopping`` once this process takes no further requests."""
    here = runtime.existing()
    return "stopping" if here is not None and here.closing else "ok"


def tokens_by_model(sample: Sample) -> dict[tuple[str, str, str], dict[str, float]]:
    """Return the tokens by kind of each (provider, session, model)."""
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for key, value in sample.counters.items():
        if key[0] == TOKENS_USED.name:
            found.setdefault((key[1], key[2], key[3]), {})[key[4]] = value
    return found
