"""Counts of what this process did for its providers: requests, tokens, retries, refreshes. No I/O, and bounded.

Labels are slugs, ids and codes, never names that people chose. Everything is counted on the provider loop, once for
each request, at its end; ``snapshot`` copies it there to be published.
"""

from bisect import bisect_left
from typing import Literal, Protocol

import msgspec

from providers_app.types.chat import ChatRequest
from providers_app.types.events import Event, Usage

Labels = tuple[str, ...]
Key = tuple[str, ...]
"""The name of a family and the values of its labels."""

BOUNDS_S = (
    0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 60.0,
    120.0, 300.0, 600.0,
)  # fmt: skip
"""Upper bounds of the buckets of every histogram, in seconds."""
MOST_ROWS, MOST_MODELS, MOST_SERIES = 1000, 100, 2000
"""Models of sessions in all, models of one session, and series of the other families; what is beyond is ``other``."""
LONGEST_MODEL = 120
OTHER = "other"
TOKENS = ("input", "output", "cached_input", "cache_write", "reasoning")
"""Kinds of tokens; the last three are parts of the first two."""


class Family(msgspec.Struct, frozen=True):
    """A metric: its name, what it says, and the names of its labels."""

    name: str
    help: str
    labels: Labels = ()
    kind: Literal["counter", "histogram", "gauge"] = "counter"


_ROUTE = ("provider", "session", "model")
REQUESTS = Family(
    "maestro_requests_total",
    "Requests that ended. `outcome`: `ok`, `stopped` (the reader left), or the code of an error. `model` is empty for "
    "lookups: model lists, tests of a key, token counts.",
    (*_ROUTE, "outcome"),
)
TOKENS_USED = Family(
    "maestro_tokens_total",
    f"Tokens that providers reported. `kind`: {', '.join(f'`{kind}`' for kind in TOKENS)}; the last three are parts of "
    "the first two.",
    (*_ROUTE, "kind"),
)
FIRST_OUTPUT = Family(
    "maestro_first_output_seconds",
    "From the request to the first output of the answer, with waiting and retries.",
    ("provider",),
    "histogram",
)
DURATION = Family(
    "maestro_request_seconds",
    "From the request to the end of the answer, with waiting and retries.",
    ("provider",),
    "histogram",
)
WAIT = Family(
    "maestro_queue_wait_seconds",
    "Waits of requests that found no room, admitted or not.",
    ("provider", "band"),
    "histogram",
)
RETRIES = Family(
    "maestro_retries_total",
    "Attempts that failed before any output, by what follows. `class`: `after` (repeated after the wait that the "
    "provider named), `backoff` (after a random one), `refresh` (after renewing the login), `never` (not repeated).",
    ("provider", "class"),
)
CIRCUITS = Family("maestro_circuit_transitions_total", "Changes of circuits to this state.", ("provider", "state"))
SLOTS = Family(
    "maestro_slot_changes_total",
    "Changes of the number of slots of a lane. `direction`: `up`, `down`.",
    ("provider", "direction"),
)
REFRESHES = Family(
    "maestro_refreshes_total",
    "Refreshes of logins that ended here, by what was done: `refreshed`, `waited`, `skipped`, `kept`, `failed`, "
    "`unknown`, `needs_person`.",
    ("outcome",),
)
FAMILIES = (
    REQUESTS, TOKENS_USED, FIRST_OUTPUT, DURATION, WAIT, RETRIES, CIRCUITS, SLOTS, REFRESHES,
)  # fmt: skip


def histogram() -> list[float]:
    """Return an empty histogram: its buckets, one for what is above all bounds, and the sum in seconds."""
    return [0] * (len(BOUNDS_S) + 2)


class Row(msgspec.Struct, eq=False):
    """The counts of one model of one session. ``tokens`` are in the order of ``TOKENS``."""

    first: list[float]
    whole: list[float]
    outcomes: dict[str, int] = {}
    tokens: list[int] = msgspec.field(default_factory=lambda: [0] * len(TOKENS))

    def ended(self, outcome: str, usage: Usage | None, first_s: float | None, whole_s: float) -> None:
        """Count a request that ended, ``whole_s`` seconds after it began; ``first_s``: until its first output."""
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        if usage is not None:
            tokens = self.tokens
            tokens[0] += usage.input_tokens or 0
            tokens[1] += usage.output_tokens or 0
            tokens[2] += usage.cached_input_tokens or 0
            tokens[3] += usage.cache_write_tokens or 0
            tokens[4] += usage.reasoning_tokens or 0
        if first_s is not None:
            self.first[bisect_left(BOUNDS_S, first_s)] += 1
            self.first[-1] += first_s
            self.whole[bisect_left(BOUNDS_S, whole_s)] += 1
            self.whole[-1] += whole_s


class Sample(msgspec.Struct, frozen=True):
    """A copy of counts, and the sum of several."""

    counters: dict[Key, float] = {}
    histograms: dict[Key, list[float]] = {}

    def add(self, other: "Sample") -> None:
        """Add the counts of another one."""
        for key, value in other.counters.items():
            self.counters[key] = self.counters.get(key, 0) + value
        for key, values in other.histograms.items():
            mine = self.histograms.get(key)
            self.histograms[key] = values if mine is None else [a + b for a, b in zip(mine, values, strict=True)]


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A request to a model that ended: ``error`` is a code or blank, ``heard`` are its events, where they are kept."""

    chat: ChatRequest
    provider: str
    usage: Usage | None
    error: str
    first_s: float | None
    whole_s: float
    end: Event | None = None
    model: str | None = None
    response_id: str | None = None
    heard: list[Event] = []


class Listener(Protocol):
    """A callback for every request to a model that ended; with ``content``, it gets its events as well."""

    content: bool

    def __call__(self, ended: Answered) -> None: ...


class Measures:
    """The counts of one process, and who is told of every request."""

    def __init__(self) -> None:
        self.listener: Listener | None = None
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self._rows: dict[Labels, Row] = {}
        self._models: dict[str, int] = {}
        self._counters: dict[Key, float] = {}
        self._histograms: dict[Key, list[float]] = {}

    def row(self, provider: str, session: str, model: str) -> Row:
        """Return the row of a model of a session, ``other`` for what is beyond the bounds."""
        model = model[:LONGEST_MODEL]
        found = self._rows.get((provider, session, model))
        if found is not None:
            return found
        if len(self._rows) >= MOST_ROWS:
            session = model = OTHER
        elif self._models.get(session, 0) >= MOST_MODELS:
            model = OTHER
        labels = (provider, session, model)
        if labels not in self._rows:
            self._models[session] = self._models.get(session, 0) + 1
            first, whole = (self._histogram((family.name, provider)) for family in (FIRST_OUTPUT, DURATION))
            # Lookups have no first output, and would hide how long answers take.
            self._rows[labels] = Row(first, whole) if model else Row(histogram(), histogram())
        return self._rows[labels]

    def count(self, family: Family, *labels: str, n: float = 1) -> None:
        """Add to a counter."""
        key = (family.name, *labels)
        if key not in self._counters and len(self._counters) >= MOST_SERIES:
            key = (family.name, *(OTHER for _ in labels))
        self._counters[key] = self._counters.get(key, 0) + n

    def observe(self, family: Family, *labels: str, seconds: float) -> None:
        """Add a duration to a histogram."""
        values = self._histogram((family.name, *labels))
        values[bisect_left(BOUNDS_S, seconds)] += 1
        values[-1] += seconds

    def snapshot(self) -> Sample:
        """Return a copy of all counts. Call it on the provider loop."""
        counters = dict(self._counters)
        for labels, row in self._rows.items():
            for outcome, count in row.outcomes.items():
                counters[REQUESTS.name, *labels, outcome] = count
            for kind, count in zip(TOKENS, row.tokens, strict=True):
                if count:
                    counters[TOKENS_USED.name, *labels, kind] = count
        return Sample(counters, {key: list(values) for key, values in self._histograms.items() if any(values)})

    def _histogram(self, key: Key) -> list[float]:
        found = self._histograms.get(key)
        if found is None:
            if len(self._histograms) >= MOST_SERIES:
                key = (key[0], *(OTHER for _ in key[1:]))
            found = self._histograms.setdefault(key, histogram())
        return found


here = Measures()
"""The counts of this process."""
