"""The table of the design: what a claimant does with what it finds."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers_app.refresh.rules import backoff, decide
from providers_app.types.credentials import Secret
from providers_app.types.refresh import RefreshClaim
from providers_app.types.tokens import Tokens

NOW = 1_000_000.0


def claim(**changes: object) -> RefreshClaim:
    tokens = {"flow": "f", "access": Secret("a"), "refresh": Secret("r"), "expires_at": NOW + 3600}
    given_tokens = changes.pop("tokens", {})
    assert isinstance(given_tokens, dict)
    values: dict[str, object] = {
        "session_id": "s",
        "provider": "p",
        "name": "n",
        "status": "active",
        "generation": 4,
        "tokens": Tokens(**{**tokens, **given_tokens}),
        "lease": "l",
        "lane": "k",
        "claimed": 0.0,
        "lease_s": 60.0,
        "due_at": NOW - 1,
    }
    return RefreshClaim(**{**values, **changes})  # type: ignore[arg-type]


ENDED = {"expires_at": NOW - 1}
OPEN = {"intent_open": True, "presentations": 1}
BACKING_OFF = {"attempts": 1, "due_at": NOW + 30}
CASES = {
    "due": (claim(), "single_use", "schedule", 4, "send"),
    "not due": (claim(due_at=NOW + 100), "single_use", "schedule", 4, "skip"),
    "never due": (claim(due_at=None), "single_use", "schedule", 4, "skip"),
    "asked for, not due": (claim(due_at=NOW + 100), "single_use", "button", 4, "send"),
    "asked for twice": (claim(due_at=NOW + 100, refreshed_at=NOW - 1), "single_use", "button", 4, "done"),
    "refused by the provider a moment after": (claim(refreshed_at=NOW - 1), "single_use", "unauthorized", 4, "send"),
    "another one was faster": (claim(generation=5), "single_use", "unauthorized", 4, "done"),
    "disabled": (claim(status="disabled"), "single_use", "unauthorized", 4, "skip"),
    "a person is needed": (claim(status="needs_reauth"), "single_use", "button", 4, "person"),
    "forbidden is no reason to let it die": (claim(status="forbidden"), "single_use", "schedule", 4, "send"),
    "ended, found by a use": (claim(due_at=None, tokens=ENDED), "single_use", "use", 4, "send"),
    "too early": (claim(tokens={"earliest_refresh_at": NOW + 5}), "single_use", "unauthorized", 4, "skip"),
    "read only, works": (claim(tokens={"read_only": "held elsewhere"}), "single_use", "button", 4, "skip"),
    "read only, refused": (claim(tokens={"read_only": "held elsewhere"}), "single_use", "unauthorized", 4, "person"),
    "read only, ended": (claim(tokens={"read_only": "x", **ENDED}), "single_use", "use", 4, "person"),
    "no refresh token, works": (claim(tokens={"refresh": Secret("")}), "none", "schedule", 4, "skip"),
    "no refresh token, refused": (claim(tokens={"refresh": Secret("")}), "none", "unauthorized", 4, "person"),
    "minted needs no refresh token": (claim(tokens={"refresh": Secret("")}), "minted", "schedule", 4, "send"),
    "lost answer, nothing rotates": (claim(**OPEN), "none", "schedule", 4, "send"),
    "lost answer, minted anew": (claim(**OPEN, tokens={"refresh": Secret("")}), "minted", "schedule", 4, "send"),
    "lost answer, still works": (claim(**OPEN), "single_use", "schedule", 4, "keep"),
    "lost answer, still works, asked for": (claim(**OPEN), "single_use", "button", 4, "keep"),
    "lost answer, end unknown": (claim(**OPEN, tokens={"expires_at": None}), "single_use", "schedule", 4, "keep"),
    "lost answer, ended": (claim(**OPEN, tokens=ENDED), "single_use", "schedule", 4, "send"),
    "lost answer, refused": (claim(**OPEN), "single_use", "unauthorized", 4, "send"),
    "failed, not yet again": (claim(**BACKING_OFF, tokens=ENDED), "single_use", "use", 4, "skip"),
    "failed, not yet again, refused": (claim(**BACKING_OFF), "none", "unauthorized", 4, "skip"),
    "failed, asked for": (claim(**BACKING_OFF, tokens=ENDED), "single_use", "button", 4, "send"),
    "failed, time is over": (claim(attempts=1, tokens=ENDED), "single_use", "use", 4, "send"),
    "lost answer, not yet again": (claim(**OPEN, **BACKING_OFF, tokens=ENDED), "single_use", "use", 4, "skip"),
    "lost answer, second one put off, refused": (claim(**OPEN, **BACKING_OFF), "single_use", "unauthorized", 4, "skip"),
    "lost answer, kept, refused": (
        claim(**OPEN, attempts=1, due_at=NOW + 3600),
        "single_use",
        "unauthorized",
        4,
        "send",
    ),
    "a clock that was set back": (claim(due_at=NOW + 100, refreshed_at=NOW + 900), "single_use", "button", 4, "send"),
    "presented twice": (claim(intent_open=True, presentations=2, tokens=ENDED), "single_use", "use", 4, "send"),
    "presented often, still works": (claim(intent_open=True, presentations=9), "single_use", "button", 4, "keep"),
    "presented twice, nothing rotates": (claim(intent_open=True, presentations=7), "none", "schedule", 4, "send"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_line_of_the_table(name: str) -> None:
    found, rotation, trigger, seen, action = CASES[name]
    decision = decide(found, rotation, trigger=trigger, seen_generation=seen, now=NOW)  # type: ignore[arg-type]
    assert decision.action == action, decision
    assert decision.why


def test_what_is_kept_is_looked_at_again_when_the_access_token_ends() -> None:
    kept = decide(claim(**OPEN), "single_use", trigger="schedule", seen_generation=4, now=NOW)  # type: ignore[arg-type]
    assert kept.until == NOW + 3600
    early = claim(tokens={"earliest_refresh_at": NOW + 5})
    assert decide(early, "single_use", trigger="button", seen_generation=4, now=NOW).until == NOW + 5


@given(
    intent_open=st.booleans(),
    presentations=st.integers(0, 3),
    rotation=st.sampled_from(["none", "single_use", "minted"]),
    trigger=st.sampled_from(["schedule", "command", "button", "use", "unauthorized"]),
    ends_in=st.one_of(st.none(), st.integers(-100, 4000)),
    earliest_in=st.one_of(st.none(), st.integers(-100, 4000)),
    status=st.sampled_from(["active", "needs_reauth", "forbidden", "misconfigured", "disabled"]),
    read_only=st.sampled_from(["", "held elsewhere"]),
)
def test_nothing_is_sent_that_could_end_a_login(
    intent_open, presentations, rotation, trigger, ends_in, earliest_in, status, read_only
) -> None:
    found = claim(
        intent_open=intent_open,
        presentations=presentations,
        status=status,
        tokens={
            "expires_at": None if ends_in is None else NOW + ends_in,
            "earliest_refresh_at": None if earliest_in is None else NOW + earliest_in,
            "read_only": read_only,
        },
    )
    decision = decide(found, rotation, trigger=trigger, seen_generation=4, now=NOW)
    if decision.action != "send":
        return
    assert status not in ("disabled", "needs_reauth") and not read_only
    assert earliest_in is None or earliest_in <= 0
    if rotation == "single_use" and intent_open:
        assert trigger == "unauthorized" or (ends_in is not None and ends_in <= 0)


def test_waiting_grows_and_respects_the_endpoint() -> None:
    assert backoff(0) < backoff(3) < backoff(9)
    assert backoff(50) <= 1800 * 1.2
    assert backoff(0, retry_after=4000) == 4000
    assert backoff(0, retry_after=9e9) == 86400


def test_when_tokens_are_due() -> None:
    tokens = claim().tokens
    assert tokens.due_at(300, NOW) == NOW + 3300
    short = claim(tokens={"expires_at": NOW + 100}).tokens
    assert short.due_at(300, NOW) == NOW + 50, "a short token is not refreshed all the time"
    allowed = claim(tokens={"earliest_refresh_at": NOW + 3400}).tokens
    assert allowed.due_at(300, NOW) == NOW + 3400
    endless = {"expires_at": None}
    assert claim(tokens=endless).tokens.due_at(300, NOW) == NOW + 3600
    assert claim(tokens=endless | {"earliest_refresh_at": NOW + 7200}).tokens.due_at(300, NOW) == NOW + 7200
    assert claim(tokens=endless | {"refresh": Secret("")}).tokens.due_at(300, NOW) == math.inf
