"""The report of a process that found the lane taken, and what a report says to the caller who needs the session."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from providers_app import errors
from providers_app.ports import Session
from providers_app.refresh import clock, service
from providers_app.refresh import flight as flights
from providers_app.refresh.flight import Flight
from providers_app.types.credentials import Credential, Secret
from providers_app.types.refresh import RefreshBusy, RefreshReport, RefreshState
from tests.unit.providers.memory_refreshes import Row
from tests.unit.providers.refreshing_kit import Login, login, row, store

__all__ = ["login", "row", "store"]
NOW = 2_000_000_000.0
STATE = RefreshState(generation=4, status="active", lease_left=30.0, expires_at=NOW + 600, next_try_at=NOW + 60)


class Taken:
    """A store in which another process holds the lane; each look finds the next state, and at last the same."""

    def __init__(self, busy: RefreshBusy, *states: RefreshState) -> None:
        self.busy, self.states = busy, list(states)

    async def claim(self, session_id: str, *, lease_s: float, holder: str) -> RefreshBusy:
        return self.busy

    async def peek(self, session_id: str) -> RefreshState:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]


def flight(resting: bool, *states: RefreshState) -> Flight:
    busy = RefreshBusy(lease_left=30.0, generation=4, resting=resting)
    return Flight(Taken(busy, *states), "s1", "schedule", 4, 0.0)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The wall clock stands at ``NOW``, and looks at another process's refresh follow each other at once."""
    monkeypatch.setattr(time, "time", lambda: NOW)
    monkeypatch.setattr(clock, "possible", lambda *_: (NOW, NOW))
    monkeypatch.setattr(flights, "POLL_S", 0.0)


def state(**changes: Any) -> RefreshState:
    return msgspec.structs.replace(STATE, **changes)


SETTLED = {
    "another one refreshed": (state(generation=5), "waited", ""),
    "it needs a person": (state(status="needs_reauth", status_reason="Revoked."), "needs_person", "needs_reauth"),
    "both": (state(generation=5, status="needs_reauth"), "waited", ""),
}


@pytest.mark.parametrize("resting", [False, True])
@pytest.mark.parametrize("name", SETTLED)
async def test_a_session_that_is_settled_is_reported_as_it_is(name: str, resting: bool) -> None:
    found, done, code = SETTLED[name]
    report = await flight(resting, found).run()
    assert (report.session_id, report.done, report.code) == ("s1", done, code)
    assert (report.generation, report.expires_at, report.next_try_at) == (found.generation, NOW + 600, NOW + 60)
    assert report.why == (found.status_reason if done == "needs_person" else "refreshed by another process")


@pytest.mark.parametrize(
    ("found", "done", "code", "next_try"),
    [
        (state(intent_open=True), "kept", "token_outcome_unknown", NOW + 60),
        (state(intent_open=True, expires_at=None), "kept", "token_outcome_unknown", NOW + 60),
        (state(intent_open=True, expires_at=NOW + 1), "kept", "token_outcome_unknown", NOW + 60),
        (state(intent_open=True, expires_at=NOW), "unknown", "token_outcome_unknown", NOW + 60),
        (state(intent_open=True, next_try_at=None), "kept", "token_outcome_unknown", NOW + 30),
        (state(), "failed", "refresh_failed", NOW + 60),
        (state(next_try_at=NOW + 29), "failed", "refresh_failed", NOW + 30),
    ],
)
async def test_a_lane_that_rests_says_whether_the_access_token_works_and_until_when(
    found: RefreshState, done: str, code: str, next_try: float
) -> None:
    report = await flight(True, found).run()
    assert (report.done, report.code, report.next_try_at) == (done, code, next_try)


@pytest.mark.parametrize(("intent_open", "done"), [(False, "failed"), (True, "unknown")])
async def test_a_failure_of_the_winner_is_reported_to_those_who_waited(intent_open: bool, done: str) -> None:
    before = state(failed_at=NOW - 50, error_code="old", error="Before.")
    failed = state(failed_at=NOW, error_code="busy", error="Ask later.", intent_open=intent_open)
    report = await flight(False, before, before, failed).run()
    assert (report.done, report.code, report.why) == (done, "busy", "Ask later.")


async def test_a_lane_that_is_held_for_too_long_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = iter(range(0, 10_000, 50))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(steps)))
    report = await asyncio.wait_for(flight(False, STATE).run(), 60)
    assert (report.done, report.code, report.generation) == ("failed", "refresh_failed", 4)


def report(done: Any, **fields: Any) -> RefreshReport:
    return RefreshReport(session_id="s1", done=done, why="Because", **fields)


REFUSED: dict[str, tuple[RefreshReport, type[errors.ProviderError], str, float | None]] = {
    "person": (
        report("needs_person", code="token_refused"),
        errors.NeedsReauth,
        "The session 'work' needs a new sign-in: Because",
        None,
    ),
    "person known": (
        report("needs_person", code="needs_reauth"),
        errors.NeedsReauth,
        "The session 'work' needs a new sign-in.",
        None,
    ),
    "off": (
        report("skipped", code=errors.FlowDisabled.code),
        errors.FlowDisabled,
        "The session 'work' is kept, but not used: Because",
        None,
    ),
    "early": (
        report("skipped", code="refresh_too_early", next_try_at=NOW),
        errors.RefreshTooEarly,
        "The session 'work' cannot be refreshed before 03:33 UTC: Because.",
        None,
    ),
    "early at some time": (
        report("skipped", code="refresh_too_early"),
        errors.RefreshTooEarly,
        "The session 'work' cannot be refreshed before later: Because.",
        None,
    ),
    **{
        done: (
            report(done, code="x"),
            errors.TokenOutcomeUnknown,
            "The session 'work' could not be refreshed for certain: Because",
            None,
        )
        for done in ("unknown", "kept")
    },
    "failed": (
        report("failed", code="x", next_try_at=NOW + 7),
        errors.RefreshFailed,
        "The session 'work' could not be refreshed: Because",
        7.0,
    ),
    "failed before": (
        report("failed", code="x", next_try_at=NOW - 7),
        errors.RefreshFailed,
        "The session 'work' could not be refreshed: Because",
        0.0,
    ),
    "failed for good": (
        report("failed", code="x"),
        errors.RefreshFailed,
        "The session 'work' could not be refreshed: Because",
        None,
    ),
}


@pytest.mark.usefixtures("on_loop")
@pytest.mark.parametrize("name", REFUSED)
async def test_every_way_in_raises_the_error_of_the_report(
    name: str, row: Row, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, kind, message, retry_after = REFUSED[name]
    ended = msgspec.structs.replace(row.session, expires_at=NOW)
    credential = Credential(auth_type="oauth", secret=Secret("access-0"))
    asked = []

    async def refresh(session_id: str, **given: Any) -> RefreshReport:
        asked.append((session_id, given))
        return answer

    monkeypatch.setattr(service, "refresh_session", refresh)
    unauthorized = errors.AuthenticationFailed("no")
    calls = (
        service.fresh(1, ended, credential),
        service.renewed(1, ended, unauthorized),
        service.refresh_tokens("remote", "work", owner=1),
    )
    for call in calls:
        with pytest.raises(errors.ProviderError) as caught:
            await call
        if caught.value is unauthorized:
            assert answer.done == "needs_person"
            continue
        assert type(caught.value) is kind and caught.value.message == message
        assert getattr(caught.value, "retry_after", None) == retry_after
    generation = ended.generation
    assert asked == [
        ("s1", {"trigger": "use", "seen_generation": generation}),
        ("s1", {"trigger": "unauthorized", "seen_generation": generation}),
        ("s1", {"trigger": "command"}),
    ]


@pytest.mark.usefixtures("on_loop")
@pytest.mark.parametrize(
    ("auth_type", "expires_in", "asks"),
    [("oauth", 11, False), ("oauth", 10, True), ("oauth", None, False), ("api_key", 0, False), ("none", 0, False)],
)
async def test_only_an_access_token_that_ends_within_ten_seconds_is_refreshed_before_use(
    auth_type: Any, expires_in: int | None, asks: bool, row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends = None if expires_in is None else NOW + expires_in
    session = msgspec.structs.replace(row.session, auth_type=auth_type, expires_at=ends)
    credential = Credential(auth_type=auth_type)
    asked = []

    async def refresh(session_id: str, **given: Any) -> RefreshReport:
        asked.append(session_id)
        return report("kept", code="token_outcome_unknown")

    monkeypatch.setattr(service, "refresh_session", refresh)
    assert await service.fresh(1, session, credential) == (session, credential)
    assert asked == (["s1"] if asks else [])


@pytest.mark.usefixtures("on_loop")
async def test_what_is_no_login_is_not_renewed(row: Row) -> None:
    session: Session = msgspec.structs.replace(row.session, auth_type="api_key")
    error = errors.AuthenticationFailed("no")
    with pytest.raises(errors.AuthenticationFailed) as caught:
        await service.renewed(1, session, error)
    assert caught.value is error
