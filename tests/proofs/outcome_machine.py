"""The machine of the proof of outcomes: its clock, its processes and the provider, while a schedule is played."""

import os
import queue
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.proofs import outcome_oracle as oracle
from tests.proofs.installation import Installation
from tests.proofs.outcome_logins import Login, Place, sign_in
from tests.proofs.outcome_schedule import LEASE_S, Schedule, Step, timeout_of
from tests.proofs.zygote import Zygote

GIVEN_UP_S = 600.0
"""Seconds after which a schedule that does not end is given up."""
STANDS_S = 5.0
"""Seconds for which a process stands still at most: it may hold what the other one waits for."""
OVER_S = LEASE_S + 0.5
AGAIN_S = 1.0
"""A process may stop a moment after it said so: seconds until it is woken again."""


@dataclass
class Seen:
    """A process, by what it said. Times are ``time.monotonic()``."""

    name: str
    trigger: str
    begun: float
    begun_skew: float
    pid: int = 0
    events: list[dict[str, Any]] = field(default_factory=list)
    ended: float = float("inf")

    @property
    def idle(self) -> bool:
        """Whether nothing is known of it since it stood still or found a lease that another one holds."""
        return bool(self.events) and self.events[-1]["event"] in ("stops", "waits", "dies")

    @property
    def stands(self) -> bool:
        return len(self.of("stops")) > len(self.of("goes on"))

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]


@dataclass
class Result:
    """What came of a schedule; ``wrong`` says what must not be."""

    schedule: Schedule
    presentations: list[oracle.Presentation] = field(default_factory=list)
    judgement: oracle.Judgement = field(default_factory=oracle.Judgement)
    wrong: list[str] = field(default_factory=list)
    dead: bool = False
    expected: bool = False
    log: list[str] = field(default_factory=list)
    slow: bool = False
    """This machine did not get an answer back in time: another schedule than the one to be played."""


class Machine:
    """A machine with its clock and its processes, a provider, and the login between them."""

    def __init__(
        self, installation: Installation, zygote: Zygote, place: Place, schedule: Schedule, attempt: int = 0
    ) -> None:
        self.zygote, self.place, self.plan = zygote, place, schedule
        self.result = Result(schedule)
        self.name = f"s{schedule.number:05}_{attempt}"
        self.clock = place.folder / f"{self.name}.clock"
        self.timeout = timeout_of(None)
        self.passed, self.passages = 0.0, [(0.0, 0.0)]
        self.skew, self.skews = 0.0, [(0.0, 0.0)]
        self.processes: list[Seen] = []
        self.server = place.server(schedule.flow.style)
        self.book = self.server.auth
        self.book.clock_offset = 0.0
        self.book.go_on.clear()
        self.book.faults.clear()
        self.book.ledger.clear()
        self.server.ledger.clear()
        self.real = time.time() - time.monotonic()
        self.login: Login = sign_in(place, schedule.flow, installation.owner, self.name, ended=schedule.ended)
        self.ends: dict[int, float] = {}
        self.revoked = False
        self._write_clock()

    # Time

    def true(self, monotonic: float) -> float:
        """The true time at a reading of ``time.monotonic()``: what was jumped over counts."""
        return self.real + monotonic + [passed for at, passed in self.passages if at <= monotonic][-1]

    def now(self) -> float:
        return self.true(time.monotonic())

    def skew_at(self, monotonic: float) -> float:
        return [skew for at, skew in self.skews if at <= monotonic][-1]

    def let_pass(self, seconds: float) -> None:
        """Let time pass, for the machine's clocks and the provider's alike."""
        if seconds > 0:
            self.passed += seconds
            self.passages.append((time.monotonic(), self.passed))
            self.book.clock_offset = self.passed
            self._write_clock()

    def set_right(self) -> None:
        """Set the machine's clock right while nothing runs that could see it."""
        if self.skew:
            self.skew = 0.0
            self.skews.append((time.monotonic(), 0.0))
            self._write_clock()

    def _write_clock(self) -> None:
        for file, seconds in ((self.clock.with_suffix(".passed"), self.passed), (self.clock, self.passed + self.skew)):
            new = self.clock.with_suffix(".made")
            new.write_text(f"{seconds:+.3f}\n")
            new.replace(file)

    # Processes

    def begin(self, steps: tuple[Step, ...]) -> tuple[Seen, "queue.SimpleQueue[dict[str, Any]]"]:
        name = f"{self.name}-p{len(self.processes)}"
        seen = Seen(name, str(steps[0]["do"]), time.monotonic(), self.skew)
        self.processes.append(seen)
        order = {
            "process": name,
            "session": str(self.login.session.pk),
            "provider": self.plan.flow.provider,
            "clock": str(self.clock),
            "settings": self.login.settings,
            "timeout": self.timeout,
            "steps": list(steps),
        }
        return seen, self.zygote.start(order)

    def play(self, first: tuple[Step, ...], second: tuple[Step, ...] = (), *, wakes_last: bool = False) -> list[Seen]:
        """Let these processes run to their ends; the second one begins when the first one stands still, if it does.

        When each one stands still or waits for another one's lease, that lease ends. Then one that stands still goes
        on: at once, or last of all. However late the server is, it has dealt with what it was sent by the end of that
        lease: no process could know of a request that is dealt with only after the next one.
        """
        active, done = [self.begin(first)], list[Seen]()
        holder = active[0][0]
        begun, passed, wakes = time.monotonic(), 0, float("inf")
        stops = any("stop" in step.get("at", {}).values() for step in first)
        while active or second:
            if second and (not stops or holder.stands or not active):
                active.append(self.begin(second))
                second = ()
            for seen, heard in tuple(active):
                with suppress(queue.Empty):
                    said = heard.get(timeout=0.01)
                    self._note(seen, said)
                    if "exit" in said:
                        active.remove((seen, heard))
                        done.append(seen)
            now, running = time.monotonic(), [seen for seen, _ in active]
            if holder.stands and wakes > now + STANDS_S:
                wakes = now + STANDS_S
            # Those that have ended count as well: what they waited for has passed already.
            held_up = sum(len(seen.of("waits")) + len(seen.of("stops")) for seen in (*running, *done))
            begins = bool(second) and holder.stands
            if not begins and held_up > passed and all(seen.idle for seen in running):
                self._answered()
                self.let_pass(OVER_S)
                passed, wakes = held_up, wakes if wakes_last else now
            if holder.stands and not begins and (running == [holder] or wakes < now):
                with suppress(ProcessLookupError):  # it has ended, and that is not heard yet
                    os.kill(holder.pid, signal.SIGCONT)
                wakes = now + AGAIN_S
            if now > begun + GIVEN_UP_S:
                self._give_up(running)
        self._answered()
        return done

    def _give_up(self, active: list[Seen]) -> None:
        for number in (signal.SIGUSR1, signal.SIGCONT, signal.SIGKILL):  # the first one lets it say where it is
            if number == signal.SIGKILL:
                time.sleep(1)
            for seen in active:
                with suppress(ProcessLookupError):
                    os.kill(seen.pid, number)
        raise TimeoutError(f"{[seen.name for seen in active]} do not end")

    def _note(self, seen: Seen, said: dict[str, Any]) -> None:
        if "exit" in said:
            seen.ended = time.monotonic()
            if said["exit"] not in (0, -signal.SIGKILL):
                self.result.wrong.append(f"{seen.name} ended with {said['exit']}")
            return
        seen.events.append(said)
        match said["event"]:
            case "begins":
                seen.pid = said["pid"]
            case "no answer":
                self.book.go_on.set()
            case "clock":
                self.skew += said["seconds"]
                self.skews.append((said["at"], self.skew))
            case "broke":
                self.result.wrong.append(f"{seen.name} broke: {said['why']}")

    def _answered(self) -> None:
        """Let the server deal with what it was sent: it commits late what it answers late."""
        self.book.go_on.set()
        ends = time.monotonic() + GIVEN_UP_S
        while getattr(self.server.vendor, "_running", None) and time.monotonic() < ends:
            time.sleep(0.01)
        self.book.go_on.clear()
