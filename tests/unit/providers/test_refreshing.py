"""One refresh after the other, and many at once: who sends, who waits, and what a shutdown waits for."""

import asyncio
import time
from typing import Any

import msgspec
import pytest

from providers_app import conf, errors, loop, provider
from providers_app.refresh import flight
from providers_app.refresh import service as refreshing
from providers_app.types.credentials import Secret
from providers_app.types.refresh import RefreshReport
from providers_app.types.tokens import Tokens
from tests.unit.providers.memory_refreshes import MemoryRefreshes, Row
from tests.unit.providers.refreshing_kit import HOUR, Login, login, refresh_failure, row, store
from tests.waiting import put_forward, until

__all__ = ["login", "row", "store"]
pytestmark = pytest.mark.usefixtures("on_loop", "loopback")


async def test_the_order_of_a_refresh(store: MemoryRefreshes, row: Row, login: Login) -> None:
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, report.generation) == ("refreshed", 1)
    assert store.steps == ["claim", "intent", "keep"]
    assert login.sent == ["refresh-0"]
    assert row.tokens.refresh == Secret("refresh-1") and row.lease == ""
    assert report.next_try_at == pytest.approx(time.time() + HOUR - 300, abs=5)


async def test_many_callers_of_one_process_are_one_request(store: MemoryRefreshes, row: Row, login: Login) -> None:
    async def slowly(tokens: Tokens) -> Tokens:
        await asyncio.sleep(0.05)
        return login.rotate(tokens)

    login.answer = slowly
    calls = [
        refreshing.refresh_session("s1", trigger="unauthorized" if number % 2 else "schedule", seen_generation=0)
        for number in range(40)
    ]
    reports = await asyncio.gather(*calls)
    assert login.sent == ["refresh-0"]
    assert {report.generation for report in reports} == {1}
    assert sorted({report.done for report in reports}) == ["refreshed", "waited"]


async def test_a_stronger_caller_is_not_put_off_by_a_weaker_one(store: MemoryRefreshes, row: Row, login: Login) -> None:
    row.due_at = time.time() + HOUR
    reports = await asyncio.gather(
        refreshing.refresh_session("s1", trigger="schedule", seen_generation=0),
        refreshing.refresh_session("s1", trigger="unauthorized", seen_generation=0),
    )
    assert [report.done for report in reports] == ["skipped", "refreshed"]
    assert login.sent == ["refresh-0"]


async def test_a_cancelled_caller_leaves_the_request_to_its_end(store: MemoryRefreshes, row: Row, login: Login) -> None:
    sent = asyncio.Event()

    async def slowly(tokens: Tokens) -> Tokens:
        sent.set()
        await asyncio.sleep(0.05)
        return login.rotate(tokens)

    login.answer = slowly
    caller = asyncio.ensure_future(refreshing.refresh_session("s1", trigger="schedule"))
    await sent.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await until(lambda: row.session.generation)
    assert row.tokens.refresh == Secret("refresh-1")


async def test_the_loser_reads_the_winners_result(store: MemoryRefreshes, row: Row, login: Login) -> None:
    row.lease, row.lease_until = "other", time.monotonic() + 90
    waiting = asyncio.ensure_future(refreshing.refresh_session("s1", trigger="schedule"))
    await until(lambda: store.steps == ["busy"])
    row.session = msgspec.structs.replace(row.session, generation=1)
    report = await asyncio.wait_for(waiting, 60)
    assert (report.done, report.generation, login.sent) == ("waited", 1, [])


async def test_the_loser_reads_the_winners_failure(store: MemoryRefreshes, row: Row, login: Login) -> None:
    row.lease, row.lease_until = "other", time.monotonic() + 90
    waiting = asyncio.ensure_future(refreshing.refresh_session("s1", trigger="schedule"))
    await until(lambda: store.steps == ["busy"])
    row.failed_at = time.time()
    row.failure = refresh_failure("no", "upstream_rate_limit")
    assert (await asyncio.wait_for(waiting, 60)).code == "upstream_rate_limit"
    assert login.sent == []


async def test_a_holder_that_died_is_followed(store: MemoryRefreshes, row: Row, login: Login) -> None:
    row.lease, row.lease_until = "dead", time.monotonic() + 0.3
    report = await asyncio.wait_for(refreshing.refresh_session("s1", trigger="schedule"), 60)
    assert (report.done, login.sent) == ("refreshed", ["refresh-0"])


async def test_a_flight_that_has_just_ended_is_not_waited_for_again(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    async def end() -> RefreshReport:
        return RefreshReport(session_id="s1", done="skipped", why="not due")

    flights = loop.local("refresh-flights", dict)
    flights["s1"] = asyncio.ensure_future(end())
    await flights["s1"]
    assert (await refreshing.refresh_session("s1", trigger="button")).done == "refreshed"
    assert flights == {}


async def test_a_broken_provider_sends_nothing_and_is_tried_again_later(
    store: MemoryRefreshes, row: Row, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any) -> Any:
        raise errors.ProviderBroken("Its package does not load.")

    monkeypatch.setattr(Login, "flows", property(broken))
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, report.code, report.why) == ("failed", "provider_broken", "Its package does not load.")
    assert (store.steps, login.sent, row.notes) == (["claim", "postpone"], [], ["Its package does not load."])
    assert row.due_at is not None and row.due_at > time.time()


async def test_a_lost_lease_sends_nothing(store: MemoryRefreshes, row: Row, login: Login) -> None:
    store.lease_is_lost = True
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, report.code, login.sent) == ("skipped", "refresh_failed", [])


async def test_a_lease_that_is_too_short_sends_nothing(
    store: MemoryRefreshes, row: Row, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = store.write_intent

    async def slowly(claim: Any) -> Any:
        marked = await write(claim)
        return msgspec.structs.replace(marked, claimed=marked.claimed - 50)

    monkeypatch.setattr(store, "write_intent", slowly)
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, login.sent) == ("failed", [])
    assert not row.intent_open and row.presentations == 0


async def test_a_database_that_does_not_answer_loses_nothing(store: MemoryRefreshes, row: Row, login: Login) -> None:
    store.down = 3
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, row.tokens.refresh) == ("refreshed", Secret("refresh-1"))


async def test_somebody_who_signed_in_meanwhile_wins(store: MemoryRefreshes, row: Row, login: Login) -> None:
    def overtaken(tokens: Tokens) -> Tokens:
        row.session = msgspec.structs.replace(row.session, generation=7)
        return login.rotate(tokens)

    login.answer = overtaken
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, report.generation) == ("waited", 7)
    assert row.tokens.refresh == Secret("refresh-0")
    assert login.revoked == ["refresh-1"], "nobody holds the pair that came too late"


async def test_a_pair_that_came_too_late_is_left_where_revoking_would_end_other_logins(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    def overtaken(tokens: Tokens) -> Tokens:
        row.session = msgspec.structs.replace(row.session, generation=7)
        return login.rotate(tokens)

    login.rotation, login.answer = "none", overtaken
    await refreshing.refresh_session("s1", trigger="schedule")
    assert login.revoked == []


async def test_the_lane_is_waited_for_and_given_back(store: MemoryRefreshes, row: Row, login: Login) -> None:
    sent, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(tokens: Tokens) -> Tokens:
        sent.set()
        await go_on.wait()
        return login.rotate(tokens)

    login.answer = slowly
    refresh = asyncio.ensure_future(refreshing.refresh_session("s1", trigger="schedule"))
    await sent.wait()

    async def hold() -> str:
        async with refreshing.lane_of("s1"):
            return row.tokens.refresh.reveal()

    held = asyncio.ensure_future(hold())
    await until(lambda: "busy" in store.steps)
    assert not held.done()
    go_on.set()
    assert (await refresh).done == "refreshed" and await held == "refresh-1"
    assert (row.lease, row.intent_open) == ("", False)
    with conf.use(conf.current().model_copy(update={"refresh_timeout_s": 0.05})):
        row.lease, row.lease_until = "other", time.monotonic() + 90
        with pytest.raises(errors.RefreshFailed, match="under way"):
            await hold()
        row.lease = ""
        assert await hold() == "refresh-1", "a lane that only rests is not waited for"
        assert row.lease_until > time.monotonic()


async def test_refresh_tokens_of_the_interface(store: MemoryRefreshes, row: Row, login: Login) -> None:
    tokens = await provider.refresh_tokens("remote", "work", owner=1)
    assert tokens.access == Secret("access-1") and "access-1" not in repr(tokens)
    row.tokens = msgspec.structs.replace(row.tokens, read_only="another program holds it")
    with pytest.raises(errors.NotRefreshable, match="another program"):
        await provider.refresh_tokens("remote", "work", owner=1)


async def test_a_shutdown_waits_for_the_answer_to_a_request_that_was_sent(
    store: MemoryRefreshes, row: Row, login: Login
) -> None:
    sent = asyncio.Event()

    async def slowly(tokens: Tokens) -> Tokens:
        sent.set()
        await asyncio.sleep(0.4)
        return login.rotate(tokens)

    login.answer = slowly
    caller = asyncio.ensure_future(refreshing.refresh_session("s1", trigger="schedule"))
    await sent.wait()
    await loop.shutdown(0.1)
    assert (row.tokens.refresh, row.intent_open) == (Secret("refresh-1"), False)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)


async def test_a_shutdown_waits_for_nobody_who_only_waits(store: MemoryRefreshes, row: Row, login: Login) -> None:
    row.lease, row.lease_until = "other", time.monotonic() + 90
    caller = asyncio.ensure_future(refreshing.refresh_session("s1", trigger="schedule"))
    await until(lambda: store.steps == ["busy"])
    began = time.monotonic()
    await loop.shutdown(0.1)
    assert time.monotonic() - began < 30 and login.sent == []
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)


async def test_the_look_up_of_keys_is_not_waited_for_long(
    store: MemoryRefreshes, row: Row, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pair is stored before, and the lane is free meanwhile."""
    seen: list[list[str]] = []

    async def identified(tokens: Tokens, http: Any) -> Tokens:
        seen.append(list(store.steps))
        put_forward(flight.KEYS_S + 1)
        await asyncio.Event().wait()
        return tokens

    monkeypatch.setattr(login, "identified", identified, raising=False)
    login.answer = lambda tokens: msgspec.structs.replace(login.rotate(tokens), id_token=Secret("i2"))
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert report.done == "refreshed" and "did not come in 5 s" in report.why
    assert seen == [["claim", "intent", "keep"]] and row.lease == ""
    assert (row.tokens.refresh, row.tokens.id_token) == (Secret("refresh-1"), Secret("i2"))


async def test_the_id_token_of_a_refresh_is_verified_and_what_it_says_is_stored(
    store: MemoryRefreshes, row: Row, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def identified(tokens: Tokens, http: Any) -> Tokens:
        return msgspec.structs.replace(tokens, facts={"plan": tokens.id_token.reveal()})

    monkeypatch.setattr(login, "identified", identified)
    login.answer = lambda tokens: msgspec.structs.replace(login.rotate(tokens), id_token=Secret("i2"))
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert (report.done, report.why, row.tokens.facts) == ("refreshed", "refreshed", {"plan": "i2"})
    assert (row.tokens.refresh, row.tokens.id_token) == (Secret("refresh-1"), Secret("i2"))


async def test_an_id_token_that_is_refused_leaves_the_earlier_one_and_the_new_pair(
    store: MemoryRefreshes, row: Row, login: Login, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def identified(tokens: Tokens, http: Any) -> Tokens:
        raise errors.InvalidIdToken("The id token is for another client (aud).")

    monkeypatch.setattr(login, "identified", identified)
    row.tokens = msgspec.structs.replace(row.tokens, id_token=Secret("i1"))
    login.answer = lambda tokens: msgspec.structs.replace(login.rotate(tokens), id_token=Secret("i2"))
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert report.done == "refreshed" and "was not verified: The id token is for another client" in report.why
    assert (row.tokens.refresh, row.tokens.id_token) == (Secret("refresh-1"), Secret("i1"))


@pytest.mark.parametrize(
    ("before", "after", "taken"), [("a", "b", False), ("a", "a", True), ("a", "", True), ("", "b", True)]
)
async def test_tokens_of_another_account_are_not_taken_but_revoked(
    store: MemoryRefreshes, row: Row, login: Login, before: str, after: str, taken: bool
) -> None:
    row.tokens = msgspec.structs.replace(row.tokens, account_id=before)
    login.answer = lambda tokens: msgspec.structs.replace(login.rotate(tokens), account_id=after)
    report = await refreshing.refresh_session("s1", trigger="schedule")
    assert report.done == ("refreshed" if taken else "needs_person")
    assert row.tokens.refresh == Secret("refresh-1" if taken else "refresh-0")
    assert login.revoked == ([] if taken else ["refresh-1"])
