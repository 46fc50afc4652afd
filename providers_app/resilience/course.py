"""The course of one request over its routes, without I/O: what happened comes in, what to do next comes out.

A route is asked once its breaker and its lane let the request in. A failure before the first output is retried on the
same route, or the next route is taken, until an answer begins or nothing is left to try; then the error that says most
is the one that the caller gets. After the first output nothing is repeated.
"""

import random
from collections.abc import Callable, Sequence

import msgspec

from providers_app import errors
from providers_app.resilience.breaker import Breaker, BreakerState, Permit, counts
from providers_app.resilience.retry import RetryBudget, RetryPolicy, wait_before_retry


class Enter(msgspec.Struct, frozen=True):
    """Wait ``after_s`` seconds, then ask the lane of this route for a slot."""

    route: int
    after_s: float = 0.0
    why: str = ""


class Open(msgspec.Struct, frozen=True):
    """Send the request by this route."""

    route: int


class Fail(msgspec.Struct, frozen=True):
    """Raise this error: nothing is left to try."""

    error: errors.ProviderError


Command = Enter | Open | Fail


class Attempt(msgspec.Struct, frozen=True):
    """An attempt that failed, for the log and the transcript."""

    route: int
    code: str
    wait_s: float | None


class Course:
    """One request. ``breakers`` are those of its routes in order; ``draw`` returns a number from 0 to 1."""

    def __init__(
        self,
        breakers: Sequence[Breaker],
        budget: RetryBudget,
        policy: RetryPolicy,
        ends_at: float,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._breakers, self._budget, self._policy = breakers, budget, policy
        self._ends_at, self._draw = ends_at, draw
        self._retries = 0
        self._on_retry = False
        self._left = list(range(len(breakers)))
        self._permit: Permit | None = None
        self._error: errors.ProviderError | None = None
        self.failed_attempts: list[Attempt] = []

    def begin(self, now: float) -> Command:
        """Return the first step."""
        self._budget.begin(now)
        if self._breakers[0].state is BreakerState.CLOSED:
            return Enter(0)
        return self._next_route(now)

    def entered(self, route: int, now: float) -> Command:
        """Go on with a slot in hand: the breaker may have opened meanwhile."""
        self._permit = self._breakers[route].ask(now)
        return Open(route) if self._permit is not None else self._gone(route, now)

    def refused(self, route: int, error: errors.ProviderError, now: float) -> Command:
        """Go on after the lane of a route refused the request."""
        self._end_retry()
        return self._without(route, error, now)

    def failed(self, route: int, error: errors.ProviderError, now: float) -> Command:
        """Go on after an attempt that failed before its first output. The slot was given back already."""
        self._settle(route, error, now)
        self._end_retry()
        if not isinstance(error, errors.UpstreamError) or not self._left:
            return Fail(error)
        wait = wait_before_retry(error, self._retries, self._ends_at - now, self._policy, self._draw)
        if wait is not None and isinstance(error, errors.UpstreamTimeout) and len(self._left) > 1:
            wait = None  # a route that is silent is not waited for twice where there is another one
        if wait is not None and self._budget.allow(now):
            self._on_retry = True
            self._retries += 1
            self.failed_attempts.append(Attempt(route, error.code, wait))
            return Enter(route, wait, error.code)
        self.failed_attempts.append(Attempt(route, error.code, None))
        return self._without(route, error, now)

    def output(self, route: int, now: float) -> None:
        """Note the first output: from here on nothing is repeated."""
        if self._permit is not None:
            self._breakers[route].succeeded(self._permit, now)
            self._permit = None
        if self._on_retry:
            self._end_retry()

    def broke(self, route: int, error: errors.ProviderError, now: float) -> None:
        """Note a failure after the first output."""
        if counts(error):
            self._breakers[route].failed(self._breakers[route].now, now, error.message)

    def over(self, route: int, now: float, error: errors.ProviderError | None = None) -> None:
        """End the course, whatever became of it; ``error`` is that of an attempt whose time was up."""
        if self._permit is not None:
            self._settle(route, error, now)
        if self._on_retry:
            self._end_retry()
        self._budget.end()

    def _next_route(self, now: float, why: str = "") -> Command:
        for route in self._left:
            if self._breakers[route].refused_for(now) is None:
                return Enter(route, why=why)
        return Fail(self._error or self._open_error(now))

    def _gone(self, route: int, now: float) -> Command:
        return self._without(route, self._open_error(now), now)

    def _without(self, route: int, error: errors.ProviderError, now: float) -> Command:
        """Go on without a route; the first error of a provider is the one that is told."""
        self._left = [other for other in self._left if other != route]
        if self._error is None or not isinstance(self._error, errors.UpstreamError):
            self._error = error
        self._retries = 0
        return self._next_route(now, error.code)

    def _open_error(self, now: float) -> errors.ProviderError:
        soonest = min(
            (wait for breaker in self._breakers if (wait := breaker.refused_for(now)) is not None), default=1.0
        )
        why = next((breaker.why for breaker in self._breakers if breaker.why), "")
        return errors.CircuitOpen(f"The provider is not asked at the moment. {why}".strip(), retry_after=soonest)

    def _settle(self, route: int, error: errors.ProviderError | None, now: float) -> None:
        permit, self._permit = self._permit, None
        if permit is None:
            return
        if error is not None and counts(error):
            after = getattr(error, "retry_after", None)
            self._breakers[route].failed(permit, now, error.message, after)
        else:
            self._breakers[route].given_up(permit)

    def _end_retry(self) -> None:
        if self._on_retry:
            self._budget.done()
            self._on_retry = False
