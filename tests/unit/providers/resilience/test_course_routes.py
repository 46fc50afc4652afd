"""A request over several routes: whatever happens, in whatever order, with a clock of the test's own and no loop."""

from hypothesis import given
from hypothesis import strategies as st

from providers_app import errors
from providers_app.resilience.breaker import Breaker, BreakerPolicy
from providers_app.resilience.course import Choice, Course, Enter, Fail, Open, same_everywhere
from providers_app.resilience.retry import RetryBudget, RetryPolicy

FAILURES = (
    errors.ServerError("500"),
    errors.Overloaded("529"),
    errors.RateLimited("429"),
    errors.RateLimited("429", retry_after=3.0),
    errors.QuotaExhausted("used up"),
    errors.UpstreamTimeout("silent"),
    errors.ConnectionFailed("refused"),
    errors.BadAnswer("HTML"),
    errors.AuthenticationFailed("401"),
    errors.UnknownModel("404"),
    errors.PromptTooLong("too long"),
    errors.AddressRefused("private"),
    errors.NotConfigured("the key ring does not open it"),
    errors.SessionDisabled("disabled"),
)
ALIKE = (errors.BadRequest("400"), errors.ContentRefused("filter"))
REFUSALS = (errors.QueueFull("full"), errors.QueueTimeout("late"), errors.LimitReached("limit"))
STEPS = st.one_of(
    st.sampled_from(FAILURES),
    st.sampled_from(REFUSALS),
    st.sampled_from(("answer", "opens meanwhile")),
    st.sampled_from(ALIKE),
)


class World:
    """Routes with their circuits and budgets (of providers that routes may share), and what was asked of them."""

    def __init__(self, routes: int, open_ones: frozenset[int], retries: int, shared: bool) -> None:
        budgets = [RetryBudget() for _ in range(routes)]
        self.breakers = [Breaker(BreakerPolicy()) for _ in range(routes)]
        for number in open_ones:
            self.breakers[number % routes]._open(0.0, "down", 1000.0)
        self.budgets = budgets[:1] * routes if shared else budgets
        pairs = zip(self.breakers, self.budgets, strict=True)
        choices = [Choice(breaker, budget, RetryPolicy(retries)) for breaker, budget in pairs]
        self.course = Course(choices, 600.0, lambda: 0.5)

    def idle(self) -> bool:
        quiet = all((budget.active, budget.retrying) == (0, 0) for budget in self.budgets)
        return quiet and not any(breaker._probing for breaker in self.breakers)


@given(
    st.integers(1, 5),
    st.frozensets(st.integers(0, 4)),
    st.integers(0, 3),
    st.booleans(),
    st.lists(STEPS, max_size=40),
    st.floats(0, 3),
)
def test_whatever_happens_no_route_is_asked_again_and_everything_is_given_back(
    routes: int, open_ones: frozenset[int], retries: int, shared: bool, steps: list[object], pause: float
) -> None:
    world, now, script = World(routes, open_ones, retries, shared), 0.0, list(steps)
    course, sent = world.course, dict.fromkeys(range(routes), 0)
    command, at, answered = course.begin(now), 0, False
    while not isinstance(command, Fail):
        left = {one.route for one in course.failed_attempts if one.wait_s is None}
        assert command.route not in left, "a route that was left is not asked again"
        at = command.route
        step = script.pop(0) if script else "answer"
        if isinstance(command, Enter):
            now += command.after_s + pause
            if isinstance(step, errors.NotAdmitted):
                command = course.refused(at, step, now)
                continue
            if step == "opens meanwhile":
                world.breakers[at]._open(now, "another request failed", 1000.0)
            command = course.entered(at, now)
            continue
        assert isinstance(command, Open)
        sent[at] += 1
        if isinstance(step, errors.ProviderError) and not isinstance(step, errors.NotAdmitted):
            command = course.failed(at, step, now)
            continue
        course.output(at, now)
        answered = True
        break
    course.over(at, now)
    assert world.idle()
    assert all(count <= retries + 1 for count in sent.values())
    left = {one.route for one in course.failed_attempts if one.wait_s is None}
    if answered:
        assert at not in left
    elif isinstance(command, Fail):
        reasons = [one.error for one in course.failed_attempts]
        assert command.error in reasons
        assert left == set(range(routes)) or same_everywhere(command.error), "it fails only where every route did"


@given(st.integers(2, 5), st.lists(st.sampled_from((*FAILURES, *REFUSALS)), min_size=5, max_size=5), st.integers(0, 4))
def test_one_route_that_works_is_found_wherever_it_stands(
    routes: int, failures: list[errors.ProviderError], good: int
) -> None:
    world, now = World(routes, frozenset(), 1, shared=False), 0.0
    course, good = world.course, good % routes
    command = course.begin(now)
    while not isinstance(command, Fail):
        at = command.route
        if isinstance(command, Enter):
            now += command.after_s
            refused = at != good and isinstance(failures[at], errors.NotAdmitted)
            command = course.refused(at, failures[at], now) if refused else course.entered(at, now)
        elif at == good:
            course.output(at, now)
            break
        else:
            command = course.failed(at, failures[at], now)
    assert isinstance(command, Open) and command.route == good
    course.over(good, now)
    assert world.idle()
