"""How a refresh fails: what it may have spent, what is kept, and when the next one follows."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from providers_app import conf, errors
from providers_app.refresh import service as refreshing
from providers_app.types.credentials import Credential, Secret
from providers_app.types.tokens import Tokens
from tests.unit.providers.memory_refreshes import MemoryRefreshes, Row
from tests.unit.providers.refreshing_kit import Login, ended, login, lost, refused, row, store
from tests.waiting import put_forward

__all__ = ["login", "row", "store"]
pytestmark = pytest.mark.usefixtures("on_loop", "loopback")


@pytest.mark.parametrize(
    ("answer", "done", "spent", "status"),
    [
        (errors.TokenRefused("no", upstream_code="invalid_grant"), "needs_person", "refused", "needs_reauth"),
        (errors.TokenOutcomeUnknown("lost"), "unknown", "unknown", "active"),
        (errors.RateLimited("wait", retry_after=77), "failed", "no", "active"),
        (errors.TokenOutcomeUnknown("oops", status=503, retry_after=77), "unknown", "unknown", "active"),
        (errors.BadRequest("what?"), "failed", "no", "active"),
        (errors.ConnectionFailed("no route"), "failed", "no", "active"),
        (errors.AddressRefused("private"), "failed", "no", "active"),
        (ValueError("a fault of the provider's code"), "unknown", "unknown", "active"),
    ],
)
async def test_how_a_refresh_fails(
    store: MemoryRefreshes, row: Row, login: Login, answer: Exception, done: str, spent: str, status: str
) -> None:
    def fail(tokens: Tokens) -> Tokens:
        raise answer

    login.answer = fail
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, row.session.status) == (done, status)
    assert row.failure is not None and row.failure.spent == spent
    assert row.lease == "" and row.session.generation == 0
    assert (row.lease_until > time.monotonic()) is (spent == "unknown"), "the lane rests after an unknown outcome"
    if isinstance(answer, errors.RateLimited):
        assert row.due_at is not None and row.due_at - time.time() > 70


async def test_silence_is_an_unknown_outcome(store: MemoryRefreshes, row: Row, login: Login) -> None:
    async def never(tokens: Tokens) -> Tokens:
        await asyncio.Event().wait()
        return tokens

    login.answer = never
    with conf.use(conf.current().model_copy(update={"refresh_timeout_s": 0.05})):
        report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, row.intent_open, row.presentations) == ("unknown", True, 1)
    assert row.due_at == pytest.approx(row.tokens.expires_at), "nothing is sent while the access token works"


async def test_a_token_that_may_be_spent_is_kept_while_the_access_works_and_then_settled(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    login.answer = lost
    await refreshing.refresh_session("s1", trigger="schedule")
    row.lease_until = 0.0
    kept = await refreshing.refresh_session("s1", trigger="button")
    assert (kept.done, len(login.sent)) == ("kept", 1)
    login.answer = refused
    report = await refreshing.refresh_session("s1", trigger="unauthorized", seen_generation=0)
    assert report.done == "needs_person" and len(login.sent) == 2
    assert row.failure is not None and row.failure.reason == "answer_lost"
    assert "answer was lost" in row.session.status_reason


async def test_a_token_that_may_be_spent_is_left_alone_for_good_where_the_access_has_no_end(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    row.intent_open, row.presentations = True, 1
    row.tokens = msgspec.structs.replace(row.tokens, expires_at=None)
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, row.due_at, login.sent) == ("kept", None, [])


@pytest.mark.parametrize("trigger", ["schedule", "button", "command", "use", "unauthorized"])
async def test_nobody_presents_again_before_the_lease_of_the_intent_is_over(
    store: MemoryRefreshes, row: Row, login: Login, trigger: Any
) -> None:
    ended(row)
    login.answer = lost
    await refreshing.refresh_session("s1", trigger="schedule")
    row.due_at = 0.0
    report = await refreshing.refresh_session("s1", trigger=trigger)
    assert (report.done, report.code, len(login.sent)) == ("unknown", "token_outcome_unknown", 1)
    assert report.next_try_at == pytest.approx(time.time() + conf.current().refresh_lease_s, abs=5)
    row.lease_until, login.answer = 0.0, login.rotate
    assert (await refreshing.refresh_session("s1", trigger=trigger)).done == "refreshed"


async def test_a_refused_access_token_is_not_good_for_use_while_the_lane_rests(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    login.answer = lost
    await refreshing.refresh_session("s1", trigger="schedule")
    assert (await refreshing.refresh_session("s1", trigger="button")).done == "kept"
    with pytest.raises(errors.TokenOutcomeUnknown, match="no known outcome"):
        await refreshing.renewed(1, row.session, errors.AuthenticationFailed("ended"))
    assert login.sent == ["refresh-0"]


async def test_an_outage_never_ends_a_login(store: MemoryRefreshes, row: Row, login: Login) -> None:
    """However long the token endpoint answers 503 and whoever asks meanwhile, the first final answer counts."""
    ended(row)
    login.answer = lost
    for number in range(40):
        row.lease_until, row.due_at = 0.0, 0.0
        report = await refreshing.refresh_session("s1", trigger="button" if number % 2 else "schedule")
        assert report.done == "unknown" and row.due_at is not None and row.due_at > time.time() + 20
    assert (row.session.status, len(login.sent)) == ("active", 40)
    row.lease_until, row.due_at, login.answer = 0.0, 0.0, login.rotate
    assert (await refreshing.refresh_session("s1", trigger="schedule")).done == "refreshed"
    assert not row.intent_open


async def test_a_token_that_is_not_spent_by_a_refresh_has_no_unknown_outcome(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    login.rotation, login.answer = "none", lost
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, row.intent_open, row.lease_until) == ("failed", False, 0.0)
    assert row.due_at is not None and row.due_at < time.time() + 60
    login.answer = refused
    await refreshing.refresh_session("s1", trigger="button")
    assert row.failure is not None and row.failure.reason == "refused"


async def test_a_lost_answer_that_was_never_spent_is_saved(store: MemoryRefreshes, row: Row, login: Login) -> None:
    row.intent_open, row.presentations = True, 1
    ended(row)
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, login.sent, row.session.status) == ("refreshed", ["refresh-0"], "active")


async def test_a_refusal_to_listen_does_not_count_as_a_presentation(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    row.intent_open, row.presentations = True, 1
    ended(row)
    login.answer = lambda tokens: (_ for _ in ()).throw(errors.RateLimited("later", retry_after=1))
    assert (await refreshing.refresh_session("s1", trigger="schedule")).done == "failed"
    assert (row.presentations, row.intent_open) == (1, True)
    login.answer, row.due_at = login.rotate, time.time()
    assert (await refreshing.refresh_session("s1", trigger="schedule")).done == "refreshed"


async def test_the_second_presentation_does_not_follow_at_once(store: MemoryRefreshes, row: Row, login: Login) -> None:
    """A server that is silent for a minute must not end a login that is in use."""
    ended(row)
    login.answer = lambda tokens: (_ for _ in ()).throw(errors.TokenOutcomeUnknown("lost"))
    for _ in range(3):
        with pytest.raises((errors.TokenOutcomeUnknown, errors.RefreshFailed)):
            await refreshing.fresh(1, row.session, Credential(auth_type="oauth", secret=Secret("access-0")))
    assert (login.sent, row.session.status) == (["refresh-0"], "active")


async def test_a_connection_that_is_not_made_in_time_spends_nothing(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    async def no_route(tokens: Tokens) -> Tokens:
        put_forward(conf.current().refresh_timeout_s)
        await asyncio.sleep(conf.current().refresh_timeout_s)  # as ``Http.send`` does, whose error says ``sent=False``
        raise errors.UpstreamTimeout("no connection")

    login.answer = no_route
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, row.intent_open, row.presentations) == ("failed", False, 0)


async def test_tokens_that_end_at_once_are_not_refreshed_without_a_pause(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    login.answer = lambda tokens: msgspec.structs.replace(login.rotate(tokens), expires_at=time.time() - 60)
    await refreshing.refresh_session("s1", trigger="schedule")
    assert row.due_at is not None and row.due_at > time.time() + 20
    await refreshing.refresh_session("s1", trigger="schedule")
    assert login.sent == ["refresh-0"]
