"""The schedules of the proof of outcomes: what goes wrong, when, made from a seed and a number alone."""

import random
from dataclasses import dataclass
from typing import Any, Literal

from tests.proofs.crash_worker import AFTER_ANSWER, AFTER_CLAIM, AFTER_INTENT, AFTER_STORE, BEFORE_CLAIM, DURING_POST
from tests.proofs.outcome_logins import FLOWS, Flow
from tests.proofs.outcome_worker import CHECKED, SENDING
from tests.vendors.auth.records import Fault

LEASE_S = 60.0
PATIENT_S, IMPATIENT_S = 20.0, 1.0
"""Seconds that a token request may take: the short one only where the server does not answer in time anyway."""
HOUR_S = 3600.0
ANSWERS = ("500", "503", "409", "200 with an error", "connection closed", "silence", "late")
CELLS = tuple((ANSWERS[number % 7], ("before", "after")[number % 2]) for number in range(14))
POINTS = (BEFORE_CLAIM, AFTER_CLAIM, AFTER_INTENT, SENDING, CHECKED, DURING_POST, AFTER_ANSWER, AFTER_STORE)
TRIGGERS = ("schedule", "schedule", "button", "command", "unauthorized", "use")
Wait = Literal["none", "next try", "lease", "access"]
Step = dict[str, Any]


@dataclass(frozen=True)
class Turn:
    """One or two processes at work; ``answer`` is that of the server to the first request, ``None`` a good one.

    ``wait`` is how long before nothing is done; ``set_right``: the clock of the machine is right again afterwards,
    while nothing runs; ``revoked``: the person ends the login at the provider before. ``wakes_last``: a process that
    stands still goes on when the other one has ended, else as soon as the lease is over.
    """

    wait: Wait
    answer: tuple[str, str] | None
    first: tuple[Step, ...]
    second: tuple[Step, ...] = ()
    set_right: bool = True
    revoked: bool = False
    wakes_last: bool = False


@dataclass(frozen=True)
class Schedule:
    """What happens to one login: turns, or an outage of the token endpoint of so many seconds."""

    number: int
    flow: Flow
    ended: bool
    turns: tuple[Turn, ...] = ()
    outage_s: float = 0.0


def timeout_of(answer: tuple[str, str] | None) -> float:
    """Return the seconds that a token request may take where the first one is answered so."""
    return IMPATIENT_S if answer and answer[0] in ("silence", "late") else PATIENT_S


def fault_of(answer: tuple[str, str]) -> Fault:
    """The plan of the server for this answer."""
    kind, where = answer
    match kind:
        case "connection closed":
            return Fault("reset", where)  # type: ignore[arg-type]
        case "silence":
            return Fault("hang", where)  # type: ignore[arg-type]
        case "late":
            return Fault("delay", where, HOUR_S)  # type: ignore[arg-type]  # until the machine lets it go on
        case _:
            return Fault("status", where, status=int(kind[:3]))  # type: ignore[arg-type]


def schedule(seed: int, number: int, *, clocks: bool = True) -> Schedule:
    """The schedule of this number; every answer meets every flow in turn."""
    chance = random.Random(f"{seed}:{number}")
    flow = FLOWS[number % len(FLOWS)]
    cell = CELLS[number % len(CELLS)]  # coprime with the number of flows: every pair comes
    turns = [_turn(chance, cell, "none", clocks=clocks)]
    for _ in range(chance.randint(1, 3)):
        answer = chance.choice(CELLS) if chance.random() < 0.7 else None
        wait: Wait = chance.choice(("none", "next try", "lease", "access"))
        turns.append(_turn(chance, answer, wait, clocks=clocks, revocable=flow.rotation != "minted"))
    return Schedule(number, flow, chance.random() < 0.4, tuple(turns))


def _turn(
    chance: random.Random, answer: tuple[str, str] | None, wait: Wait, *, clocks: bool, revocable: bool = False
) -> Turn:
    trigger, second, revoked = chance.choice(TRIGGERS), _other(chance, 0.2), revocable and chance.random() < 0.05
    first: list[Step] = [{"do": trigger}]
    set_right = chance.random() < 0.5
    way = chance.random()
    if way < 0.25:
        first[0]["at"] = {chance.choice(POINTS): "die"}
    elif way < 0.4:
        first[0]["at"] = {chance.choice(POINTS): "stop"}
        second = _other(chance, 0.7)
    elif way < 0.7 and clocks:
        jump = chance.choice((HOUR_S, -HOUR_S))
        if chance.random() < 0.5:
            first[0]["at"] = {chance.choice(POINTS): jump}
        else:
            # One process that lives on: it saw the outcome, then the clock jumps, and a lease may end.
            rest: list[Step] = [{"do": "rest"}] if chance.random() < 0.7 else []
            first += [{"do": "clock", "seconds": jump}, *rest, {"do": chance.choice(TRIGGERS)}]
    first.append({"do": "look"})
    return Turn(wait, answer, tuple(first), second, set_right, revoked, chance.random() < 0.5)


def _other(chance: random.Random, likely: float) -> tuple[Step, ...]:
    if chance.random() >= likely:
        return ()
    return ({"do": chance.choice(TRIGGERS)}, {"do": "look"})
