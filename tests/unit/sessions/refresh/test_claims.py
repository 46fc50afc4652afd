"""The lane: one holder, taken over when its lease ends, shared by the sessions of one account and client."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from providers_app import loop, ports
from providers_app.errors import NotRefreshable, UnknownSession
from providers_app.ports import SYSTEM
from providers_app.refresh import clock
from providers_app.types.credentials import Secret
from providers_app.types.refresh import RefreshBusy, RefreshClaim
from sessions_app import crypto
from sessions_app.errors import KeyRingError
from sessions_app.models import AuthSession, RefreshLane
from sessions_app.services import lifecycle
from sessions_app.stores import lanes, refreshes
from sessions_app.stores.refreshes import DjangoRefreshStore
from tests.unit.sessions.refresh.support import (
    busy,
    intend,
    keep,
    lease_over,
    make_login,
    row_of,
    store,
    take,
    tokens_of,
)
from tests.unit.sessions.support import make

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def test_the_apps_install_the_store() -> None:
    assert isinstance(ports.refresh_store(), DjangoRefreshStore)


def test_one_of_many_at_once_gets_the_lane(alice: User) -> None:
    session = make_login(alice)

    async def race() -> list[Any]:
        claims = (store.claim(str(session.pk), lease_s=60, holder=f"worker-{n}") for n in range(24))
        return list(await asyncio.gather(*claims))

    found = loop.run(race(), 60)
    won = [claim for claim in found if isinstance(claim, RefreshClaim)]
    lost = [claim for claim in found if isinstance(claim, RefreshBusy)]
    assert (len(won), len(lost)) == (1, 23)
    # A statement's time is taken a moment before the rows that it sees, so a little more than the lease may be left.
    assert all(0 < claim.lease_left < 61 and claim.generation == 0 for claim in lost)


def test_a_lane_that_is_held_for_a_moment_longer_is_busy_and_nothing_is_written(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_login(alice)
    take(session)
    look = refreshes._with_lane
    monkeypatch.setattr(refreshes, "_with_lane", lambda session_id: (look(session_id)[0], 0.001))
    monkeypatch.setattr(lanes, "take", lambda *args: pytest.fail("it was looked at before"))
    found = loop.run(store.claim(str(session.pk), lease_s=60, holder="other"), 60)
    assert isinstance(found, RefreshBusy) and found.lease_left == 0.001 and not found.resting


def test_a_claim_shows_the_session_as_it_is(alice: User) -> None:
    tokens = tokens_of(facts={"plan": "pro"})
    session = make_login(alice, tokens=tokens, due_in=120)
    before = clock.elapsed()
    claim = take(session, lease_s=30)
    assert claim.tokens == tokens and tokens.refresh.reveal() not in repr(claim)
    assert (claim.session_id, claim.provider, claim.name) == (str(session.pk), "anthropic", "my_login")
    assert (claim.generation, claim.presentations, claim.intent_open, claim.intent_written) == (0, 0, False, False)
    assert before <= claim.claimed <= clock.elapsed() and claim.lease_s == 30
    assert claim.due_at is not None and abs(claim.due_at - time.time() - 120) < 10
    lane = RefreshLane.objects.get()
    assert lane.lease_token == claim.lease and lane.holder == "test"


def test_a_lease_is_measured_by_the_clock_of_the_database(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    session = make_login(alice)
    hours = timedelta(hours=7)
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + hours)
    take(session, lease_s=60)
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) - hours)
    assert 50 < busy(session).lease_left <= 60
    monkeypatch.setattr(timezone, "now", lambda: datetime.now(UTC) + 3 * hours)
    assert 50 < busy(session).lease_left <= 60


def test_a_short_lease_ends_to_the_millisecond(alice: User) -> None:
    session = make_login(alice)
    begun = time.monotonic()
    take(session, lease_s=0.3)
    while not isinstance(found := loop.run(store.claim(str(session.pk), lease_s=60, holder="next"), 10), RefreshClaim):
        assert isinstance(found, RefreshBusy) and 0 < found.lease_left <= 0.3
        assert time.monotonic() - begun < 30, "the lease did not end"
    assert time.monotonic() - begun >= 0.28


def test_an_ended_lease_is_taken_over_and_the_former_holder_can_do_nothing(alice: User) -> None:
    session = make_login(alice)
    first = take(session)
    lease_over(session)
    second = take(session)
    assert second.lease != first.lease
    assert loop.run(store.write_intent(first), 60) is None
    loop.run(store.postpone(first, None, "too late"), 60)
    assert RefreshLane.objects.get().lease_token == second.lease
    assert row_of(session).next_refresh_at is not None
    assert loop.run(store.write_intent(second), 60) is not None


def test_two_sessions_of_one_account_and_client_share_a_lane(alice: User, bob: User) -> None:
    mine, theirs, other = make_login(alice, "one"), make_login(bob, "two"), make_login(alice, "three", account_id="b")
    claim = take(mine)
    assert busy(theirs).lease_left > 0
    take(other)
    loop.run(store.postpone(claim, None, "done"), 60)
    assert take(theirs).session_id == str(theirs.pk)


def test_logins_of_unknown_accounts_have_lanes_of_their_own(alice: User) -> None:
    one, two = make_login(alice, "one", account_id=""), make_login(alice, "two", account_id="")
    take(one)
    take(two)


def test_a_session_without_a_lane_gets_one(alice: User) -> None:
    session = make_login(alice)
    AuthSession.objects.update(lane=None)
    RefreshLane.objects.all().delete()
    claim = take(session)
    assert row_of(session).lane.key == claim.lane  # type: ignore[union-attr]


def test_a_session_whose_account_changed_is_claimed_in_its_new_lane(alice: User) -> None:
    session, other = make_login(alice, "one"), make_login(alice, "two", account_id="acct-2")
    # Signed in again as the other account, but the column still leads to the former lane.
    AuthSession.objects.filter(pk=session.pk).update(lane=lanes.lane_of("anthropic", tokens_of(account_id="x"), "y"))
    claim = take(session)
    assert claim.lane == lanes.lane_key("anthropic", claim.tokens, session.pk)
    assert row_of(session).lane.key == claim.lane  # type: ignore[union-attr]
    assert RefreshLane.objects.filter(lease_token="").count() == RefreshLane.objects.count() - 1
    assert take(other).lane != claim.lane


def test_an_account_that_becomes_known_moves_the_session(alice: User) -> None:
    session = make_login(alice, account_id="")
    keep(intend(session), tokens_of(2, account_id="acct-9"))
    assert take(session).lane == lanes.lane_key("anthropic", tokens_of(account_id="acct-9"), session.pk)


def test_what_cannot_be_claimed(alice: User) -> None:
    key = make(alice, "a_key")
    with pytest.raises(NotRefreshable):
        loop.run(store.claim(str(key.pk), lease_s=60, holder="x"), 60)
    gone = make_login(alice, "gone")
    lifecycle.trash(gone)
    for ref in (str(gone.pk), "not-an-id", "00000000-0000-4000-8000-000000000000"):
        with pytest.raises(UnknownSession):
            loop.run(store.claim(ref, lease_s=60, holder="x"), 60)
        with pytest.raises(UnknownSession):
            loop.run(store.peek(ref), 60)


def test_a_claim_that_cannot_open_the_session_leaves_the_lane_free(alice: User) -> None:
    session = make_login(alice)
    crypto.configure(crypto.KeyRing.parse(crypto.KeyRing.generate()))
    with pytest.raises(KeyRingError):
        loop.run(store.claim(str(session.pk), lease_s=60, holder="x"), 60)
    assert RefreshLane.objects.get().lease_token == ""


def test_peek_tells_without_opening_anything(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    session = make_login(alice)
    state = loop.run(store.peek(str(session.pk)), 60)
    assert (state.generation, state.status, state.lease_left, state.intent_open) == (0, "active", 0, False)
    intend(session)
    monkeypatch.setattr("sessions_app.crypto.KeyRing.open", None)
    state = loop.run(store.peek(str(session.pk)), 60)
    assert state.intent_open and 50 < state.lease_left <= 60
    assert state.expires_at is not None and state.next_try_at is not None and state.failed_at is None


def test_tokens_go_to_their_owner_alone(alice: User, bob: User) -> None:
    session = make_login(alice, refresh=Secret("refresh-x"))
    assert loop.run(store.tokens_of(alice.pk, str(session.pk)), 60).refresh.reveal() == "refresh-x"
    assert loop.run(store.tokens_of(SYSTEM, str(session.pk)), 60).refresh.reveal() == "refresh-x"
    with pytest.raises(UnknownSession):
        loop.run(store.tokens_of(bob.pk, str(session.pk)), 60)
