"""Every fault of the matrix at the logic of the dispatcher: its bytes as a typed error, then the course of a request
that meets it again and again, with a clock of the test's own and no event loop."""

import time
from collections.abc import Callable
from email.utils import formatdate

import pytest

from providers_app import errors
from providers_app.dialects import by_name
from providers_app.dialects.reader import AnswerReader
from providers_app.resilience.breaker import Breaker, BreakerPolicy, BreakerState
from providers_app.resilience.course import Choice, Course, Enter, Fail, Open
from providers_app.resilience.retry import SPREAD, RetryBudget, RetryPolicy
from providers_app.types.events import StreamFailed
from tests.proofs.chaos import faults
from tests.proofs.chaos.faults import FAULTS, FIRST_BYTE_S, IDLE_S, RETRIES, WAIT_S, Fault

CHAT = by_name("openai_chat")
NAMED_WAITS = {
    "429, Retry-After in seconds": WAIT_S,
    "429, Retry-After as a date": WAIT_S,
    "429, Google's retryDelay": WAIT_S,
}
"""Seconds that the error of a fault must name."""


def answered(data: bytes) -> errors.ProviderError:
    """The error of an answer as it is on the wire: of its status, else of its body."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    status = int(lines[0].split()[1])
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    if status != 200:
        return CHAT.error(status, headers, body)
    reader = AnswerReader(CHAT)
    try:
        events = reader.feed(body)
        events += [] if reader.ended else reader.close()
    except errors.ProviderError as error:
        return error
    assert isinstance(events[-1], StreamFailed)
    return errors.error_from(events[-1].error)


def error_of(fault: Fault) -> errors.ProviderError:
    """What the request meets, made of the fault's own bytes where it has any."""
    given = getattr(fault.play, "args", None)
    if given is not None:
        return answered(given[0])
    if fault.name == "429, Retry-After as a date":
        date = formatdate(time.time() + WAIT_S + 0.9, usegmt=True)
        return answered(f"HTTP/1.1 429 No\r\nRetry-After: {date}\r\n\r\n{{}}".encode())
    if fault.code.endswith("_timeout"):
        return (errors.class_of(fault.code) or errors.UpstreamTimeout)("silent")
    if fault.code == "upstream_overloaded":
        return errors.Overloaded("overloaded")
    return errors.StreamInterrupted("cut") if fault.words else errors.ConnectionFailed("no connection")


def course_of(
    breakers: list[Breaker],
    budget: RetryBudget,
    policy: RetryPolicy,
    ends_at: float,
    draw: Callable[[], float] = lambda: 0.5,
) -> Course:
    """A request over routes whose provider is one."""
    return Course([Choice(breaker, budget, policy) for breaker in breakers], ends_at, draw)


def seconds_of(fault: Fault) -> float:
    """What an attempt takes until it fails."""
    return IDLE_S if fault.code.endswith("_timeout") else 0.01


EARLY = [fault for fault in FAULTS if not fault.words]
LATE = [fault for fault in FAULTS if fault.words]
REFUSED = [fault for fault in FAULTS if fault.name == "connection refused"]


def by_fault(fault: Fault) -> str:
    return fault.name


@pytest.mark.parametrize("fault", EARLY, ids=by_fault)
@pytest.mark.parametrize("luck", [0.0, 0.999])
def test_the_declared_error_comes_in_time_after_the_declared_attempts(fault: Fault, luck: float) -> None:
    breaker, budget = Breaker(BreakerPolicy()), RetryBudget()
    course = course_of([breaker], budget, RetryPolicy(max_retries=RETRIES), FIRST_BYTE_S, lambda: luck)
    now, attempts = 0.0, 0
    command = course.begin(now)
    while isinstance(command, Enter):
        now += command.after_s
        assert course.entered(0, now) == Open(0)
        attempts += 1
        now += seconds_of(fault)
        command = course.failed(0, error_of(fault), now)
    course.over(0, now)
    assert isinstance(command, Fail) and command.error.code == fault.code
    assert now <= FIRST_BYTE_S
    assert attempts == (RETRIES + 1 if fault in REFUSED else fault.attempts)
    assert (budget.active, budget.retrying) == (0, 0)
    assert breaker.state is BreakerState.CLOSED and breaker.ask(now) is not None


@pytest.mark.parametrize("fault", EARLY, ids=by_fault)
def test_another_route_answers_in_its_place(fault: Fault) -> None:
    breakers = [Breaker(BreakerPolicy()) for _ in range(2)]
    course = course_of(breakers, RetryBudget(), RetryPolicy(max_retries=RETRIES), FIRST_BYTE_S, lambda: 0.5)
    now = 0.0
    command = course.begin(now)
    while isinstance(command, Enter) and command.route == 0:
        now += command.after_s
        assert course.entered(0, now) == Open(0)
        command = course.failed(0, error_of(fault), now)
    assert isinstance(command, Enter) and command.route == 1 and not command.after_s
    assert command.why == fault.code
    assert course.entered(1, now) == Open(1)
    course.output(1, now)
    course.over(1, now)


@pytest.mark.parametrize("fault", LATE, ids=by_fault)
def test_nothing_is_repeated_after_an_output(fault: Fault) -> None:
    breaker, budget = Breaker(BreakerPolicy()), RetryBudget()
    course = course_of([breaker], budget, RetryPolicy(max_retries=RETRIES), FIRST_BYTE_S)
    course.begin(0.0)
    assert course.entered(0, 0.0) == Open(0)
    course.output(0, 0.0)
    error = error_of(fault)
    course.broke(0, error, 1.0)
    course.over(0, 1.0, error)
    assert error.code == fault.code
    assert breaker.view(1.0).failures == 1 and (budget.active, budget.retrying) == (0, 0)


@pytest.mark.parametrize("name", NAMED_WAITS)
def test_a_wait_that_is_named_is_kept_and_hardly_prolonged(name: str) -> None:
    fault = next(fault for fault in FAULTS if fault.name == name)
    for draw in (lambda: 0.0, lambda: 1.0):
        course = course_of([Breaker(BreakerPolicy())], RetryBudget(), RetryPolicy(), FIRST_BYTE_S, draw)
        course.begin(0.0)
        course.entered(0, 0.0)
        command = course.failed(0, error_of(fault), 0.0)
        assert isinstance(command, Enter)
        assert 0.85 * NAMED_WAITS[name] <= command.after_s <= (1.0 + SPREAD) * (NAMED_WAITS[name] + 1)


@pytest.mark.parametrize("fault", EARLY, ids=by_fault)
def test_a_fault_that_lasts_opens_the_circuit_only_where_it_says_something_of_the_route(fault: Fault) -> None:
    breaker, now = Breaker(BreakerPolicy()), 0.0
    for _ in range(5):
        course = course_of([breaker], RetryBudget(), RetryPolicy(max_retries=0), now + FIRST_BYTE_S)
        if isinstance(course.begin(now), Enter):
            course.entered(0, now)
            course.failed(0, error_of(fault), now)
        course.over(0, now)
        now += 0.1
    limited = fault.code == faults.LIMITED
    assert (breaker.state is BreakerState.OPEN) is not limited
    if limited:
        return
    wait = breaker.refused_for(now)
    assert wait is not None and wait <= 1.0
    probe = course_of([breaker], RetryBudget(), RetryPolicy(), now + 10)
    assert isinstance(probe.begin(now + wait), Enter) and probe.entered(0, now + wait) == Open(0, probe=True)
    probe.output(0, now + wait)
    assert breaker.state is BreakerState.CLOSED, "the first answer after the fault closes it"
