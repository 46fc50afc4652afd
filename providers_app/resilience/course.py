"""The course of one request over its routes, without I/O: what happened comes in, what to do next comes out.

A route is asked once its breaker and its lane let the request in. A failure before the first output is retried on the
same route, or the next route is taken, until an answer begins or nothing is left to try; then the error that says most
is the one that the caller gets. A route that was left is not asked again. After the first output nothing is repeated.
"""

import random
from collections.abc import Callable, Sequence

import msgspec

from providers_app import errors
from providers_app.errors import Retry
from providers_app.resilience.breaker import Breaker, BreakerState, Permit, counts
from providers_app.resilience.retry import RetryBudget, RetryPolicy, wait_before_retry

SHORT_WAIT_S = 1.0
"""The longest wait for a retry of a route while another one could serve at once."""


class Choice(msgspec.Struct, frozen=True):
    """One route of a request: its circuit, the retry budget of its provider, and how it is retried."""

    breaker: Breaker
    budget: RetryBudget
    policy: RetryPolicy


class Enter(msgspec.Struct, frozen=True):
    """Wait ``after_s`` seconds, then ask the lane of this route for a slot."""

    route: int
    after_s: float = 0.0
    why: str = ""


class Open(msgspec.Struct, frozen=True):
    """Send the request by this route; ``probe``: as the probe of its circuit."""

    route: int
    probe: bool = False


class Fail(msgspec.Struct, frozen=True):
    """Raise this error: nothing is left to try."""

    error: errors.ProviderError


Command = Enter | Open | Fail


class Attempt(msgspec.Struct, frozen=True):
    """An attempt that failed: ``wait_s`` seconds before the route was asked again, ``None`` where it was left."""

    route: int
    error: errors.ProviderError
    wait_s: float | None


def same_everywhere(error: errors.ProviderError) -> bool:
    """Return whether every route would answer like this: a request that is wrong, or content that is refused.

    What does not fit one model may fit another (its window, its size, a kind of content), so that is not among them.
    """
    if isinstance(error, errors.PromptTooLong):
        return False
    return isinstance(error, errors.BadRequest | errors.ContentRefused | errors.Cancelled)


class Course:
    """One request over ``routes``, in order. ``draw`` returns a number from 0 to 1."""

    def __init__(self, routes: Sequence[Choice], ends_at: float, draw: Callable[[], float] = random.random) -> None:
        self._routes, self._ends_at, self._draw = routes, ends_at, draw
        self.left = list(range(len(routes)))
        """The routes that are left, with the present one in front."""
        self._on: RetryBudget | None = None  # that counts the request at the moment
        self._retries = 0
        self._on_retry = False
        self._permit: Permit | None = None
        self.failed_attempts: list[Attempt] = []

    def begin(self, now: float, why: str = "") -> Command:
        """Return the first step, or the one after a route was left. A route whose circuit is open is passed by."""
        while self.left:
            route = self.left[0]
            choice = self._routes[route]
            if choice.breaker.state is BreakerState.CLOSED or choice.breaker.refused_for(now) is None:
                self._on, self._retries = choice.budget, 0
                choice.budget.begin(now)
                return Enter(route, why=why)
            self._forget(route, self._open_error(route, now))
        return Fail(self._failure())

    def entered(self, route: int, now: float) -> Command:
        """Go on with a slot in hand: the breaker may have opened meanwhile."""
        self._permit = self._routes[route].breaker.ask(now)
        if self._permit is not None:
            return Open(route, self._permit.probe)
        return self.refused(route, self._open_error(route, now), now)

    def probed_elsewhere(self, route: int, now: float) -> Command:
        """Go on after another process was found to probe the circuit."""
        self._settle(None, now, route)
        return self.refused(route, self._open_error(route, now), now)

    def refused(self, route: int, error: errors.ProviderError, now: float) -> Command:
        """Go on after the lane of a route refused the request."""
        self._end_retry()
        self._forget(route, error)
        return self.begin(now, error.code)

    def failed(self, route: int, error: errors.ProviderError, now: float) -> Command:
        """Go on after an attempt that failed before its first output. The slot was given back already."""
        self._settle(error, now, route)
        self._end_retry()
        if same_everywhere(error) and error.retry is Retry.NEVER:
            self._forget(route, error)
            return Fail(error)
        choice = self._routes[route]
        wait: float | None = None
        if isinstance(error, errors.UpstreamError):
            wait = wait_before_retry(error, self._retries, self._ends_at - now, choice.policy, self._draw)
        if wait is not None and self._better_elsewhere(route, error, wait, now):
            wait = None
        if wait is not None and choice.budget.allow(now):
            self._on_retry = True
            self._retries += 1
            self.failed_attempts.append(Attempt(route, error, wait))
            return Enter(route, wait, error.code)
        self._forget(route, error)
        return self.begin(now, error.code)

    def output(self, route: int, now: float) -> None:
        """Note the first output: from here on nothing is repeated."""
        if self._permit is not None:
            self._routes[route].breaker.succeeded(self._permit, now)
            self._permit = None
        if self._on_retry:
            self._end_retry()

    def broke(self, route: int, error: errors.ProviderError, now: float) -> None:
        """Note a failure after the first output."""
        if counts(error):
            breaker = self._routes[route].breaker
            breaker.failed(breaker.now, now, error.message)

    def over(self, route: int, now: float, error: errors.ProviderError | None = None) -> None:
        """End the course, whatever became of it; ``error`` is that of an attempt whose time was up."""
        if self._permit is not None:
            self._settle(error, now, route)
        if self._on_retry:
            self._end_retry()
        if self._on is not None:
            self._on.end()
            self._on = None

    def _better_elsewhere(self, route: int, error: errors.ProviderError, wait: float, now: float) -> bool:
        """Return whether another route that can be asked now is the better choice than a retry of this one.

        It is, unless the retry is the first one, soon, and likely to help: a silent, limited or overloaded route is
        not asked twice.
        """
        may_pass = isinstance(error, errors.ServerError | errors.ConnectionFailed) or error.retry is Retry.NOW
        if may_pass and wait <= SHORT_WAIT_S and not self._retries:
            return False
        return any(self._routes[other].breaker.refused_for(now) is None for other in self.left if other != route)

    def _forget(self, route: int, error: errors.ProviderError) -> None:
        """Leave a route for good."""
        self.left.remove(route)
        self.failed_attempts.append(Attempt(route, error, None))
        if self._on is not None:
            self._on.end()
            self._on = None

    def _failure(self) -> errors.ProviderError:
        """Return the error to raise: the first of a route that may work later, else the first of a provider."""
        found = [one.error for one in self.failed_attempts if one.wait_s is None]
        passing = [error for error in found if error.retry is not Retry.NEVER]
        answers = [error for error in found if isinstance(error, errors.UpstreamError)]
        return [*passing, *answers, *found][0]

    def _open_error(self, route: int, now: float) -> errors.ProviderError:
        breaker = self._routes[route].breaker
        message = f"The provider is not asked at the moment. {breaker.why}".strip()
        return errors.CircuitOpen(message, retry_after=breaker.refused_for(now) or 1.0)

    def _settle(self, error: errors.ProviderError | None, now: float, route: int) -> None:
        permit, self._permit = self._permit, None
        if permit is None:
            return
        breaker = self._routes[route].breaker
        if error is not None and counts(error):
            breaker.failed(permit, now, error.message, getattr(error, "retry_after", None))
        else:
            breaker.given_up(permit)

    def _end_retry(self) -> None:
        if self._on_retry:
            self._routes[self.left[0]].budget.done()
            self._on_retry = False
