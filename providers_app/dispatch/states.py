"""The lanes and circuits of this process as values, for pages, ``/metrics`` and ``/health``, and closing a circuit.

Every surface reads them here, and says of their reach what ``States.scope`` says.
"""

import asyncio
from typing import Literal

import msgspec

from providers_app.dispatch.doors import Door
from providers_app.dispatch.lanes import current
from providers_app.resilience.breaker import BreakerState

Scope = Literal["process", "shared"]
MOST = 500
"""Lanes and circuits that are told of each: those in use, and circuits that are not closed, first."""


class LaneState(msgspec.Struct, frozen=True, kw_only=True):
    """The lane of a session.

    ``waiting`` counts requests by band. What is ``left`` of a limit is ``None`` where no limit is known. ``paused_s``:
    seconds until the limits let the next request through. ``source`` of the limits: ``set`` by a setting, ``learned``
    from headers, ``adaptive`` (none is known). ``change`` is the last change of the number of slots, blank for none.
    """

    provider: str
    session: str
    slots: int
    used: int
    waiting: dict[str, int]
    requests_per_minute: float | None = None
    requests_left: float | None = None
    tokens_per_minute: float | None = None
    tokens_left: float | None = None
    paused_s: float = 0.0
    source: Literal["set", "learned", "adaptive"] = "adaptive"
    change: str = ""


class CircuitState(msgspec.Struct, frozen=True, kw_only=True):
    """The circuit of a model of a session; the other fields are those of ``BreakerView``."""

    provider: str
    session: str
    model: str
    state: BreakerState
    why: str = ""
    requests: int = 0
    failures: int = 0
    recent: tuple[bool, ...] = ()
    next_probe_s: float = 0.0
    since_s: float = 0.0
    opened: int = 0


class States(msgspec.Struct, frozen=True):
    """The dispatcher of one process. ``scope``: whether limits and circuits are its own, or shared at the moment."""

    lanes: tuple[LaneState, ...] = ()
    circuits: tuple[CircuitState, ...] = ()
    scope: Scope = "process"


def states() -> States:
    """Return the lanes, and the circuits of which anything is known. Call it on the provider loop."""
    here, now = current(), asyncio.get_running_loop().time()
    doors = sorted(here.doors.values(), key=lambda door: not door.busy)[:MOST]
    known = [(family, breaker) for family, breaker in here.breakers.items() if not breaker.idle(now)]
    known.sort(key=lambda item: item[1].state is BreakerState.CLOSED)
    circuits = []
    for (provider, session, model), breaker in known[:MOST]:
        circuits.append(
            CircuitState(provider=provider, session=session, model=model, **msgspec.structs.asdict(breaker.view(now)))
        )
    shared = here.shared is not None and not here.shared.away
    return States(tuple(_lane(door, now) for door in doors), tuple(circuits), "shared" if shared else "process")


def close(provider: str, session: str, model: str) -> bool:
    """Close a circuit because a person says so; ``False`` where none is open. Call it on the provider loop."""
    breaker = current().breakers.get((provider, session, model))
    if breaker is None or breaker.state is BreakerState.CLOSED:
        return False
    breaker.close()
    return True


def _lane(door: Door, now: float) -> LaneState:
    lane, policy = door.lane, door.lane.policy
    requests, tokens = lane.requests, lane.tokens
    is_set = policy.requests_per_minute is not None or policy.tokens_per_minute is not None
    is_learned = requests.per_minute is not None or tokens.per_minute is not None
    change = door.last_change
    return LaneState(
        provider=door.provider,
        session=door.session,
        slots=lane.slots.slots,
        used=lane.slots.used,
        waiting={band.name.lower(): count for band, count in lane.queue.waiting().items() if count},
        requests_per_minute=requests.per_minute,
        requests_left=None if requests.per_minute is None else max(0.0, requests.level(now)),
        tokens_per_minute=tokens.per_minute,
        tokens_left=None if tokens.per_minute is None else max(0.0, tokens.level(now)),
        paused_s=max(requests.wait(0, now), tokens.wait(0, now)),
        source="set" if is_set else "learned" if is_learned else "adaptive",
        change=f"{change.before} to {change.after}: {change.why}" if change is not None else "",
    )
