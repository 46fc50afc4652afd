"""A circuit breaker: a route that fails is not asked until a probe of it succeeds."""

from collections import deque
from collections.abc import Callable
from enum import StrEnum

import msgspec

from providers_app import errors

SHOWN = 8
"""Requests of a circuit that are shown one by one."""


class BreakerState(StrEnum):
    """The state of a circuit."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"

    @property
    def words(self) -> str:
        """The state as people read it."""
        return self.value.replace("_", "-")


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit opens where, of at least ``least`` requests of the last ``window_s`` seconds, ``share`` failed.

    The first probe is sent after ``first_probe_s`` seconds; each that fails doubles the wait, up to ``last_probe_s``.
    One that is not answered within ``probe_patience_s`` seconds is not waited for: the next one is let through.
    """

    window_s: float = 30.0
    least: int = 5
    share: float = 0.5
    first_probe_s: float = 1.0
    last_probe_s: float = 60.0
    probe_patience_s: float = 10.0


class Permit(msgspec.Struct, frozen=True):
    """The leave to send one request; ``probe`` is the only one of a half-open circuit."""

    probe: bool = False
    number: int = 0


class BreakerView(msgspec.Struct, frozen=True):
    """A circuit for people: its numbers and why it is in its state.

    ``recent`` says of the last ``SHOWN`` requests which failed, the oldest first. ``next_probe_s`` and ``since_s`` are
    seconds until the next probe and since the circuit opened, where it is not closed; ``opened`` counts how often it
    did.
    """

    state: BreakerState
    requests: int
    failures: int
    why: str = ""
    next_probe_s: float = 0.0
    since_s: float = 0.0
    opened: int = 0
    recent: tuple[bool, ...] = ()


def counts(error: errors.ProviderError) -> bool:
    """Return whether an error says that the route does not work: not the caller's, the login's, or that of a limit."""
    others = errors.RateLimited | errors.Cancelled | errors.BadRequest | errors.ContentRefused | errors.AnswerTooLarge
    if isinstance(error, others):
        return False
    return isinstance(error, errors.UpstreamError) and not 400 <= error.http_status < 500


class Breaker:
    """The circuit of one route. ``changed`` is called after each change of its state, with the state before."""

    def __init__(
        self, policy: BreakerPolicy, changed: Callable[["Breaker", BreakerState], object] = lambda *_: None
    ) -> None:
        self.policy = policy
        self._changed = changed
        self.state = BreakerState.CLOSED
        self.opened = 0
        self.why = ""
        self._recent: deque[tuple[float, bool]] = deque()
        self._probe_at = self._opened_at = 0.0
        self._wait = policy.first_probe_s
        self._probing = False
        self._probed_at = 0.0
        self._number = 0

    @property
    def wait_s(self) -> float:
        """The seconds between the probes of an open circuit, as they are now."""
        return self._wait

    @property
    def now(self) -> Permit:
        """A permit that asks for nothing, for a failure after the first output."""
        return Permit(False, self._number)

    def idle(self, now: float) -> bool:
        """Return whether nothing would be lost by forgetting the circuit."""
        self._forget(now)
        return self.state is BreakerState.CLOSED and not self._recent

    def refused_for(self, now: float) -> float | None:
        """Return after how many seconds a request may be let through, ``None`` where one may be now."""
        if self.state is BreakerState.CLOSED:
            return None
        if self._probing:
            left = self._probed_at + self.policy.probe_patience_s - now
            return min(left, self.policy.first_probe_s) if left > 0 else None
        return self._probe_at - now if now < self._probe_at else None

    def ask(self, now: float) -> Permit | None:
        """Return the leave to send a request, ``None`` while the circuit is open. Give it back in every case."""
        if self.state is BreakerState.CLOSED:
            return Permit(False, self._number)
        if self.refused_for(now) is not None:
            return None
        if self._probing:
            self._number += 1  # the probe before this one may still fail, which says nothing any more
        self._probing, self._probed_at = True, now
        self._to(BreakerState.HALF_OPEN)
        return Permit(True, self._number)

    def succeeded(self, permit: Permit, now: float) -> None:
        """Count an answer that began; that of a probe closes the circuit."""
        if permit.number != self._number:
            return  # it began before the circuit changed, and says nothing of the route as it is now
        if permit.probe:
            self.close()
            return
        recent = self._recent
        recent.append((now, False))
        while now - recent[0][0] > self.policy.window_s:
            recent.popleft()

    def failed(self, permit: Permit, now: float, why: str, retry_after: float | None = None) -> None:
        """Count a failure of the route; ``retry_after`` seconds are the least that the circuit stays open."""
        if permit.number != self._number:
            return
        if permit.probe:
            self._wait = min(self.policy.last_probe_s, 2 * self._wait)
            self._open(now, f"The probe failed: {why}", retry_after)
            return
        self._forget(now)
        self._recent.append((now, True))
        failures = sum(failed for _, failed in self._recent)
        if len(self._recent) >= self.policy.least and failures >= self.policy.share * len(self._recent):
            self._wait = self.policy.first_probe_s
            of = f"{failures} of {len(self._recent)} requests in {self.policy.window_s:g} s failed"
            self._open(now, f"{of}, the last with: {why}", retry_after)

    def given_up(self, permit: Permit) -> None:
        """Give back a permit of a request that told nothing of the route."""
        if permit.probe and permit.number == self._number:
            self._probing = False
            self._to(BreakerState.OPEN)

    def follow(self, now: float, left_s: float, wait_s: float, why: str) -> None:
        """Be as open as another process found the route to be. What is being probed here is known better here."""
        if self._probing:
            return
        if self.state is BreakerState.CLOSED:
            self._opened_at = now
            self._number += 1
        self._wait, self._probe_at, self.why = wait_s, now + left_s, why
        self._to(BreakerState.OPEN)

    def close(self) -> None:
        """Close the circuit, after a probe that succeeded or because a person says so."""
        self._probing, self.why = False, ""
        self._wait = self.policy.first_probe_s
        self._recent.clear()
        self._number += 1
        self._to(BreakerState.CLOSED)

    def view(self, now: float) -> BreakerView:
        """Return the circuit's numbers."""
        self._forget(now)
        failures = sum(failed for _, failed in self._recent)
        closed = self.state is BreakerState.CLOSED
        return BreakerView(
            self.state,
            len(self._recent),
            failures,
            self.why,
            0.0 if closed else max(0.0, self._probe_at - now),
            0.0 if closed else now - self._opened_at,
            self.opened,
            tuple(failed for _, failed in self._recent)[-SHOWN:],
        )

    def _open(self, now: float, why: str, retry_after: float | None) -> None:
        if not self._probing:
            self._opened_at = now
        self._probing, self.why = False, why
        self.opened += 1
        self._number += 1
        self._probe_at = now + max(self._wait, retry_after or 0.0)
        self._to(BreakerState.OPEN)

    def _to(self, state: BreakerState) -> None:
        before, self.state = self.state, state
        if before is not state:
            self._changed(self, before)

    def _forget(self, now: float) -> None:
        while self._recent and now - self._recent[0][0] > self.policy.window_s:
            self._recent.popleft()
