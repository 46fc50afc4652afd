"""One request over its routes: each failure before the first output, with a clock of the test's own and no loop."""

import pytest

from providers_app import errors
from providers_app.resilience.breaker import Breaker, BreakerPolicy, BreakerState
from providers_app.resilience.course import Choice, Course, Enter, Fail, Open
from providers_app.resilience.retry import RetryBudget, RetryPolicy

RETRIED = [
    errors.ServerError("500"),
    errors.Overloaded("529"),
    errors.ConnectionFailed("refused"),
    errors.RateLimited("429", retry_after=2.0),
    errors.UpstreamTimeout("silent"),
    errors.Conflict("409"),
    errors.RequestTimeout("408"),
]
FINAL = [
    errors.AuthenticationFailed("401"),
    errors.QuotaExhausted("used up"),
    errors.BadAnswer("HTML"),
    errors.PromptTooLong("too long for this model"),
    errors.PermissionDenied("403"),
    errors.UnknownModel("404"),
]


def course(routes: int = 1, retries: int = 2, left: float = 600.0) -> tuple[Course, list[Breaker]]:
    breakers = [Breaker(BreakerPolicy()) for _ in range(routes)]
    choices = [Choice(breaker, RetryBudget(), RetryPolicy(max_retries=retries)) for breaker in breakers]
    return Course(choices, left, lambda: 0.5), breakers


def attempt(of: Course, error: errors.ProviderError, now: float = 0.0, route: int = 0) -> object:
    assert of.entered(route, now) == Open(route)
    return of.failed(route, error, now)


@pytest.mark.parametrize("error", RETRIED, ids=lambda error: error.code)
def test_what_passes_is_retried_then_raised(error: errors.UpstreamError) -> None:
    of, _ = course()
    assert of.begin(0.0) == Enter(0)
    first = attempt(of, error)
    assert isinstance(first, Enter) and first.route == 0 and first.why == error.code
    second = attempt(of, error, 1.0)
    assert isinstance(second, Enter)
    assert attempt(of, error, 2.0) == Fail(error)
    assert [one.error.code for one in of.failed_attempts] == [error.code] * 3
    of.over(0, 3.0)


@pytest.mark.parametrize("error", FINAL, ids=lambda error: error.code)
def test_what_stays_is_raised_at_once_on_the_last_route(error: errors.UpstreamError) -> None:
    of, _ = course()
    of.begin(0.0)
    assert attempt(of, error) == Fail(error)


@pytest.mark.parametrize("error", [*RETRIED, *FINAL], ids=lambda error: error.code)
def test_another_route_serves_what_the_first_one_does_not(error: errors.UpstreamError) -> None:
    of, _ = course(routes=2, retries=0)
    of.begin(0.0)
    assert attempt(of, error) == Enter(1, 0.0, error.code)
    assert of.entered(1, 0.0) == Open(1)
    of.output(1, 0.0)
    of.over(1, 1.0)


def test_a_silent_route_is_not_dialled_again_where_there_is_another_one() -> None:
    of, _ = course(routes=2)
    of.begin(0.0)
    assert attempt(of, errors.UpstreamTimeout("silent")) == Enter(1, 0.0, "upstream_timeout")


@pytest.mark.parametrize("wrong", [errors.BadRequest("400"), errors.ContentRefused("filter")])
def test_what_every_route_would_answer_alike_ends_it(wrong: errors.UpstreamError) -> None:
    of, _ = course(routes=2)
    of.begin(0.0)
    assert attempt(of, wrong) == Fail(wrong)


@pytest.mark.parametrize("own", [errors.UnsupportedContent("no PDF here"), errors.NeedsReauth("gone")])
def test_what_does_not_fit_one_session_or_model_may_fit_the_next(own: errors.ProviderError) -> None:
    of, _ = course(routes=2)
    of.begin(0.0)
    assert attempt(of, own) == Enter(1, 0.0, own.code)


def test_a_route_is_retried_once_and_soon_where_another_one_could_serve() -> None:
    of, breakers = course(routes=2)
    of.begin(0.0)
    assert attempt(of, errors.ServerError("500")) == Enter(0, 0.25, "upstream_server_error")
    assert attempt(of, errors.ServerError("500")) == Enter(1, 0.0, "upstream_server_error")
    for error in (errors.RateLimited("429"), errors.Overloaded("529"), errors.ServerError("500", retry_after=5.0)):
        of, breakers = course(routes=2)
        of.begin(0.0)
        assert attempt(of, error) == Enter(1, 0.0, error.code)
    of, breakers = course(routes=2)
    of.begin(0.0)
    breakers[1]._open(0.0, "down", 30.0)
    assert attempt(of, errors.RateLimited("429", retry_after=2.0)) == Enter(0, 2.1, "upstream_rate_limit")


def test_the_error_that_is_told_is_one_that_passes() -> None:
    of, _ = course(routes=3, retries=0)
    of.begin(0.0)
    limited = errors.RateLimited("429", retry_after=2.0)
    attempt(of, errors.AuthenticationFailed("401"))
    attempt(of, limited, route=1)
    assert attempt(of, errors.UnknownModel("404"), route=2) == Fail(limited)
    assert [(one.route, one.error.code, one.wait_s) for one in of.failed_attempts] == [
        (0, "upstream_authentication", None),
        (1, "upstream_rate_limit", None),
        (2, "unknown_model", None),
    ]


def test_an_open_circuit_is_passed_by_or_refuses_with_the_time_of_its_probe() -> None:
    of, breakers = course(routes=2)
    for breaker in breakers[:1]:
        for _ in range(5):
            permit = breaker.ask(0.0)
            assert permit is not None
            breaker.failed(permit, 0.0, "500")
    assert of.begin(0.0) == Enter(1)
    alone, (circuit,) = course()
    for _ in range(5):
        permit = circuit.ask(0.0)
        assert permit is not None
        circuit.failed(permit, 0.0, "the provider answered 500")
    refused = alone.begin(0.25)
    assert isinstance(refused, Fail) and isinstance(refused.error, errors.CircuitOpen)
    assert refused.error.retry_after == pytest.approx(0.75) and "5 of 5 requests" in refused.error.message


def test_a_refusal_of_a_lane_tells_of_the_provider_where_it_was_asked() -> None:
    of, _ = course(routes=2, retries=0)
    of.begin(0.0)
    provider = errors.ServerError("500")
    assert attempt(of, provider) == Enter(1, 0.0, provider.code)
    assert of.refused(1, errors.QueueFull("full"), 0.0) == Fail(provider)


def test_a_retry_that_the_budget_does_not_allow_is_not_made() -> None:
    budget = RetryBudget()
    while budget.allow(0.0):
        pass
    of = Course([Choice(Breaker(BreakerPolicy()), budget, RetryPolicy())], 60.0, lambda: 0.0)
    of.begin(0.0)
    error = errors.ServerError("500")
    assert attempt(of, error) == Fail(error)


def test_every_end_gives_back_the_permit_and_the_budget() -> None:
    breakers, budget = [Breaker(BreakerPolicy(least=1))], RetryBudget()
    permit = breakers[0].ask(0.0)
    assert permit is not None
    breakers[0].failed(permit, 0.0, "500")
    of = Course([Choice(breakers[0], budget, RetryPolicy())], 60.0, lambda: 0.0)
    of.begin(1.0)
    assert of.entered(0, 1.0) == Open(0, probe=True) and breakers[0].ask(1.0) is None
    of.over(0, 2.0)  # the caller went away in the middle of the probe
    assert breakers[0].ask(2.0) is not None and (budget.active, budget.retrying) == (0, 0)


def test_a_probe_whose_time_is_up_counts_as_a_failure() -> None:
    of, (breaker,) = course()
    of.begin(0.0)
    of.entered(0, 0.0)
    for _ in range(4):
        permit = breaker.ask(0.0)
        assert permit is not None
        breaker.failed(permit, 0.0, "500")
    of.over(0, 1.0, errors.UpstreamTimeout("too late"))
    assert breaker.state is BreakerState.OPEN and "too late" in breaker.why
