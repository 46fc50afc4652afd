"""Each time and each word of the decisions about a refresh: at its boundary, one second before and one after."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from providers_app import errors
from providers_app.refresh import clock, rules
from providers_app.refresh.rules import backoff, decide, failure_of
from providers_app.types.credentials import Secret
from providers_app.types.refresh import RefreshClaim
from tests.unit.providers.test_refresh_rules import BACKING_OFF, ENDED, NOW, OPEN, claim

USE = {"trigger": "use"}
BUTTON = {"trigger": "button"}
REFUSED = {"trigger": "unauthorized"}
BOUNDARIES: dict[str, tuple[Callable[[float], RefreshClaim], dict[str, Any], float, tuple[str, str, str]]] = {
    "due": (lambda at: claim(due_at=at), {}, NOW, ("send", "send", "skip")),
    "due early": (lambda at: claim(due_at=at), {"within_s": 60.0}, NOW + 60, ("send", "send", "skip")),
    "allowed": (lambda at: claim(tokens={"earliest_refresh_at": at}), BUTTON, NOW, ("send", "send", "skip")),
    "allowed by a slower clock": (
        lambda at: claim(tokens={"earliest_refresh_at": at}),
        {**BUTTON, "earliest": NOW - 90},
        NOW - 90,
        ("send", "send", "skip"),
    ),
    "asked for again": (lambda at: claim(refreshed_at=at), BUTTON, NOW - 10, ("send", "send", "done")),
    "asked for, of another clock": (lambda at: claim(refreshed_at=at), BUTTON, NOW + 10, ("done", "send", "send")),
    "ends soon": (
        lambda at: claim(due_at=None, tokens={"expires_at": at}),
        USE,
        NOW + rules.USE_WITHIN_S,
        ("send", "send", "skip"),
    ),
    "lost, access ended": (lambda at: claim(**OPEN, tokens={"expires_at": at}), {}, NOW, ("send", "send", "keep")),
    "lost, access ended by a slower clock": (
        lambda at: claim(**OPEN, tokens={"expires_at": at}),
        {"earliest": NOW - 90},
        NOW - 90,
        ("send", "send", "keep"),
    ),
    "read only, ended": (
        lambda at: claim(tokens={"read_only": "held elsewhere", "expires_at": at}),
        {},
        NOW,
        ("person", "person", "skip"),
    ),
    "backs off": (lambda at: claim(attempts=1, due_at=at, tokens=ENDED), USE, NOW, ("send", "send", "skip")),
    "failed before the clock was set back": (
        lambda at: claim(**BACKING_OFF, failed_at=at, tokens=ENDED),
        USE,
        NOW + clock.STEP_S,
        ("skip", "skip", "send"),
    ),
    "lost and kept until the access ends, which was refused": (
        lambda at: claim(**OPEN, attempts=1, due_at=NOW + 30, tokens={"expires_at": at}),
        REFUSED,
        NOW + 31,
        ("send", "send", "skip"),
    ),
    "lost, refused when the access had ended": (
        lambda at: claim(**OPEN, attempts=1, due_at=NOW + 30, tokens={"expires_at": at}),
        REFUSED,
        NOW,
        ("skip", "skip", "send"),
    ),
}


@pytest.mark.parametrize("name", BOUNDARIES)
def test_a_time_counts_from_its_second_on(name: str) -> None:
    made, given, boundary, expected = BOUNDARIES[name]
    asked: dict[str, Any] = {"trigger": "schedule", "seen_generation": 4, "now": NOW, **given}
    found = [decide(made(boundary + step), "single_use", **asked).action for step in (-1, 0, 1)]
    assert tuple(found) == expected


@pytest.mark.parametrize(("seen", "action"), [(None, "send"), (3, "done"), (4, "send"), (5, "send")])
def test_only_a_newer_generation_is_somebody_elses_refresh(seen: int | None, action: str) -> None:
    assert decide(claim(), "single_use", trigger="schedule", seen_generation=seen, now=NOW).action == action


@pytest.mark.parametrize(
    ("found", "trigger", "code", "until"),
    [
        (claim(status="disabled"), "schedule", "session_disabled", None),
        (claim(status="needs_reauth"), "schedule", "needs_reauth", None),
        (claim(tokens={"read_only": "x"}), "schedule", "not_refreshable", None),
        (claim(tokens={"read_only": "x", **ENDED}), "schedule", "not_refreshable", None),
        (claim(tokens={"earliest_refresh_at": NOW + 5}), "schedule", "refresh_too_early", NOW + 5),
        (claim(**BACKING_OFF, tokens=ENDED), "use", "refresh_failed", NOW + 30),
        (claim(**OPEN), "schedule", "", NOW + 3600),
        (claim(due_at=NOW + 9), "schedule", "", None),
        (claim(), "schedule", "", None),
    ],
)
def test_a_decision_has_the_code_of_its_error_and_when_to_check_again(
    found: RefreshClaim, trigger: Any, code: str, until: float | None
) -> None:
    decision = decide(found, "single_use", trigger=trigger, seen_generation=4, now=NOW)
    assert (decision.code, decision.until) == (code, until)


@pytest.mark.parametrize("trigger", ["schedule", "use", "command", "button", "unauthorized"])
def test_a_refresh_says_what_it_was_for(trigger: Any) -> None:
    decision = decide(claim(tokens=ENDED), "single_use", trigger=trigger, seen_generation=4, now=NOW)
    assert decision.why == (trigger if trigger in ("command", "button", "unauthorized") else "due")


ERRORS: dict[str, tuple[errors.ProviderError, str, str]] = {
    "refused": (errors.TokenRefused("no"), "refused", "refused"),
    "lost": (errors.TokenOutcomeUnknown("lost"), "unknown", "no"),
    "broken": (errors.ProviderBroken("broken"), "unknown", "no"),
    "not sent": (errors.ConnectionFailed("away"), "no", "no"),
    "busy": (errors.RateLimited("busy", retry_after=400.0), "no", "no"),
}


@pytest.mark.parametrize("intent_open", [False, True])
@pytest.mark.parametrize("rotation", ["single_use", "none", "minted"])
@pytest.mark.parametrize("name", ERRORS)
def test_what_an_error_says_of_the_token(
    name: str, rotation: Any, intent_open: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: 1.0)
    error, once, otherwise = ERRORS[name]
    found = claim(intent_open=intent_open, attempts=2, tokens={"expires_at": NOW + 70})
    failure = failure_of(error, found, rotation, "schedule", now=NOW)
    spent = once if rotation == "single_use" else otherwise
    assert (failure.spent, failure.code) == (spent, error.code)
    if spent == "refused":
        lost = intent_open and rotation == "single_use"
        assert failure.reason == ("answer_lost" if lost else "refused") and failure.next_try_at is None
        assert ("p and its answer was lost" in failure.message) == lost
        assert lost or failure.message == error.message
    else:
        wait = {"unknown": 120.0, "no": 400.0 if name == "busy" else 120.0}[spent]
        assert (failure.next_try_at, failure.reason, failure.message) == (NOW + wait, "", error.message)


@pytest.mark.parametrize(
    ("lease_s", "ends_in", "trigger", "wait"),
    [
        (60.0, 10, "schedule", 60.0),
        (60.0, 900, "schedule", 900.0),
        (60.0, 900, "unauthorized", 60.0),
        (60.0, None, "schedule", 60.0),
        (10.0, 10, "use", 30.0),
    ],
)
def test_a_token_that_may_be_spent_waits_for_its_lease_and_for_the_end_of_the_access(
    lease_s: float, ends_in: int | None, trigger: Any, wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: 1.0)
    tokens = {"expires_at": None if ends_in is None else NOW + ends_in}
    found = failure_of(
        errors.TokenOutcomeUnknown("lost"), claim(lease_s=lease_s, tokens=tokens), "single_use", trigger, now=NOW
    )
    assert found.next_try_at == NOW + wait


def test_pauses_double_from_half_a_minute_to_half_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: low)
    assert [backoff(number) for number in (0, 1, 2, 5, 6, 50)] == [24, 48, 96, 768, 1440, 1440]
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    assert [backoff(number) for number in (0, 6)] == [36, 2160]
    assert [backoff(0, after) for after in (35.0, 37.0, 86_400.0, 86_401.0)] == [36, 37, 86_400, 86_400]


@pytest.mark.parametrize(
    ("held", "given", "refused"),
    [("", "", False), ("a", "", False), ("", "b", False), ("a", "a", False), ("a", "b", True)],
)
def test_only_tokens_that_name_another_account_are_anothers(held: str, given: str, refused: bool) -> None:
    found = claim(tokens={"account_id": held})
    failure = rules.of_another_account(claim(tokens={"account_id": given, "access": Secret("new")}).tokens, found)
    assert (failure is not None) == refused
    assert failure is None or (failure.spent, failure.reason) == ("refused", "refused")


@pytest.mark.parametrize(
    ("wall", "process", "told", "skew", "expected"),
    [
        (1000, 1060, None, 0, (1000, 1000)),
        (1000, 1061, None, 0, (1000, 1061)),
        (1000, 939, None, 0, (939, 1000)),
        (1000, 9999, 1060, 0, (1000, 1000)),
        (1000, 9999, 1061, 0, (1000, 1061)),
        (1000, 9999, 1161, 101, (1000, 1000)),
        (1000, 9999, 1162, 101, (1000, 1061)),
        (1000, 1061, 1000 + 86_400, 0, (1000, 1061)),
        (1000, 1061, 999 + 86_400, 0, (1000, 87_399)),
        (100_000, 100_061, 100_000 - 86_400, 0, (100_000, 100_061)),
    ],
)
def test_clocks_that_differ_by_over_a_minute_are_both_possible(
    wall: float, process: float, told: float | None, skew: float, expected: tuple[float, float]
) -> None:
    assert clock.span(wall, process, told, skew) == expected
