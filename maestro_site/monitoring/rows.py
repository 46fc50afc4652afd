"""The health of providers in words and figures, as Home, Settings and ``manage.py health`` show it."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from maestro_site.monitoring.overview import SLOT_MIN, Circuit, Overview, Provider
from providers_app.dispatch.states import LaneState
from providers_app.resilience.breaker import BreakerState
from sessions_app.models import AuthSession, Pk
from sessions_app.providers import monogram

PILLS = {BreakerState.CLOSED: "ok", BreakerState.HALF_OPEN: "warn", BreakerState.OPEN: "bad"}
BAD_RATE = 0.05
"""Share of failed requests from which a figure is shown as a problem."""
BAR_WIDTH, BAR_HEIGHT = 6, 20
SOURCES = {"set": "Set in settings", "learned": "Learned from the provider", "adaptive": "Adaptive"}
LOOKUPS = "lookups"
"""The name of the circuit of a session's model lists, tests and counts."""


def health_of(found: Provider | None) -> dict[str, Any]:
    """Return the figures of a provider's last hour, also of one that was not asked."""
    if found is None or not (found.requests or found.circuits):
        return {"asked": False, "pill": ("mute", "Not asked yet")}
    rate, p95 = found.error_rate, found.p95_s
    worst = found.circuits[0].state if found.circuits else None
    return {
        "asked": True,
        "pill": (PILLS[found.state], state_words(worst)),
        "errors": "–" if rate is None else percent(rate),
        "errors_bad": rate is not None and rate >= BAD_RATE,
        "p95": "–" if p95 is None else seconds(p95),
        "bars": _bars(found.bars),
        "width": len(found.bars) * BAR_WIDTH,
        "summary": f"{found.requests} request{'s' * (found.requests != 1)}, {found.failures} failed in the last hour, "
        f"by {SLOT_MIN} minutes",
        "waiting": sum(sum(lane.waiting.values()) for lane in found.lanes),
    }


def state_words(state: Any) -> str:
    """Return the state of a circuit, and of an open one why in figures."""
    if state is None:
        return "Closed"
    words: str = state.state.words.capitalize()
    figures = state.state is BreakerState.OPEN and state.failures
    return f"{words}: {state.failures} of {state.requests} failed" if figures else words


def circuit_row(circuit: Circuit, sessions: Mapping[str, AuthSession], viewer: Pk | None) -> dict[str, Any]:
    """Return a circuit that is not closed: its last requests, why, when it is tried again, in how many processes."""
    state = circuit.state
    since = seconds(max(1.0, state.since_s + circuit.age_s))
    if state.state is BreakerState.HALF_OPEN:
        probe = f"Not closed for {since}, a probe is under way"
    else:
        soon = f"next probe in {max(1, round(circuit.next_probe_s))} s"
        probe = f"Open for {since}, {soon if circuit.next_probe_s else 'next probe now'}"
    return {
        "state": state,
        "words": state.state.words.capitalize(),
        "name": f"{session_words(state.session, sessions, viewer)} / {state.model or LOOKUPS}",
        "why": state.why,
        "probe": probe,
        "processes": circuit.processes,
    }


def lane_row(
    lane: LaneState, circuits: list[Circuit], sessions: Mapping[str, AuthSession], viewer: Pk | None
) -> dict[str, Any]:
    """Return the lane of a session for the table of limits, with its circuits that are not closed."""
    worst = circuits[0].state if circuits else None
    waiting = sum(lane.waiting.values())
    return {
        "provider": lane.provider,
        "monogram": monogram(lane.provider),
        "session": session_words(lane.session, sessions, viewer),
        "pill": (PILLS[worst.state] if worst else "ok", worst.state.words.capitalize() if worst else "Closed"),
        "requests": _limit(lane.requests_left, lane.requests_per_minute),
        "tokens": _limit(lane.tokens_left, lane.tokens_per_minute),
        "slots": f"{lane.used} of {lane.slots}",
        "waiting": waiting,
        "source": SOURCES[lane.source],
        "change": lane.change,
        "paused": seconds(lane.paused_s) if lane.paused_s >= 1 else "",
        "open": [circuit_row(circuit, sessions, viewer) for circuit in circuits if circuit.is_open],
    }


def limits(found: Overview, viewer: Pk | None) -> list[dict[str, Any]]:
    """Return the rows of the table of limits, those with open circuits first. One query."""
    sessions = {str(row.pk): row for row in AuthSession.objects.select_related("owner").filter(
        pk__in=[lane.session for lane in found.lanes]
    )}  # fmt: skip
    by_session: dict[tuple[str, str], list[Circuit]] = {}
    for circuit in found.circuits:
        by_session.setdefault((circuit.state.provider, circuit.state.session), []).append(circuit)
    rows = [lane_row(lane, by_session.get((lane.provider, lane.session), []), sessions, viewer) for lane in found.lanes]
    return sorted(rows, key=lambda row: (not row["open"], row["provider"], row["session"]))


def reach(found: Overview) -> str:
    """Return how far what is shown reaches, as a sentence."""
    count = len(found.processes)
    interval = f"{settings.MAESTRO.monitoring.health_check_interval_seconds:g} s"
    if found.scope == "shared":
        return f"Limits and circuits are shared by all processes ({count} here)."
    if count <= 1:
        return "Limits and circuits of this process. Processes with another data folder have their own."
    return (
        f"{count} processes, each with limits and circuits of its own, added up; those of other processes are up to "
        f"{interval} old. Processes with another data folder are not shown."
    )


def session_words(session: str, sessions: Mapping[str, AuthSession], viewer: Pk | None) -> str:
    """Return the name of a session for a viewer, with its owner where that is another person."""
    row = sessions.get(session)
    if row is None:
        return "a deleted session" if viewer is not None else session
    return row.name if viewer is None or row.owner_id == viewer else f"{row.name} of {row.owner.get_username()}"


def percent(share: float) -> str:
    """Return a share for people: 0.2%, 75%."""
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


def seconds(value: float) -> str:
    """Return a duration for people: 240 ms, 1.4 s, 12 s, 3 min."""
    if value < 1:
        return f"{value * 1000:.0f} ms"
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s" if value < 120 else f"{value / 60:.0f} min"


def _limit(left: float | None, limit: float | None) -> str:
    return "none" if limit is None else f"{left or 0:,.0f} of {limit:,.0f}"


def _bars(bars: list[tuple[int, int]]) -> list[dict[str, int]]:
    """Return the rectangles of a sparkline: requests, and the failed part of them at the bottom."""
    most = max((requests for requests, _ in bars), default=0)
    rows = []
    for place, (requests, failures) in enumerate(bars):
        if requests:
            height = max(2, round(BAR_HEIGHT * requests / most))
            bad = max(2, round(height * failures / requests)) if failures else 0
            x = place * BAR_WIDTH
            rows.append({"x": x, "y": BAR_HEIGHT - height, "height": height, "bad": bad, "bad_y": BAR_HEIGHT - bad})
    return rows
